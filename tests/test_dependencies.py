"""dvc.yaml lists the code that decides a stage's result: DVC follows no imports."""

import importlib
import os
from pathlib import Path

import pytest
from conftest import PROJECT
from dvc.repo import Repo

from tasks.cache import CachedTask, code_of, module_path

SILENT = {"tasks.errors", "tasks.progress", "tasks.slots"}
"""They decide what people see and when work is done, not what comes of it."""


def dependencies() -> dict[str, set[str]]:
    """Each stage's own dependencies, by its address, relative to the project."""
    with Repo(os.fspath(PROJECT)) as repo:
        return {
            stage.addressing: {
                os.path.relpath(dep.fs_path, PROJECT) for dep in stage.deps if dep.fs_path
            }
            for stage in repo.index.stages
        }


def code_of_stage(name: str) -> set[str]:
    """The files of `tasks` that the cached tasks of a stage's flow use."""
    flow = importlib.import_module(f"flows.{name}")
    used = {
        module
        for task in vars(flow).values()
        if isinstance(task, CachedTask)
        for module in code_of(task.work.__module__)
    }
    paths = [module_path(module) for module in used - SILENT]
    return {str(path.relative_to(PROJECT)) for path in paths if path is not None}


@pytest.mark.parametrize("address", sorted(dependencies()))
def test_stage_lists_the_code_it_uses(address: str) -> None:
    listed = {Path(name) for name in dependencies()[address]}
    used = code_of_stage(address.partition("@")[0])
    assert used
    missing = {name for name in used if not listed & {Path(name), *Path(name).parents}}
    # A package's file without code, such as tasks/__init__.py, decides nothing.
    assert {name for name in missing if not name.endswith("__init__.py")} == set()
