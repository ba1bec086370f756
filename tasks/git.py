"""What git says of the working tree."""

import subprocess
from pathlib import Path

from tasks.errors import UserError


class GitError(UserError):
    """git refused; the message is its own."""


def git(*arguments: str, folder: Path = Path()) -> str:
    """What `git ARGUMENTS` prints in a folder.

    Raises GitError when it fails, UserError when there is no git.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("git is missing: install it (on Debian: `apt install git`)") from None
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.removesuffix("\n")
