"""What a stage works with: whether its inputs are what dvc.lock says of them, and its params.

DVC believes in its cache: a damaged file of it comes into place as if it were sound, and `dvc
status` says that all is up to date. What a stage then computed would be a wrong number.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.dependency import ParamsDependency
from dvc.dvcfile import load_file
from dvc.lock import LockBase, make_lock
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage.loader import StageLoader
from dvc_data.hashfile.tree import Tree
from ruamel.yaml import YAML

from flows.engine.lock import LOCK
from tasks.errors import UserError

DAG = Path("dvc.yaml")
PARAMS = Path("params.yaml")
TEMPORARY = Path(".dvc/tmp")

WITHOUT_GIT = {"core": {"no_scm": True}}
"""DVC's settings where git is of no account: DVC would refuse a folder that git does not know."""


def params_of(address: str | None) -> list[str]:
    """The dotted keys of params.yaml that a stage reads, by dvc.yaml.

    address: of DVC; without one, the stage was not started by DVC, and nothing is recorded of it.
    """
    if address is None:
        return []
    with stages_of_dvc() as stages:
        params = [dep for dep in stages[address].deps if isinstance(dep, ParamsDependency)]
    return [key for dep in params for key in dep.params]


def values_of(keys: Iterable[str]) -> list[Any]:
    """What params.yaml, a sound one, holds under dotted keys; None where it has no such key."""
    content = YAML(typ="safe").load(PARAMS)
    return [value_at(content, key) for key in keys]


def value_at(content: Any, key: str) -> Any:
    """What stands under a dotted key; None where nothing does."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def refuse_damaged(address: str | None) -> None:
    """Raise UserError that names an input of the stage which is not what dvc.lock says of it.

    If DVC's cache brought it, it is gone from there.

    address: of DVC; without one, the stage was not started by DVC, and its inputs are the user's.
    """
    if address is None or not LOCK.exists():
        return
    with stages_of_dvc() as stages:
        if fault := damaged(address, stages):
            raise UserError(fault)


@contextmanager
def stages_of_dvc() -> Iterator[StageLoader]:
    """The stages of dvc.yaml by address, with what dvc.lock records of them.

    Read while no DVC writes dvc.lock, in pieces, as when a stage beside this one ends: a DVC that
    runs a stage has its repository's lock free for as long as the stage works.
    """
    with Repo(".", config=WITHOUT_GIT) as repo:
        with lock_of_dvc("lock"):
            stages = load_file(repo, str(DAG)).stages
        yield stages


def lock_of_dvc(name: str) -> LockBase:
    """One of the locks that DVC has in TEMPORARY, of the kind that its settings ask for."""
    TEMPORARY.mkdir(parents=True, exist_ok=True)
    hard = Config(str(TEMPORARY.parent))["core"].get("hardlink_lock", False)
    return make_lock(str(TEMPORARY / name), str(TEMPORARY), hardlink_lock=hard, wait=True)


def damaged(address: str, stages: StageLoader) -> str:
    """What is to be said of the first damaged input of a stage; nothing where there is none."""
    wanted = [dep.def_path for dep in stages[address].deps]

    def is_input(path: str) -> bool:
        return any(overlap(path, other) for other in wanted)

    for maker, recorded in stages.lockfile_data.items():
        made = [out["path"] for out in recorded.get("outs", [])]
        if maker not in stages or not any(map(is_input, made)):
            continue  # before DVC makes a stage of it, which takes a while
        for out in stages[maker].outs:
            for path, expected in files_of(out) if is_input(out.def_path) else ():
                found = md5(path)
                if found not in (None, expected):
                    forget(Path(out.cache.oid_to_path(expected)), expected)
                    return (
                        f"{path} is damaged: its MD5 is {found}, and {expected} in {LOCK}. If "
                        "DVC's cache brought it: `dvc repro --force --no-run-cache --single-item "
                        f"{maker}` makes it anew"
                    )
    return ""


def forget(kept: Path, expected: str) -> None:
    """Remove a file of DVC's cache that is not what its name says: DVC would bring it again."""
    if md5(kept) not in (None, expected):
        kept.unlink()


def overlap(one: str, other: str) -> bool:
    """Whether one path is the other, or lies in it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def files_of(out: Output) -> Iterator[tuple[Path, str]]:
    """The files of an output and their MD5 by dvc.lock.

    None of a folder whose list DVC's cache, wherever it is, does not have, or has damaged.
    """
    path, recorded = Path(out.def_path), out.hash_info
    if not recorded.isdir:
        if recorded.value is not None:
            yield path, str(recorded.value)
        return
    listing = out.get_obj()
    if isinstance(listing, Tree):
        listing.digest()
        if listing.hash_info == recorded:
            for key, _, found in listing:
                yield path.joinpath(*key), str(found.value)


def md5(path: Path) -> str | None:
    """None where there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
