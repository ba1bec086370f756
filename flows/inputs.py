"""What a stage works with: whether its inputs are what dvc.lock says of them, and its params.

DVC believes in its cache: a damaged file of it comes into place as if it were sound, and `dvc
status` says that all is up to date. What a stage then computed would be a wrong number.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.lock import LockBase, make_lock
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import UserError

DAG = Path("dvc.yaml")
PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")
CACHE = Path(".dvc/cache/files/md5")
TEMPORARY = Path(".dvc/tmp")


def params_of(address: str | None) -> list[str]:
    """The dotted keys of params.yaml that a stage reads, by dvc.yaml.

    address: of DVC; without one, the stage was not started by DVC, and nothing is recorded of it.
    """
    if address is None:
        return []
    name, _, item = address.partition("@")
    stage = YAML(typ="safe").load(DAG)["stages"][name]
    keys = stage.get("do", stage).get("params", [])
    return [key.replace("${key}", item).replace("${item}", item) for key in keys]


def values_of(keys: Iterable[str]) -> list[Any]:
    """What params.yaml, a sound one, holds under dotted keys; None where it has no such key."""
    content = YAML(typ="safe").load(PARAMS)
    values = []
    for key in keys:
        value = content
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        values.append(value)
    return values


def refuse_damaged(address: str | None) -> None:
    """Raise UserError that names an input of the stage which is not what dvc.lock says of it.

    address: of DVC; without one, the stage was not started by DVC, and its inputs are the user's.
    """
    if address is None or not LOCK.exists():
        return
    if fault := damaged(address, stages_of_lock()):
        raise UserError(fault)


def refuse_older_metrics(project: Path, experiment: str) -> None:
    """Raise UserError where the metrics of an experiment are from before its models, by dvc.lock.

    Whoever only asks the models may not be allowed to take DVC's lock, and does without.
    """
    try:
        stages = stages_in((project / LOCK).read_text(encoding="utf-8"))
    except (FileNotFoundError, YAMLError):  # DVC is writing it
        return
    chain = [stages.get(f"{name}@{experiment}", {}) for name in ("train", "infer", "evaluate")]
    for before, after in pairwise(chain):
        made = {out["path"]: out["md5"] for out in before.get("outs", [])}
        if any(made.get(dep["path"], dep["md5"]) != dep["md5"] for dep in after.get("deps", [])):
            raise UserError(
                f"metrics/{experiment}.json is of other models than those in models/{experiment}: "
                f"`dvc repro evaluate@{experiment}` brings them together"
            )


def stages_of_lock() -> dict[str, Any]:
    """Read dvc.lock while no DVC writes it, in pieces, as when a stage beside this one ends.

    A DVC that runs a stage has its repository's lock free for as long as the stage works.
    """
    with lock_of_dvc("lock"):
        text = LOCK.read_text(encoding="utf-8")
    return stages_in(text)


def stages_in(text: str) -> dict[str, Any]:
    """The stages of a dvc.lock."""
    return (YAML(typ="safe").load(text) or {}).get("stages", {})


def lock_of_dvc(name: str) -> LockBase:
    """One of the locks that DVC has in TEMPORARY, of the kind that its settings ask for."""
    TEMPORARY.mkdir(parents=True, exist_ok=True)
    hard = Config(str(TEMPORARY.parent))["core"].get("hardlink_lock", False)
    return make_lock(str(TEMPORARY / name), str(TEMPORARY), hardlink_lock=hard, wait=True)


def damaged(address: str, stages: dict[str, Any]) -> str:
    """What is to be said of the first damaged input of a stage; nothing where there is none."""
    wanted = dependencies(address, stages)
    for maker, stage in stages.items():
        for out in stage.get("outs", []):
            if not any(within(out["path"], path) or within(path, out["path"]) for path in wanted):
                continue
            for path, expected in files_of(out):
                found = md5(path)
                if found not in (None, expected):
                    return (
                        f"{path} is damaged: its MD5 is {found}, and {expected} in {LOCK}. If "
                        "DVC's cache brought it: `dvc repro --force --no-run-cache --single-item "
                        f"{maker}` makes it anew"
                    )
    return ""


def dependencies(address: str, stages: dict[str, Any]) -> set[str]:
    """The paths of a stage's, as those that are `alike` have them."""
    return {dep["path"] for one in alike(address, stages) for dep in stages[one].get("deps", [])}


def alike(address: str, stages: dict[str, Any]) -> list[str]:
    """The stage itself, or, where dvc.lock does not have it yet, all of its name."""
    name = address.partition("@")[0]
    return [address] if address in stages else [it for it in stages if it.startswith(f"{name}@")]


def within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


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
