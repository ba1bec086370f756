"""A scratch copy of the project: its code and other settings, none of its results."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.cache import whole
from tasks.errors import UserError

RESULTS = ("dvc.lock", "data", "metrics", "plots", "predictions", "reports", "seconds")


def make_copy(project: Path, target: Path, changes: Mapping[str, Any]) -> None:
    """Copy what git tracks, or would track, in `project` to `target`, as a repository of its own.

    changes: merged into the copy's params.yaml; a mapping into a mapping, anything else in place
    of what was there.

    Raises UserError when `target` exists.
    """
    if target.exists():
        raise UserError(f"{target} is there already: remove it, or move it away")
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if name.split("/")[0] not in RESULTS and (project / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, target / name)
    change_params(target / "params.yaml", changes)
    who = ["-c", "user.name=lesionflow", "-c", "user.email=lesionflow@localhost"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "Scratch copy"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def change_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into a params.yaml."""
    yaml = YAML()  # reads numbers as DVC does
    content = merged(yaml.load(path), changes)
    with whole(path) as beside:
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
