"""What git says of the working tree."""

import os
import re
import subprocess
from pathlib import Path

from tasks.errors import UserError

VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""What git sets for its hooks to name the repository: it outweighs the folder that git works in."""


class GitError(UserError):
    """git refused; the message is its own."""


class ForeignRepository(UserError):
    """The repository belongs to another user, as in a container, and git reads no such one."""


def git(*arguments: str, folder: Path = Path(), settings: tuple[str, ...] = ()) -> str:
    """Return what `git ARGUMENTS` prints in a folder, of the repository that the folder is in.

    settings: `name=value`, over those of the user.

    Raises ForeignRepository, GitError when it fails otherwise, UserError when there is no git.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    options = [word for setting in settings for word in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise UserError("git is missing: install it (on Debian: `apt install git`)") from None
    if remedy := re.search(r"git config .*safe\.directory.*", done.stderr):
        raise ForeignRepository(
            f"{folder.resolve()} belongs to another user, and git does not read it: if you trust "
            f"it, `{remedy[0]}`"
        )
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.removesuffix("\n")


# Whatever the user's own git asks of a commit: a name, a signature, hooks.
OURS = (
    "user.name=lesionflow",
    "user.email=lesionflow@localhost",
    "commit.gpgsign=false",
    "core.hooksPath=/dev/null",
)


def commit_all(message: str, folder: Path) -> None:
    """Commit all that git does not ignore in a folder that is the project's own, as the project."""
    git("add", ".", folder=folder)
    git("commit", "--quiet", "--message", message, folder=folder, settings=OURS)


def refuse_foreign() -> None:
    """Raise ForeignRepository in one: libraries that read repositories end in a traceback."""
    try:
        git("rev-parse")
    except ForeignRepository:
        raise
    except UserError:
        return
