"""An HTCondor to run: the installed one, or Debian's packages in a cache folder.

Part of htcondor-pool.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from debian_tree import DebianTree, cache_folder


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
    tree = DebianTree(
        name="htcondor",
        what="HTCondor",
        otherwise="install HTCondor (https://htcondor.org) and put it on PATH",
        suite=suite,
        packages=("condor",),
        programs=("condor_*",),
    )
    tree.get()
    return places_of(tree.root / "usr/sbin/condor_master", tree.bin)
