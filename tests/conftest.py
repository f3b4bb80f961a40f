"""What all tests share: a home of their own, and one real HTCondor pool for the whole session."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from debian_tree import DebianTree, ToolError
from hypothesis import settings
from projects import Project

from gitbatch_core.archive.store import Archive

REPOSITORY = Path(__file__).parent.parent
POOL_TOOL = REPOSITORY / "tools" / "htcondor-pool"
_POOL_VARIABLE = "GITBATCH_TEST_POOL"
_TOGETHER = {
    "tests/cli/test_runs_verbs.py": "runs",
    "tests/cli/test_trace_verbs.py": "trace",
    "tests/executor/test_default_pool.py": "default pool",
    "tests/pools/test_idle_claims.py": "default pool",
}
"""Modules whose tests share a project that is made once, or a pool that nobody else may use."""

_FAST = (
    "archive",
    "doctor",
    "executor_plugin",
    "git",
    "history",
    "model",
    "provenance",
    "reports",
    "reproduce",
    "run",
    "runner",
    "snakemake_internals",
    "tests",
)
"""Folders of tests that start neither Snakemake nor HTCondor; Snakemake's objects are not it."""
_GIT_FILTERS = DebianTree(
    name="git-filters",
    what="git-annex, git-lfs and git-crypt",
    otherwise="install them",
    suite="stable",
    packages=("git-annex", "git-lfs", "git-crypt"),
    programs=("git-annex", "git-lfs", "git-crypt"),
    launched=("git-annex",),
)
_POOLS = {"htcondor_pool", "default_pool", "strict_htcondor"}

# No test is a matter of speed: a busy machine is slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    if os.getuid() == 0:
        raise pytest.UsageError(
            "HTCondor refuses jobs of root, and root is not bound by permissions: "
            "tools/run-tests runs the tests as an ordinary user."
        )
    if not hasattr(config, "workerinput"):
        # Short, as HTCondor's sockets have long names.
        os.environ[_POOL_VARIABLE] = tempfile.mkdtemp(prefix="gbt-", dir="/tmp")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _POOLS or parameters.get("pool") == "htcondor":
            item.add_marker("htcondor")
        elif item.path.parent.name in _FAST:
            item.add_marker("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share something go to one worker; the others to any."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _TOGETHER.get(nodeid.partition("::")[0], nodeid)

    return Scheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (folder := os.environ.pop(_POOL_VARIABLE, None)):
        for pool in Path(folder).iterdir():
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


def _bring_up(name: str, *options: str) -> Path:
    """A personal HTCondor pool for the whole session; its folder."""
    folder = Path(os.environ[_POOL_VARIABLE]) / name
    subprocess.run([POOL_TOOL, "up", "--dir", folder, *options], check=True, stdout=sys.stderr)
    return folder


def _point_to(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Environment and bindings are the pool's."""
    printed = subprocess.run(
        [POOL_TOOL, "env", "--dir", folder], check=True, capture_output=True, text=True
    ).stdout
    for line in printed.splitlines():
        words = shlex.split(line)
        if words[:1] == ["export"]:
            name, _, value = words[1].partition("=")
            patch.setenv(name, os.path.expandvars(value))
    _read_again()


def _read_again() -> None:
    bindings = sys.modules.get("htcondor2")  # whoever has imported them has configured them
    if bindings and "CONDOR_CONFIG" in os.environ:
        bindings.reload_config()


@pytest.fixture(scope="session")
def htcondor_pool(own_home: Path) -> Iterator[Path]:
    """A personal HTCondor pool, shared by the session; the environment points to it."""
    folder = _bring_up("pool")
    patch = pytest.MonkeyPatch()
    _point_to(folder, patch)
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def _default_pool(own_home: Path) -> Path:
    return _bring_up("defaults", "--defaults", "--slots", "2")


@pytest.fixture
def default_pool(_default_pool: Path) -> Iterator[Path]:
    """A pool of two slots with HTCondor's own settings; the environment points to it."""
    with pytest.MonkeyPatch.context() as patch:
        _point_to(_default_pool, patch)
        yield _default_pool
    _read_again()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A new one."""
    return Archive.create(tmp_path / "archive")


@pytest.fixture(params=["local", "htcondor"])
def pool(request: pytest.FixtureRequest) -> str:
    """For tests that are run on every pool."""
    name: str = request.param
    if name == "htcondor":
        request.getfixturevalue("htcondor_pool")
    return name


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Projects from files, committed."""
    made: list[Project] = []

    def make(
        files: dict[str, str],
        *,
        name: str = "project",
        pool: str = "local",
        commit: bool = True,
        object_format: str = "sha1",
    ) -> Project:
        project = Project(path=tmp_path / name, pool=pool)
        project.path.mkdir(parents=True)
        project.git("init", "--quiet", f"--object-format={object_format}")
        project.write({".gitignore": ".snakemake/\n", **files})
        if commit:
            project.commit()
        made.append(project)
        return project

    yield make
    for project in made:
        for process in project.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


@pytest.fixture
def make_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`workflows_here.build` in a folder of its own, which is the current one."""
    import workflows_here

    from snakemake_executor_plugin_gitbatch.run import parse_writes

    parse_writes.stop()  # what a test writes is not what an earlier one's workflow does
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        yield functools.partial(workflows_here.build, stack)


@pytest.fixture
def git_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """git-annex, git-lfs and git-crypt on PATH: those of this machine, or downloaded."""
    if not all(map(shutil.which, _GIT_FILTERS.programs)):
        try:
            _GIT_FILTERS.get()
        except ToolError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        monkeypatch.setenv("PATH", f"{_GIT_FILTERS.bin}:{os.environ['PATH']}")
