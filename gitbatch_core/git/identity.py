"""The author and committer of commits."""

from __future__ import annotations

from gitbatch_core.git.repository import Repository


def identity(repository: Repository) -> tuple[str, str]:
    """`Name <mail> seconds zone` of author and committer, as git has them; where the user never
    told git a name: the login name at this host."""
    lines = []
    for variable in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        line = repository.read("var", variable, check=False).decode(errors="replace").strip()
        if not line:
            import getpass
            import socket
            import time

            user = getpass.getuser()
            line = f"{user} <{user}@{socket.gethostname()}> {int(time.time())} +0000"
        lines.append(line)
    author, committer = lines
    return author, committer


def identity_environment(author: str, committer: str) -> dict[str, str]:
    """The variables by which git takes these, as `identity` gives them."""
    env: dict[str, str] = {}
    for kind, line in (("AUTHOR", author), ("COMMITTER", committer)):
        name, rest = line.split(" <", 1)
        mail, date = rest.split("> ", 1)
        env |= {f"GIT_{kind}_NAME": name, f"GIT_{kind}_EMAIL": mail, f"GIT_{kind}_DATE": date}
    return env
