"""What was run: the commit, the data, the versions."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.cache import LIBRARIES

DATA = "data/"
"""Products of stages that the page shows the hashes of are under here."""


def git(*arguments: str) -> str | None:
    """What git prints; None where there is no git, no repository or no such commit."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit() -> dict[str, Any] | None:
    """`hash`, `date` (ISO 8601) and `subject` of HEAD, and whether files differ from it: `changed`.

    None where git knows none.
    """
    head = git("log", "-1", "--format=%h%n%cI%n%s")
    if head is None:
        return None
    name, date, subject = head.split("\n", 2)
    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"hash": name, "date": date, "subject": subject, "changed": bool(changed)}


def before() -> str | None:
    """The last commit whose predictions are not those of the working tree, None if there is none.

    HEAD, or the parent of the commit that brought the predictions that are there.
    """
    if git("status", "--porcelain", "--", "predictions"):
        return git("rev-parse", "--short", "HEAD")
    brought = git("log", "-1", "--format=%h", "--", "predictions")
    return git("rev-parse", "--short", f"{brought}^") if brought else None


def hashes(lock: Path = Path("dvc.lock")) -> list[tuple[str, str, int]]:
    """Path, MD5 and bytes of each of DATA that `dvc.lock` records."""
    stages = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    products = [out for stage in stages.values() for out in stage.get("outs", [])]
    found = {out["path"]: (out["md5"], out["size"]) for out in products}
    return [(path, *found[path]) for path in sorted(found) if path.startswith(DATA)]


def versions() -> list[tuple[str, str]]:
    """Name and version of Python and of each library that decides results, and of the platform."""
    libraries = [(name, version(name)) for name in (*LIBRARIES, "prefect", "dvc")]
    return [("Python", platform.python_version()), *libraries, ("platform", platform.platform())]
