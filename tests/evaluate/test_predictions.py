import numpy as np
import pytest
from ham10000 import CLASSES
from made import made, metadata, stored

from tasks.errors import UserError
from tasks.evaluate.predictions import read_metadata, read_predictions
from tasks.infer.parquet import write_predictions
from tasks.protocols import TEST, VALIDATION


@pytest.fixture
def table():
    return stored(made(0, lesions=30), made(1, lesions=40))


def test_what_is_written_is_read_again_to_the_bit(table, tmp_path):
    path = tmp_path / "one.parquet"
    write_predictions(path, table)
    validation, test = (read_predictions(path, fold) for fold in (VALIDATION, TEST))
    for found, written in ((validation, made(0, lesions=30)), (test, made(1, lesions=40))):
        assert found.probabilities.dtype == np.float32
        for name in ("truth", "probabilities", "lesions", "images"):
            assert (getattr(found, name) == getattr(written, name)).all(), name
    found_metadata, written_metadata = read_metadata(path, TEST), metadata(len(test.truth))
    assert found_metadata.astype(object).equals(written_metadata.astype(object))


def test_early_predictions_can_be_read_but_not_cut(table, tmp_path):
    path = tmp_path / "early.parquet"
    write_predictions(path, table.drop(columns=["age", "sex"]))
    assert len(read_predictions(path, TEST).truth)
    with pytest.raises(UserError, match=r"no column age, sex: `dvc repro infer@early`"):
        read_metadata(path, TEST)


def test_a_part_holds_the_same_images_of_all():
    test = made(2)
    inside = test.truth == CLASSES.index("mel")
    part = test.part(inside)
    assert (part.images == test.images[inside]).all()
    assert (part.lesions == test.lesions[inside]).all()
    assert (part.probabilities == test.probabilities[:, inside]).all()
    assert set(part.truth) == {CLASSES.index("mel")}
