"""Programs of Debian's packages, made to run from a cache folder.

Nothing is installed and no root is needed: apt-get resolves and downloads into a folder of its own,
dpkg-deb unpacks, and patchelf points the programs to what was unpacked.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APT_CONFIG = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc "{folder}";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::http::Timeout "20";
{proxies}
"""


class ToolError(Exception):
    """What the user is told, and the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel gives it back however this process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process, which holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(purpose: str, command: Sequence[str | Path], **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        lines = [line for line in lines if line.startswith("E:")] or lines
        raise ToolError("\n  ".join([f"cannot {purpose}:", *lines[-6:]]))
    return str(done.stdout)


def checked_path(path: Path, what: str) -> Path:
    """The path, if it fits where it goes; else ToolError.

    HTCondor's settings split at spaces and commas, expand $, and its own names add to these; PATH
    splits at colons.
    """
    if not re.fullmatch(r"[\w./+@=-]+", str(path)):
        allowed = "letters, digits and . _ + @ = -"
        raise ToolError(f"{what}, {str(path)!r}, must have only {allowed} in its path", 2)
    if len(os.fsencode(path)) > 150:
        raise ToolError(f"{what}, {path}, has too long a path (over 150 bytes)", 2)
    return path


def cache_folder() -> Path:
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache").resolve() / "gitbatch"


@dataclass(frozen=True, kw_only=True)
class DebianTree:
    """Packages of a Debian suite, with the libraries that they load, unpacked in a cache folder."""

    name: str  # of its folder in the cache, before the suite
    what: str  # what messages call it
    otherwise: str  # how to get it where it cannot be downloaded
    suite: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]  # patterns of those that `bin` has
    launched: tuple[str, ...] = ()  # of these: names of those that patchelf would break

    @property
    def folder(self) -> Path:
        return cache_folder() / f"{self.name}-{self.suite}"

    @property
    def root(self) -> Path:
        """What the packages have in /."""
        return self.folder / "root"

    @property
    def bin(self) -> Path:
        """A folder for PATH."""
        return self.folder / "bin"

    def get(self) -> None:
        """Download it where the cache has none; ToolError where that fails, or it does not run."""
        checked_path(self.folder, "the cache folder")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.folder.with_name(f"{self.folder.name}.lock")):
            if not self.folder.is_dir():
                self._fetch()
        program = min(path for path in self.bin.iterdir() if is_program(path.resolve()))
        try:  # the loader and the libraries; it does not come to the program itself
            env = os.environ | {"LD_TRACE_LOADED_OBJECTS": "1"}
            if missing := re.findall(r"(\S+) => not found", run("load it", [program], env=env)):
                raise ToolError(f"no {missing[0]}")
        except (OSError, ToolError) as error:
            advice = f"{self.folder} cannot be moved or copied: remove it and start again"
            raise ToolError(f"{program} does not run ({error}); {advice}") from None

    def _fetch(self) -> None:
        """Download and unpack; the folder appears complete or not at all."""
        started = time.monotonic()
        tree = self.folder
        for left in tree.parent.glob(f"{tree.name}.part*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        part = tree.with_name(f"{tree.name}.part{os.getpid()}")
        try:
            (part / "bin").mkdir(parents=True)
            unpack(self._download(part / "apt"), part / "root")
            make_runnable(part / "root", self.root, self.launched)
            found = [each for name in self.programs for each in part.glob(f"root/usr/*bin/{name}")]
            for program in found:
                if program.name in self.launched:
                    self._launch(program.relative_to(part), part)
                elif re.match(rb"\x7fELF|#! ?/bin/(ba)?sh", program.read_bytes()[:80]):
                    (part / "bin" / program.name).symlink_to(f"../{program.relative_to(part)}")
            shutil.rmtree(part / "apt")
            part.rename(tree)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        say(f"{self.what}: in {tree} ({time.monotonic() - started:.1f} s)")

    def _launch(self, program: Path, part: Path) -> None:
        """A script in `bin` that has the tree's own loader start the program."""
        loader, libraries = loader_and_libraries(part / "root")
        script = part / "bin" / program.name
        loader, libraries = (self.folder / each.relative_to(part) for each in (loader, libraries))
        script.write_text(
            "#!/bin/sh\n"
            # git-annex starts itself, and would find the loader.
            f"export GIT_ANNEX_PROGRAMPATH={self.bin / program.name}\n"
            f'exec {loader} --library-path {libraries} {self.folder / program} "$@"\n'
        )
        script.chmod(0o755)

    def _download(self, folder: Path) -> list[Path]:
        """The packages, patchelf and libraries, by an apt that writes to `folder` only."""
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise ToolError(
                f"{self.what}: missing, and not to be downloaded without apt-get and dpkg-deb: "
                f"{self.otherwise}"
            )
        keys = next(Path("/usr/share/keyrings").glob("debian-archive-keyring.[gp]*"), None)
        if keys is None:
            raise ToolError(
                f"{self.what}: missing, and so are Debian's keys, which a download is checked "
                f"with: install debian-archive-keyring, or {self.otherwise}"
            )
        for name in ("state/lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        uri = mirror()
        source = f"deb [signed-by={keys}] {uri} {self.suite} main\n"
        (folder / "sources.list").write_text(source, encoding="utf-8")
        host = run("ask apt for its settings", ["apt-config", "dump"])
        proxies = "\n".join(re.findall(r"(?m)^Acquire::https?::.*[Pp]roxy.*$", host))
        settings = APT_CONFIG.format(folder=folder, proxies=proxies)
        (folder / "apt.conf").write_text(settings, encoding="utf-8")
        origin = f"{self.what} from {uri} ({self.suite})"

        def apt(*words: str) -> str:
            env = os.environ | {"APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
            purpose = f"download {origin}; check the network and the suite"
            return run(purpose, ["apt-get", "-qy", *words], env=env, cwd=folder / "packages")

        say(f"downloading {origin}")
        apt("update")
        plan = apt("install", "--simulate", *self.packages, "patchelf")
        # Libraries, but none of the interpreters that scripts ask for.
        wanted = "|".join(map(re.escape, self.packages))
        needed = rf"(?m)^Inst ({wanted}|patchelf|zlib1g|lib(?!perl|python|js-)\S+) "
        apt("download", *re.findall(needed, plan))
        return sorted((folder / "packages").glob("*.deb"))


def mirror() -> str:
    """The Debian mirror that this machine uses, else the public one."""
    form = "$(REPO_URI) $(COMPONENT) $(ORIGIN)"
    for line in run("ask apt for its mirror", ["apt-get", "indextargets", "--format", form]).split(
        "\n"
    ):
        if match := re.fullmatch(r"((?:https?|file):\S+?)/? main (.*)", line):
            uri, origin = match.groups()
            at_root = re.fullmatch(r"\w+://[^/]+/debian", uri)
            if (origin == "Debian" or at_root) and "security" not in uri:
                return uri
    return "http://deb.debian.org/debian"


def unpack(packages: list[Path], root: Path) -> None:
    """Only the files: no package's script is run."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor() as threads:
        commands: list[list[str | Path]] = [["dpkg-deb", "-x", each, root] for each in packages]
        list(threads.map(lambda command: run("unpack packages", command), commands))


def loader_and_libraries(root: Path) -> tuple[Path, Path]:
    """The tree's own loader, and the folder of its libraries."""
    loader = next(root.glob("lib*/ld*.so.*"), None)
    libc = next((root / "usr/lib").glob("*/libc.so.6"), None)
    if loader is None or libc is None:
        raise ToolError("the downloaded packages have no C library that is known here")
    return loader, libc.parent


def make_runnable(root: Path, final: Path, but: Sequence[str] = ()) -> None:
    """Point the programs, `but` for these, at the tree's own loader and libraries, whose place is
    `final`.

    An old-style RPATH holds for libraries of libraries too, and nothing of it leaks into jobs.
    """
    loader, libraries = loader_and_libraries(root)
    found = [path for places in ("*bin/*", "libexec/*/*") for path in (root / "usr").glob(places)]
    programs = [path for path in found if is_program(path) and path.name not in but]
    patchelf = [loader, "--library-path", libraries, root / "usr/bin/patchelf", "--force-rpath"]
    rpath = f"{final / libraries.relative_to(root)}:{final}/usr/lib"
    places = ["--set-interpreter", final / loader.relative_to(root), "--set-rpath", rpath]
    run("make the programs runnable", [str(word) for word in (*patchelf, *places, *programs)])


def is_program(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.suffix == ".so" or path.name == "patchelf":
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
