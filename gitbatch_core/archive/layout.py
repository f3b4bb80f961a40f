"""The names of format version 1: addresses, object names, where things lie. Pure: no I/O.

    ARCHIVE                        what this archive is
    objects/ab/cdef...[+x][.suffix]
    manifests/ab/cdef....txt
    records/ab/cdef.../RUN-N.json
    names/PREFIX/PATH
    staging/  damaged/

An object's name is a pure function of digest, x-bit and suffix. The suffix is the last one or two
extensions of the output's name, so that tools that look at suffixes go on working:

- an extension has 1 to 10 characters of [A-Za-z0-9_-], at least one of them a letter;
- dots at the beginning of a name begin no extension (`.bashrc` has none, `.conf.json` has `.json`);
- reading from the end, the first part that is no such extension ends the suffix: `a.tar.gz` gives
  `.tar.gz`, `x.vcf.gz.tbi` gives `.gz.tbi`, `s.1.bam` gives `.bam`, `v1.2.3` and `a.b~` give none.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Self

from gitbatch_core.errors import FormatError, UsageError

FORMAT = "gitbatch-archive"
VERSION = 1
ARCHIVE = "ARCHIVE"
OBJECTS = "objects"
MANIFESTS = "manifests"
RECORDS = "records"
NAMES = "names"
STAGING = "staging"
DAMAGED = "damaged"
RUNS = "runs"
REPRODUCTIONS = "reproductions"
FOLDERS = (OBJECTS, MANIFESTS, RECORDS, RUNS, REPRODUCTIONS, NAMES, STAGING, DAMAGED)

LINK_PATH = ".gitbatch/archive"
"""Where links pass: this path below a work tree is a symbolic link to the archive."""

DIGEST_LENGTHS = {"xxh3": 32, "blake3": 64}
"""Hex digits of a digest. The lengths differ, so that a digest tells its algorithm."""
_ALGORITHMS = {length: algorithm for algorithm, length in DIGEST_LENGTHS.items()}
DEFAULT_ALGORITHM = "xxh3"

MTIME_NS = 946_684_800 * 10**9
"""The one mtime of objects and manifests: 2000-01-01T00:00:00Z, in nanoseconds."""
LONGEST_PART = 255
"""Bytes that a part of a path may have."""
FILE_MODE = 0o444
EXECUTABLE_MODE = 0o555
NAME_MODE = 0o644

_HEX = r"[0-9a-f]{32}|[0-9a-f]{64}"
_EXTENSION = r"\.(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{1,10}"
_DIGEST = re.compile(_HEX)
_EXTENSIONS = re.compile(rf"(?:{_EXTENSION}){{0,2}}")
_LAST_EXTENSIONS = re.compile(rf"(?:{_EXTENSION}){{1,2}}\Z")
_OBJECT = re.compile(
    rf"{OBJECTS}/([0-9a-f]{{2}})/([0-9a-f]{{30}}|[0-9a-f]{{62}})(\+x)?((?:{_EXTENSION}){{0,2}})"
)
_LINK = re.compile(rf"(?:.*/)?{re.escape(LINK_PATH)}/({_OBJECT.pattern})", re.DOTALL)
_MANIFEST = re.compile(rf"{MANIFESTS}/([0-9a-f]{{2}})/([0-9a-f]{{30}}|[0-9a-f]{{62}})\.txt")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RECORD = re.compile(
    rf"{RECORDS}/([0-9a-f]{{2}})/([0-9a-f]{{30}}|[0-9a-f]{{62}})"
    rf"/({_RUN.pattern})-([1-9][0-9]*)\.json"
)
_ENDED_RUN = re.compile(rf"{RUNS}/({_RUN.pattern})\.json")
_REPRODUCTION = re.compile(rf"{REPRODUCTIONS}/({_RUN.pattern})/({_RUN.pattern})\.json")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Address:
    """What an object or a tree is called: `xxh3:<32 hex>` or `blake3:<64 hex>`, lower case."""

    algorithm: str
    digest: str

    def __post_init__(self) -> None:
        length = DIGEST_LENGTHS.get(self.algorithm)
        if length is None:
            algorithms = ", ".join(DIGEST_LENGTHS)
            raise FormatError(f"Unknown hash algorithm {self.algorithm!r}; known are {algorithms}.")
        if len(self.digest) != length or not _DIGEST.fullmatch(self.digest):
            raise FormatError(f"Not a digest of {self.algorithm}: {self.digest!r}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address that `text` writes. Raises FormatError on anything else."""
        algorithm, colon, digest = text.partition(":")
        if not colon:
            raise FormatError(f"Not an address: {text!r}.")
        return cls(algorithm=algorithm, digest=digest)

    @classmethod
    def of_digest(cls, digest: str) -> Self:
        """The address with this digest, whose length tells the algorithm. Raises FormatError."""
        for algorithm, length in DIGEST_LENGTHS.items():
            if len(digest) == length:
                return cls(algorithm=algorithm, digest=digest)
        raise FormatError(f"not a digest: {digest!r}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ObjectName:
    """The name of one object file. Raises FormatError where a part is not in the format."""

    digest: str
    executable: bool = False
    suffix: str = ""
    """Empty, or one or two extensions with their dots."""

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.digest):
            raise FormatError(f"Not a digest: {self.digest!r}.")
        if not _EXTENSIONS.fullmatch(self.suffix):
            raise FormatError(f"Not the suffix of an object: {self.suffix!r}.")

    @classmethod
    def parse(cls, path: str) -> Self:
        """The name that `path`, relative to the archive, writes. Raises FormatError."""
        match = _OBJECT.fullmatch(path)
        if match is None:
            raise FormatError(f"Not the name of an object: {path!r}.")
        return cls(digest=match[1] + match[2], executable=match[3] is not None, suffix=match[4])

    @property
    def path(self) -> str:
        """Relative to the archive: `objects/ab/cdef...[+x][.suffix]`."""
        mark = "+x" if self.executable else ""
        return f"{OBJECTS}/{self.digest[:2]}/{self.digest[2:]}{mark}{self.suffix}"

    @property
    def address(self) -> Address:
        return Address.of_digest(self.digest)

    @property
    def mode(self) -> int:
        """The permission bits that the object has: 0444 or 0555."""
        return EXECUTABLE_MODE if self.executable else FILE_MODE


