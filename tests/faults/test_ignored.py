"""A value of params.yaml that is accepted, recorded by DVC, and then not used."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from params import EXPERIMENT, written

import flows.train
from tasks.oversample.variant import Added, write_variant
from tasks.settings import load

BEST = Path("tasks/train/models/tuned/best.json")
VARIANT = Path("data/oversampled/tuned/part-0.npz")
SPLIT = Path("data/splits/lesion.csv")
FOUND = {"network": {"blocks": 2}, "learning_rate": 0.0004, "batch_size": 16}


@pytest.mark.parametrize("own", [{}, {"learning_rate": 0.002}, {"batch_size": 64, "epochs": 7}])
def test_experiment_wins_over_what_tune_found(
    own: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it found over the section `train`."""
    changes = {"tuned": {**EXPERIMENT, "model": "tuned", "sampling": "none", "runs": 1, **own}}
    settings = load(written(tmp_path, {"experiments": changes}))
    monkeypatch.chdir(tmp_path)
    for path in (BEST, VARIANT, SPLIT, Path("seconds/tuned/x")):
        path.parent.mkdir(parents=True)
    BEST.write_text(json.dumps(FOUND))
    nothing = Added.nothing(np.empty((0, 30, 40, 3), np.uint8))
    write_variant(VARIANT, nothing)
    SPLIT.write_text("image_id,lesion_id,dx,fold\nI1,L1,nv,train\n")
    given: dict[str, Any] = {}

    def submit(out: Path, **arguments: Any) -> Any:
        out.mkdir(parents=True)
        given.update(arguments)
        return flows.train.Pending(dict, out, {})

    monkeypatch.setattr(flows.train, "train_seed", SimpleNamespace(submit=submit))
    flows.train.train.fn(settings, "tuned")
    expected = {**settings.train.model_dump(exclude={"runs"}), **FOUND, **own}
    assert {name: given[name] for name in expected} == expected
