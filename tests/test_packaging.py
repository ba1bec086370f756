"""The project as a package: what it holds and needs, and that it works where it is installed."""

import ast
import email
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, python
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.engine.scratch import files
from tasks.embed.weights import PACKAGE

EXTRAS = {"dask", "onnx", "s3", "same-lesion", "transfer"}
DESCRIPTION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project elsewhere: setuptools leaves files beside what it builds of."""
    folder = tmp_path_factory.mktemp("sources")
    for name in files(PROJECT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built with this environment's setuptools."""
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out)]
    done = python(sources, "-m", "pip", "wheel", *options, ".")
    assert done.returncode == 0, done.stdout
    (built,) = out.glob("lesionflow-*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_package_holds_the_code_its_templates_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
    assert held == {name for name in files(PROJECT) if name.startswith(("flows/", "tasks/"))}
    assert {"tasks/page/page.html", "tasks/export/card.md"} <= held
    assert len(licences) == 1


def test_what_the_package_and_its_extras_need_is_here(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {"tensorflow", PACKAGE, "onnxruntime", "dvc-s3"} <= {one.name for one in needed}
    for one in needed:
        found = importlib.metadata.version(one.name)
        assert one.specifier.contains(found), f"{one} is declared, {found} is locked"


@pytest.mark.skipif(
    not os.environ.get("LESIONFLOW_SLOW"), reason="LESIONFLOW_SLOW is not set: installs TensorFlow"
)
def test_extras_work_in_a_fresh_environment(sources: Path, tmp_path: Path) -> None:
    """Every module, imported in a folder that has no code; the versions are those of the lock."""
    subprocess.run([sys.executable, "-m", "venv", "fresh"], cwd=tmp_path, check=True)
    fresh = tmp_path / "fresh/bin/python"
    locked = "\n".join(f"{name}=={version}" for name, version in versions("-dev").items())
    (tmp_path / "constraints").write_text(locked)
    subprocess.run(
        [
            fresh,
            "-m",
            "pip",
            "install",
            "-q",
            "-c",
            "constraints",
            f"{sources}[transfer,onnx,same-lesion]",
        ],
        cwd=tmp_path,
        check=True,
    )
    code = """
import importlib, pkgutil, flows, tasks
import onnx, onnxruntime, tf2onnx
for package in (flows, tasks):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
from tasks.embed.weights import packaged
print(flows.__file__, packaged())
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [fresh, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(tmp_path / "fresh")) == 2


def declared(*extras: str) -> set[str]:
    """The names of the packages that running needs, and these extras."""
    lines = list(DESCRIPTION["dependencies"])
    for extra in extras:
        lines += DESCRIPTION["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_is_declared() -> None:
    """And not there by chance, as a dependency of a dependency, or of the tests."""
    paths = [*(PROJECT / "flows").rglob("*.py"), *(PROJECT / "tasks").rglob("*.py")]
    imported = {top.split(".")[0] for path in paths for top in imports(path)}
    imported -= {*sys.stdlib_module_names, "flows", "tasks"}
    makers = importlib.metadata.packages_distributions()
    known = declared(*EXTRAS)
    missing = {
        name for name in imported if known.isdisjoint(canonicalize_name(it) for it in makers[name])
    }
    assert not missing


def imports(path: Path) -> set[str]:
    """The names of the modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def versions(kind: str = "") -> dict[str, str]:
    """The packages that a lock has for this Python, by name."""
    text = (PROJECT / f"requirements{kind}.lock").read_text(encoding="utf-8")
    assert "//" not in text, "an address"
    locked = [Requirement(line) for line in re.findall(r"^(\w[^\\\n]+)", text, re.MULTILINE)]
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in locked
        if one.marker is None or one.marker.evaluate()
    }


def test_running_needs_no_more_than_it_is_to() -> None:
    running, all_ = versions(), versions("-dev")
    assert running.items() < all_.items()
    assert declared("transfer") <= set(running)
    of_tests = {"dask", "distributed", "moto", "opencv-python-headless", "playwright", "pytest"}
    assert of_tests <= set(all_) - set(running)


def test_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (DESCRIPTION["version"], DESCRIPTION["license"])
    assert cited["references"][0]["doi"] == "10.7910/DVN/DBW86T"


@pytest.mark.parametrize("remedy", ["", "."])
def test_code_of_the_folder_is_not_passed_over(remedy: str, tmp_path: Path) -> None:
    """Of an installed project, in a copy whose code is other: its results would not be its own."""
    shutil.copytree(PROJECT / "flows", tmp_path / "flows")
    where = os.pathsep.join(filter(None, [remedy, str(PROJECT)]))
    done = python(tmp_path, "-m", "flows", "--help", PYTHONSAFEPATH="1", PYTHONPATH=where)
    if remedy:
        assert done.returncode == 0, done.stdout
    else:
        assert done.returncode == 1
        assert done.stdout == (
            f"{tmp_path} has code of its own, and Python takes that of {PROJECT}: "
            f"set PYTHONPATH={tmp_path}\n"
        )
