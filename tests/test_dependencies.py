"""dvc.yaml lists the code that decides a stage's result: DVC follows no imports."""

import importlib
import os
from pathlib import Path

import pytest
from conftest import PROJECT
from dvc.repo import Repo

from tasks.cache.fingerprint import code_of, module_path
from tasks.cache.task import CachedTask
from tasks.settings import load

SILENT = {"tasks.errors", "tasks.files", "tasks.progress", "tasks.slots"}
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


DEPENDENCIES = dependencies()


def code_of_stage(address: str) -> set[str]:
    """The files of `tasks` that a stage's cached tasks use, and those that its flow names to them.

    A sampler, a model or a network is handed on by name, which the tasks' own code does not show.
    """
    name, _, item = address.partition("@")
    flow = importlib.import_module(f"flows.{name}")
    roots = [task.work.__module__ for task in vars(flow).values() if isinstance(task, CachedTask)]
    settings = load(PROJECT / "params.yaml")
    if name == "embed":
        roots.append(f"tasks.embed.networks.{settings.embed[item].network}")
    if name == "oversample":
        roots.append(f"tasks.oversample.samplers.{settings.experiments[item].sampling}")
    if name == "train":
        setup = settings.experiments[item]
        roots += [f"tasks.train.models.{setup.model}", f"tasks.train.recipes.{setup.recipe}"]
    if name == "tune":
        roots += ["tasks.train.models.optimized", "tasks.train.recipes.cnn"]
    used = {module for root in roots for module in code_of(root).trees}
    paths = [module_path(module) for module in used - SILENT]
    return {str(path.relative_to(PROJECT)) for path in paths if path is not None}


@pytest.mark.parametrize("address", sorted(DEPENDENCIES))
def test_stage_lists_the_code_it_uses(address: str) -> None:
    listed = {Path(name) for name in DEPENDENCIES[address]}
    used = code_of_stage(address)
    assert used
    missing = {name for name in used if not listed & {Path(name), *Path(name).parents}}
    # A package's file without code, such as tasks/__init__.py, decides nothing.
    assert {name for name in missing if not name.endswith("__init__.py")} == set()
