"""An HTCondor to run: the installed one, or Debian's packages made to run from a cache folder.

Part of htcondor-pool. Nothing is installed and no root is needed: apt-get resolves and downloads
into a folder of its own, dpkg-deb unpacks, and patchelf points the programs to what was unpacked.
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


class PoolError(Exception):
    """What the user is told, and the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    print(f"htcondor-pool: {message}", file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel gives it back however this process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another htcondor-pool, which holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(purpose: str, command: Sequence[str | Path], **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        lines = [line for line in lines if line.startswith("E:")] or lines
        raise PoolError("\n  ".join([f"cannot {purpose}:", *lines[-6:]]))
    return str(done.stdout)


# --- HTCondor itself: the machine's own, or one in the cache


def checked_path(path: Path, what: str) -> Path:
    """HTCondor's settings split at spaces and commas, expand $, and its own names add to these."""
    if not re.fullmatch(r"[\w./+@=-]+", str(path)):
        allowed = "letters, digits and . _ + @ = -"
        raise PoolError(f"{what}, {str(path)!r}, must have only {allowed} in its path", 2)
    if len(os.fsencode(path)) > 150:
        raise PoolError(f"{what}, {path}, has too long a path for HTCondor (over 150 bytes)", 2)
    return path


def cache_folder() -> Path:
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache").resolve() / "gitbatch"


def places_of(master: Path, programs: Path) -> dict[str, str]:
    """HTCondor's folders, by their names in CONFIG."""
    libexec = master.parent.parent / "libexec"
    if (libexec / "condor").is_dir():
        libexec /= "condor"
    places = {"release": master.parent.parent, "sbin": master.parent}
    return {key: str(at) for key, at in (places | {"libexec": libexec, "bin": programs}).items()}


def find_htcondor(suite: str) -> dict[str, str]:
    # Debian's sbin folders are not on every user's PATH.
    path = os.pathsep.join([*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"])
    master, status = (shutil.which(name, path=path) for name in ("condor_master", "condor_status"))
    if master and status and not Path(master).resolve().is_relative_to(cache_folder()):
        return places_of(Path(master).resolve(), Path(status).parent)
    tree = checked_path(cache_folder() / f"htcondor-{suite}", "the cache folder")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with locked(tree.with_name(f"{tree.name}.lock")):
        if not tree.is_dir():
            fetch(tree, suite)
    own = tree / "root/usr/sbin/condor_master"
    try:
        run("start HTCondor", [own, "-v"])
    except (OSError, PoolError) as error:
        advice = "it cannot be moved or copied: remove that folder and run `up` again"
        raise PoolError(f"the HTCondor in {tree} does not run ({error}); {advice}") from None
    return places_of(own, tree / "bin")


def fetch(tree: Path, suite: str) -> None:
    """Download and unpack HTCondor; `tree` appears complete or not at all."""
    started = time.monotonic()
    for left in tree.parent.glob(f"{tree.name}.part*"):  # by an `up` that was killed
        shutil.rmtree(left, ignore_errors=True)
    part = tree.with_name(f"{tree.name}.part{os.getpid()}")
    try:
        (part / "bin").mkdir(parents=True)
        packages = download(part / "apt", suite)
        unpack(packages, part / "root")
        make_runnable(part / "root", tree / "root")
        for program in (part / "root/usr").glob("*bin/condor_*"):
            if re.match(rb"\x7fELF|#! ?/bin/(ba)?sh", program.read_bytes()[:80]):
                (part / "bin" / program.name).symlink_to(f"../{program.relative_to(part)}")
        shutil.rmtree(part / "apt")
        part.rename(tree)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    say(f"HTCondor is in {tree} ({time.monotonic() - started:.1f} s)")


def download(folder: Path, suite: str) -> list[Path]:
    """HTCondor, patchelf and the libraries they load, by an apt that writes to `folder` only."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PoolError(
            "HTCondor is not on PATH, and without apt-get and dpkg-deb it cannot be downloaded: "
            "install HTCondor (https://htcondor.org) and put it on PATH"
        )
    keys = next(Path("/usr/share/keyrings").glob("debian-archive-keyring.[gp]*"), None)
    if keys is None:
        raise PoolError(
            "HTCondor is not on PATH, and Debian's keys, which a download is checked with, are "
            "missing: install debian-archive-keyring, or HTCondor itself"
        )
    for name in ("state/lists/partial", "cache/archives/partial", "packages"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    uri = mirror()
    source = f"deb [signed-by={keys}] {uri} {suite} main\n"
    (folder / "sources.list").write_text(source, encoding="utf-8")
    host = run("ask apt for its settings", ["apt-config", "dump"])
    proxies = "\n".join(re.findall(r"(?m)^Acquire::https?::.*[Pp]roxy.*$", host))
    settings = APT_CONFIG.format(folder=folder, proxies=proxies)
    (folder / "apt.conf").write_text(settings, encoding="utf-8")

    def apt(*words: str) -> str:
        env = os.environ | {"APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        purpose = f"download HTCondor from {uri} ({suite}); check the network and --suite"
        return run(purpose, ["apt-get", "-qy", *words], env=env, cwd=folder / "packages")

    say(f"downloading HTCondor from {uri} ({suite})")
    apt("update")
    plan = apt("install", "--simulate", "condor", "patchelf")
    # Libraries, but none of the interpreters that HTCondor's scripts ask for.
    needed = r"(?m)^Inst (condor|patchelf|zlib1g|lib(?!perl|python|js-)\S+)"
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
        list(threads.map(lambda command: run("unpack HTCondor", command), commands))


def make_runnable(root: Path, final: Path) -> None:
    """Point HTCondor's programs at the tree's own loader and libraries, whose place is `final`.

    An old-style RPATH holds for libraries of libraries too, and nothing of it leaks into jobs.
    """
    loader = next(root.glob("lib*/ld*.so.*"), None)
    libc = next((root / "usr/lib").glob("*/libc.so.6"), None)
    if loader is None or libc is None:
        raise PoolError("the downloaded HTCondor has no C library that is known here")
    folders = [root / "usr" / name for name in ("bin", "sbin", "libexec/condor")]
    programs = [path for folder in folders for path in folder.iterdir() if is_program(path)]
    patchelf = [loader, "--library-path", libc.parent, root / "usr/bin/patchelf", "--force-rpath"]
    rpath = f"{final / libc.parent.relative_to(root)}:{final}/usr/lib"
    places = ["--set-interpreter", final / loader.relative_to(root), "--set-rpath", rpath]
    run("make HTCondor runnable", [str(word) for word in (*patchelf, *places, *programs)])


def is_program(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.suffix == ".so" or path.name == "patchelf":
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