def suffix_of(name: str) -> str:
    """The suffix for an output called `name` (or a path that ends so), by the rule above."""
    match = _LAST_EXTENSIONS.search(name.rpartition("/")[2].lstrip("."))
    return match[0] if match else ""


def linked_object(text: str) -> ObjectName | None:
    """The object that a link with this text leads to; None: not a link into an archive.

    Looks at the text only, so that it works where the archive cannot be reached.
    """
    match = _LINK.fullmatch(text)
    return ObjectName.parse(match[1]) if match else None


def linked_address(text: str) -> tuple[str, str] | None:
    """The same, as texts: the object's address, and where it lies in the archive. Of many links,
    making objects takes a while."""
    match = _LINK.fullmatch(text)
    if match is None:
        return None
    digest = match[2] + match[3]
    return f"{_ALGORITHMS[len(digest)]}:{digest}", match[1]


def manifest_path(digest: str) -> str:
    """Where the manifest of the tree with this digest lies, relative to the archive."""
    _check_digest(digest)
    return f"{MANIFESTS}/{digest[:2]}/{digest[2:]}.txt"


def parse_manifest_path(path: str) -> str:
    """The tree's digest. Raises FormatError."""
    match = _MANIFEST.fullmatch(path)
    if match is None:
        raise FormatError(f"Not the name of a manifest: {path!r}.")
    return match[1] + match[2]


def record_folder(key: str) -> str:
    """Where the records of the job key lie, relative to the archive. `key`: 32 or 64 hex digits."""
    _check_digest(key)
    return f"{RECORDS}/{key[:2]}/{key[2:]}"


def record_path(key: str, run: str, number: int) -> str:
    """Where the record of execution `number` (from 1) of the run lies, relative to the archive."""
    if not _RUN.fullmatch(run) or number < 1:
        raise FormatError(f"A record cannot be named by this run and number: {run!r}, {number}.")
    return f"{record_folder(key)}/{run}-{number}.json"


def parse_record_path(path: str) -> tuple[str, str, int]:
    """Job key, run and number of a record. Raises FormatError."""
    match = _RECORD.fullmatch(path)
    if match is None:
        raise FormatError(f"Not the name of a record: {path!r}.")
    return match[1] + match[2], match[3], int(match[4])


def run_path(run: str) -> str:
    """Where the document of a run that has ended lies, relative to the archive."""
    return _checked(f"{RUNS}/{run}.json", _ENDED_RUN)


def reproduction_path(run: str, again: str) -> str:
    """Where the document of `again`, an attempt to make the outputs of `run` again, lies."""
    return _checked(f"{REPRODUCTIONS}/{run}/{again}.json", _REPRODUCTION)


def check_document_path(path: str) -> None:
    """Raise FormatError where `path` is the name of no run's or reproduction's document."""
    _checked(path, _ENDED_RUN if path.startswith(f"{RUNS}/") else _REPRODUCTION)


def _checked(path: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(path):
        raise FormatError(f"Not the name of a document: {path!r}.")
    return path


def name_path(name: str) -> str:
    """Where the writable name `PREFIX/PATH` lies, relative to the archive. Raises UsageError."""
    if "/" not in name:
        raise UsageError(f"Not a name for the archive: {name!r}.", hint="A name is PREFIX/PATH.")
    check_path(name)
    return f"{NAMES}/{name}"


def check_path(path: str) -> None:
    """Raise UsageError where a part of `path` can be no file's name, or leads elsewhere."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise UsageError(
            f"Not a path below a folder: {path!r}.",
            hint="Such a path has no empty parts, no `.` and no `..`.",
        )
    try:
        longest = max(map(os.fsencode, parts), key=len)
    except UnicodeEncodeError as error:
        raise UsageError(f"Not a path: {path!r} cannot be written in UTF-8.") from error
    if len(longest) > LONGEST_PART:
        raise UsageError(
            f"A part of a path is too long: {os.fsdecode(longest[:40])!r}... "
            f"has {len(longest)} bytes.",
            hint=f"File systems allow at most {LONGEST_PART} bytes.",
        )


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise FormatError(f"not a digest: {digest!r}")
