"""The check of a sound data set; whatever may be wrong with one is in tests/faults."""

from pathlib import Path

import numpy as np
from record import HAM10000, ONE, TWO, Record

from tasks.preprocess.check import check


def test_sound_record_is_a_table_ordered_by_image(tmp_path: Path) -> None:
    table = check(Record().write(tmp_path), HAM10000)
    assert table["image_id"].tolist() == ["I1", "I2", "I3", "I4"]
    assert table["archive"].tolist() == [ONE, TWO, ONE, TWO]
    assert table["lesion_id"].tolist() == ["L1", "L1", "L3", "L4"]
    assert table.index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(table["age"], [55, 55, np.nan, 0])


def test_eighth_column_is_kept_and_others_are_dropped(tmp_path: Path) -> None:
    record = Record()
    record.header += ",dataset,mood"
    record.rows = [f"{row},rosendahl,good" for row in record.rows]
    table = check(record.write(tmp_path), HAM10000)
    assert set(table["dataset"]) == {"rosendahl"}
    assert "mood" not in table
