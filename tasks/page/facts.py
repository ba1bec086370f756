"""What was run: the commit, the data, the versions."""

import platform
from collections.abc import Container
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.cache.fingerprint import COMPUTING
from tasks.errors import UserError
from tasks.git import ForeignRepository, git

DATA = "data/"
"""Products of stages that the page shows the hashes of are under here."""


def told(*arguments: str) -> str | None:
    """What git prints; None where there is no git, no repository or no such commit.

    Raises ForeignRepository.
    """
    try:
        return git(*arguments)
    except ForeignRepository:
        raise
    except UserError:
        return None


def commit() -> dict[str, Any] | None:
    """`hash`, `date` (ISO 8601) and `subject` of HEAD, and whether files differ from it: `changed`.

    None where git knows none.
    """
    head = told("log", "-1", "--format=%h%n%cI%n%s")
    if head is None:
        return None
    name, date, subject = head.split("\n", 2)
    changed = told("status", "--porcelain", "--untracked-files=no")
    return {"hash": name, "date": date, "subject": subject, "changed": bool(changed)}


def before() -> str | None:
    """The last commit whose predictions are not those of the working tree, None if there is none.

    HEAD, or the parent of the commit that brought the predictions that are there.
    """
    if told("status", "--porcelain", "--", "predictions"):
        return told("rev-parse", "--short", "HEAD")
    brought = told("log", "-1", "--format=%h", "--", "predictions")
    return told("rev-parse", "--short", f"{brought}^") if brought else None


def hashes(lock: Path, outdated: Container[str] = ()) -> list[tuple[str, str, int]]:
    """Path, MD5 and bytes of each of DATA that `dvc.lock` records, but of stages out of date."""
    stages = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    current = [stage for address, stage in stages.items() if address not in outdated]
    products = [out for stage in current for out in stage.get("outs", [])]
    found = {out["path"]: (out["md5"], out["size"]) for out in products}
    return [(path, *found[path]) for path in sorted(found) if path.startswith(DATA)]


def versions() -> list[tuple[str, str]]:
    """Name and version of Python and of each library that decides results, and of the platform."""
    names = sorted({name for names in COMPUTING.values() for name in names})
    libraries = [(name, version(name)) for name in (*names, "prefect", "dvc")]
    return [("Python", platform.python_version()), *libraries, ("platform", platform.platform())]
