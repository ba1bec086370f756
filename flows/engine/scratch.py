"""A scratch copy of the project: its code and other settings, none of its results."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.errors import UserError
from tasks.files import atomic
from tasks.git import GitError, commit_all, git

RESULTS = ("dvc.lock", "data", "metrics", "plots", "predictions", "reports", "seconds")
KEPT = ("data/same_lesion.csv", "data/sets/")  # among results, and made by people


def files(project: Path) -> list[str]:
    """What git tracks, or would track, in `project`, but for results.

    Raises UserError when there is no git, or it does not know the project, as in a tarball of it.
    """
    try:
        listing = git(
            "ls-files", "--cached", "--others", "--exclude-standard", "-z", folder=project
        )
    except GitError as error:
        raise UserError(
            f"{project.resolve()} is no git repository, and DVC needs one: clone the project, or "
            f"run `git init` there ({error})"
        ) from None
    return [
        name
        for name in filter(None, listing.split("\0"))
        if (name.startswith(KEPT) or name.split("/")[0] not in RESULTS)
        and (project / name).is_file()
    ]


def make_copy(project: Path, target: Path, changes: Mapping[str, Any]) -> None:
    """Copy the `files` of `project` to `target`, as a repository of its own.

    changes: merged into the copy's params.yaml; a mapping into a mapping, anything else in place
    of what was there.

    Raises UserError when `target` exists, or as `files` does.
    """
    if target.exists():
        raise UserError(f"{target} is there already: remove it, or move it away")
    for name in files(project):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project / name, target / name)
    change_params(target / "params.yaml", changes)
    git("init", "--quiet", folder=target)
    commit_all("Scratch copy", target)


def all_but(params: Path, section: str, *kept: str) -> dict[str, None]:
    """A change to a section of a params.yaml that removes every other name."""
    names = YAML(typ="safe").load(params)[section]
    return {name: None for name in names if name not in kept}


def only(params: Path, *kept: str) -> dict[str, dict[str, None] | None]:
    """A change that removes every other experiment; those kept run as their section says.

    That is, without runs and epochs of their own, which may be many.
    """
    others = all_but(params, "experiments", *kept)
    return {**others, **{name: {"runs": None, "epochs": None} for name in kept}}


def change_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into a params.yaml."""
    yaml = YAML()  # reads numbers as DVC does
    content = merged(yaml.load(path), changes)
    with atomic(path) as beside:
        yaml.dump(content, beside)


def merged(content: Any, changes: Any) -> Any:
    """`content` with `changes` merged in; a change to None removes the key."""
    if not (isinstance(content, dict) and isinstance(changes, Mapping)):
        return changes
    result = dict(content)
    for key, change in changes.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), change)
    return result
