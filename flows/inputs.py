"""Whether a stage's inputs are what the stages that make them recorded in dvc.lock.

DVC believes in its cache: a damaged file of it comes into place as if it were sound, and `dvc
status` says that all is up to date. What a stage then computed would be a wrong number.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.errors import UserError

LOCK = Path("dvc.lock")
CACHE = Path(".dvc/cache/files/md5")


def refuse_damaged(address: str | None) -> None:
    """Raise UserError that names an input of the stage which is not what dvc.lock says of it.

    address: of DVC; without one, the stage was not started by DVC, and its inputs are the user's.
    """
    if address is None or not LOCK.exists():
        return
    stages = YAML(typ="safe").load(LOCK)["stages"]
    wanted = [dep["path"] for dep in stages.get(address, {}).get("deps", [])] or dependencies(
        address
    )
    for maker, stage in stages.items():
        for out in stage.get("outs", []):
            if any(within(out["path"], path) or within(path, out["path"]) for path in wanted):
                for path, expected in files_of(out):
                    found = md5(path)
                    if found is not None and found != expected:
                        raise UserError(
                            f"{path} is damaged: its MD5 is {found}, and {expected} in {LOCK}. If "
                            f"DVC's cache brought it: `dvc repro --force --no-run-cache "
                            f"--single-item {maker}` makes it anew"
                        )


def within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def dependencies(address: str) -> list[str]:
    """Those of a stage that dvc.lock does not have yet."""
    from flows.dag import open_repo

    with open_repo() as repo:
        stage = repo.stage.load_one(address)
        return [str(dep.def_path) for dep in stage.deps]


def files_of(out: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """The files of an output and their MD5; none of a folder whose list the cache does not have."""
    path, sum_ = Path(out["path"]), str(out.get("md5", ""))
    if not sum_.endswith(".dir"):
        yield path, sum_
        return
    listing = CACHE / sum_[:2] / sum_[2:]
    if listing.exists():
        content = listing.read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == sum_.removesuffix(".dir"):
            for entry in json.loads(content):
                yield path / entry["relpath"], entry["md5"]


def md5(path: Path) -> str | None:
    """None where there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
