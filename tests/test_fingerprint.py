"""The keys of cached tasks."""

import shutil
from pathlib import Path

import pytest
from conftest import PROJECT, python

from tasks.cache import fingerprint
from tasks.cache.fingerprint import code_of, described, digest


def code_hash(module: str) -> str:
    return digest(code_of(module).trees)


def test_key_holds_the_versions_of_the_libraries_that_its_code_computes_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tasks"
    package.mkdir()
    (package / "work.py").write_text("from tasks.helper import double\nimport json\n")
    (package / "helper.py").write_text("def double(x):\n    from sklearn.utils import shuffle\n")
    monkeypatch.setattr(fingerprint, "TASKS", package)
    assert code_of("tasks.work").libraries == {"scikit-learn", "scipy"}
    versions = {"scikit-learn": "1", "scipy": "1"}
    monkeypatch.setattr(fingerprint.importlib.metadata, "version", versions.__getitem__)
    before = described("tasks.work:double")
    versions["scipy"] = "2"
    assert described("tasks.work:double") != before


def test_stages_work_with_the_libraries_that_they_import() -> None:
    assert "pyarrow" not in code_of("tasks.train.task").libraries
    assert {"keras", "tensorflow", "numpy"} <= code_of("tasks.train.task").libraries
    assert "pyarrow" in code_of("tasks.infer.task").libraries
    assert "tensorflow" not in code_of("tasks.evaluate.experiment").libraries


def test_code_that_is_edited_after_its_import_is_an_error(tmp_path: Path) -> None:
    """The process runs the code that it imported, and a key is made of the code on disk."""
    package = tmp_path / "tasks"
    package.mkdir()
    for name in ("__init__", "errors", "files", "process", "surroundings"):
        shutil.copy(PROJECT / "tasks" / f"{name}.py", package)
    shutil.copytree(PROJECT / "tasks/cache", package / "cache")
    (package / "work.py").write_text("from tasks.helper import double\ndef work(out): ...\n")
    helper = package / "helper.py"
    helper.write_text("def double(x):\n    return x + x\n")
    code = f"""
from pathlib import Path
from tasks import work
from tasks.cache.fingerprint import key_of
helper = Path({str(helper)!r})
key = key_of(work.work, {{}})
helper.write_text("# A comment.\\n" + helper.read_text())
assert key_of(work.work, {{}}) == key
helper.write_text("def double(x):\\n    return 2 * x\\n")
key_of(work.work, {{}})
"""
    done = python(tmp_path, "-c", code)
    assert done.stdout.endswith(
        f"fingerprint.ChangedInputError: {helper} changed after it was imported; run it again\n"
    )


def test_key_follows_helpers_and_functions_named_in_strings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tasks"
    shutil.copytree(fingerprint.TASKS, package)
    monkeypatch.setattr(fingerprint, "TASKS", package)

    def hashes() -> tuple[str, str, str]:
        model = digest(described("tasks.train.models.baseline:build"))
        return code_hash("tasks.train.task"), model, code_hash("tasks.split.folds")

    seed, model, split = hashes()
    edit(package / "train" / "archive.py", "1980", "1981")  # in another process, by its name
    edit(package / "train" / "models" / "baseline.py", "Positive = 32", "Positive = 33")
    changed = hashes()
    assert changed[0] != seed
    assert changed[1] != model
    assert changed[2] == split
    edit(package / "split" / "lesions.py", '"not yet"', '"later"')
    assert hashes()[2] != split


def test_key_ignores_comments_docstrings_and_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tasks"
    package.mkdir()
    monkeypatch.setattr(fingerprint, "TASKS", package)
    module = package / "work.py"
    module.write_text('"""Old."""\ndef work(x):\n    """Old."""\n    return x + 1\n')
    before = code_hash("tasks.work")
    module.write_text('"""New."""\n\n\ndef work(x):  # new\n    return (x + 1)\n')
    assert code_hash("tasks.work") == before
    module.write_text("def work(x):\n    return x + 2\n")
    assert code_hash("tasks.work") != before


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
