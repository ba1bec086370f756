"""What is out of date, and why: by dvc.yaml, dvc.lock, params.yaml and the files that git tracks.

A clone without data, models and DVC's cache knows it too: what a stage read of them is held against
what dvc.lock says that the stage before it made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.dependency import Dependency, ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from ruamel.yaml import YAML

from flows.engine.dag import read_graph
from flows.engine.inputs import PARAMS, WITHOUT_GIT, files_of, overlap, value_at
from tasks.errors import UserError

REPORT = "report"
EXPERIMENTS = "experiments"


@dataclass(frozen=True)
class Results:
    """What dvc.lock knows of the stages' results, by the stages' addresses.

    outdated: why a stage is out of date, for those that are.
    sources: `download.source` of the data that a stage's results stand on, whatever params.yaml
    says by now; none where the lock has other data since.
    report: why `reports/` does not show just the experiments that are up to date; None if it does.
    """

    outdated: Mapping[str, str]
    sources: Mapping[str, str]
    report: str | None

    def outdated_experiments(self, stage: str) -> dict[str, str]:
        """Why each experiment of which this stage is out of date is so, by its name."""
        return {
            address.removeprefix(f"{stage}@"): why
            for address, why in self.outdated.items()
            if address.startswith(f"{stage}@")
        }


def results() -> Results:
    """Look at the project in the working directory, while no DVC writes its dvc.lock.

    Raises UserError where DVC cannot read dvc.yaml, dvc.lock or params.yaml.
    """
    try:
        with Repo(".", config=WITHOUT_GIT, _wait_for_lock=True) as repo, lock_repo(repo):
            return results_in(repo)
    except DvcException as error:
        raise UserError(str(error)) from None


def results_in(repo: Repo) -> Results:
    """`results`, from DVC's view of the project."""
    outdated: dict[str, str] = {}
    sources: dict[str, str] = {}
    report = None
    stages = {stage.addressing: stage for stage in repo.index.stages}
    look = Look()
    for address, parents in read_graph(repo).items():
        stage = stages[address]
        inputs = [out for parent in parents for out in stages[parent].outs]
        inherited = (why for parent, why in outdated.items() if parent in parents)
        why = never_ran(stage) or next(inherited, None) or look.why(stage, inputs)
        if why:
            outdated[address] = why
        if source := look.source(stage, inputs, [sources.get(parent) for parent in parents]):
            sources[address] = source
        if address == REPORT:
            report = look.why_report(stage, inputs, outdated)
    return Results(outdated, sources, report)


def never_ran(stage: Stage) -> str | None:
    return None if any(out.hash_info for out in stage.outs) else "has not run yet"


class Look:
    """A look at the working tree, each file of which is read once."""

    def __init__(self) -> None:
        self.params = YAML(typ="safe").load(PARAMS) if PARAMS.exists() else {}
        self.hashes: dict[str, HashInfo | None] = {}

    def why(self, stage: Stage, inputs: Sequence[Output], but: str = "") -> str | None:
        """Why a stage that ran is out of date, if not for those before it.

        inputs: what those before it make; but: a key of params.yaml that is not looked at.
        """
        if stage.changed_stage():
            return f"the command of {stage.addressing} changed in dvc.yaml"
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                for key in dep.params:
                    if key != but and recorded(dep).get(key) != value_at(self.params, key):
                        return f"{key} changed in {PARAMS}"
            elif self.now(dep, inputs) != dep.hash_info:
                return f"{dep.def_path} changed"
        for out in stage.outs:
            if out.use_cache or (found := self.found(out)) == out.hash_info:
                continue
            return f"{out.def_path} is " + (
                f"not what {stage.addressing} made" if found else "missing"
            )
        return None

    def why_report(
        self, stage: Stage, inputs: Sequence[Output], outdated: Mapping[str, str]
    ) -> str | None:
        """See `Results`. An experiment that has not run yet, for one, is no fault of the report."""
        if why := never_ran(stage) or self.why(stage, inputs, but=EXPERIMENTS):
            return why
        now = {
            name: line
            for name, line in self.params[EXPERIMENTS].items()
            if f"evaluate@{name}" not in outdated
        }
        params = (recorded(dep) for dep in stage.deps if isinstance(dep, ParamsDependency))
        then = next((of[EXPERIMENTS] for of in params if EXPERIMENTS in of), None)
        return None if then == now else "it is of other experiments than are up to date now"

    def source(
        self, stage: Stage, inputs: Sequence[Output], above: Sequence[str | None]
    ) -> str | None:
        """See `Results`. above: of those before it."""
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                if source := value_at(recorded(dep).get("download"), "source"):
                    return str(source)
            elif overlapping(dep, inputs) and self.now(dep, inputs) != dep.hash_info:
                return None
        return above[0] if len(set(above)) == 1 else None

    def now(self, dep: Dependency, inputs: Iterable[Output]) -> HashInfo | None:
        """What a dependency holds now; what is in DVC's cache by dvc.lock."""
        outs = [out for out in overlapping(dep, inputs) if out.use_cache]
        if not outs:
            return self.found(dep)
        whole = outs[0]
        if whole.fs_path == dep.fs_path:
            return whole.hash_info
        files = {out.def_path: dict(files_of(out)) for out in outs}
        if not all(files.values()):
            # Without a folder's list, from DVC's cache, nobody can say that a part of it changed.
            return dep.hash_info
        if len(whole.fs_path) < len(dep.fs_path):
            return HashInfo(dep.hash_info.name, files[whole.def_path].get(Path(dep.def_path)))
        folder = Tree()
        for found in files.values():
            for path, value in found.items():
                place = path.relative_to(dep.def_path).parts
                folder.add(place, None, HashInfo(whole.hash_info.name, value))
        folder.digest()
        return folder.hash_info

    def found(self, at: Output) -> HashInfo | None:
        """The hash of a file or folder in the working tree, None where there is none."""
        if at.fs_path not in self.hashes:
            self.hashes[at.fs_path] = at.get_hash() if at.exists else None
        return self.hashes[at.fs_path]


def overlapping(dep: Dependency, outs: Iterable[Output]) -> list[Output]:
    return [out for out in outs if overlap(out.fs_path, dep.fs_path)]


def recorded(dep: ParamsDependency) -> dict[str, Any]:
    """The params that dvc.lock has, by their dotted keys."""
    values: Any = dep.hash_info.value
    return values or {}
