"""What all tests share: a home of their own, and one real HTCondor pool for the whole session."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parent.parent
POOL_TOOL = REPOSITORY / "tools" / "htcondor-pool"
_POOL_VARIABLE = "GITBATCH_TEST_POOL"
_MADE_ONCE = {"tests/cli/test_runs_verbs.py", "tests/cli/test_trace_verbs.py"}

# No test is a matter of speed: a busy machine is slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    if os.getuid() == 0:
        raise pytest.UsageError(
            "HTCondor refuses jobs of root, and root is not bound by permissions: "
            "run the tests as an ordinary user."
        )
    if not hasattr(config, "workerinput"):
        # Short, as HTCondor's sockets have long names.
        os.environ[_POOL_VARIABLE] = tempfile.mkdtemp(prefix="gbt-", dir="/tmp")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of a module whose project is made once go to one worker; the others to any."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module in _MADE_ONCE else nodeid

    return Scheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (folder := os.environ.pop(_POOL_VARIABLE, None)):
        pool = Path(folder) / "pool"
        if pool.exists():
            subprocess.run(
                [POOL_TOOL, "down", "--dir", pool], check=False, stderr=subprocess.DEVNULL
            )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test sees or touches the user's home or git configuration."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    patch = pytest.MonkeyPatch()
    # The cache of tools/ is the one thing that is kept between sessions.
    patch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.delenv("GITBATCH_ARCHIVE", raising=False)
    yield home
    patch.undo()


@pytest.fixture(scope="session")
def htcondor_pool(own_home: Path) -> Iterator[Path]:
    """A personal HTCondor pool, shared by the session; the environment points to it."""
    folder = Path(os.environ[_POOL_VARIABLE]) / "pool"
    subprocess.run([POOL_TOOL, "up", "--dir", folder], check=True, stdout=sys.stderr)
    printed = subprocess.run(
        [POOL_TOOL, "env", "--dir", folder], check=True, capture_output=True, text=True
    ).stdout
    patch = pytest.MonkeyPatch()
    for line in printed.splitlines():
        words = shlex.split(line)
        if words[:1] == ["export"]:
            name, _, value = words[1].partition("=")
            patch.setenv(name, os.path.expandvars(value))
    if bindings := sys.modules.get("htcondor2"):  # another plugin's import has configured them
        bindings.reload_config()
    yield folder
    patch.undo()
