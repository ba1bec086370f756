"""What is unused in the task cache, and what stays."""

import json
import os
import time
from pathlib import Path

import pytest

from tasks.cache.store import object_path
from tasks.cache.unused import RESULTS, unused

OLD, NEW = "a" * 64, "b" * 64


def record(key: str, days: float, **products: str) -> Path:
    path = RESULTS / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"result": json.dumps(products)}))
    return used(path, days)


def product(sha256: str, days: float) -> Path:
    path = object_path(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    return used(path, days)


def used(path: Path, days: float) -> Path:
    when = time.time() - days * 86400
    os.utime(path, (when, when))
    return path


def test_what_was_not_used_goes_and_what_a_recent_run_used_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old, new = product(OLD, 40), product(NEW, 40)
    going, staying = record("old", 40, x=OLD, y=NEW), record("new", 3, y=NEW)
    damaged = used(RESULTS / "damaged", 40) if (RESULTS / "damaged").write_text("no") else None
    found = unused(30)
    assert set(found.records) == {going, damaged}
    assert found.objects == [old]
    assert found.size == 5
    assert unused(50).records == []
    found.remove()
    assert (old.exists(), going.exists()) == (False, False)
    assert (new.exists(), staying.exists()) == (True, True)


def test_work_in_progress_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    product(OLD, 0)
    assert unused(30).objects == []


def test_other_names_of_a_product_free_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.link(product(OLD, 40), tmp_path / "images.npy")
    found = unused(30)
    assert len(found.objects) == 1
    assert found.size == 0
