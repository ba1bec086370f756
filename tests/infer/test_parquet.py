import numpy as np
import pandas as pd
from made import made, stored

from tasks.infer.parquet import METADATA, described, write_predictions


def test_text_is_categorical_and_the_same_bytes_come_of_the_same_rows(tmp_path):
    table = stored(made(0, lesions=30), made(1, lesions=40))
    for name in ("one", "two"):
        write_predictions(tmp_path / name, table)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    types = pd.read_parquet(tmp_path / "one").dtypes
    texts = ["image_id", "lesion_id", "fold", "dx", "dx_type", "sex", "localization"]
    assert {str(types[name]) for name in texts} == {"category"}


def test_images_are_described_by_the_metadata_and_the_lesions_of_the_split(tmp_path):
    split = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "007", "e"],
            # The metadata holds a and e to be two lesions; the split knows better.
            "lesion_id": ["L1", "L2", "L2", "L3", "L1"],
            "dx": "nv",
            "fold": ["test", "train", "test", "validation", "train"],
        }
    )
    images = pd.DataFrame(
        {
            "image_id": split["image_id"],
            "lesion_id": ["L1", "L2", "L2", "L3", "L9"],
            "dx": "nv",
            "dx_type": ["histo", "follow_up", "histo", "consensus", "histo"],
            "age": [45.0, None, 5.0, 0.0, 80.0],
            "sex": ["male", "female", "unknown", "", "male"],
            "localization": ["back", "lower extremity", "unknown", "ear", "back"],
        }
    )
    split.to_csv(tmp_path / "split.csv", index=False)
    images.to_csv(tmp_path / "images.csv", index=False)
    rows = split[split["fold"] != "train"].iloc[[2, 0, 1]].reset_index(drop=True)  # 007, a, c
    found = described(rows, tmp_path / "images.csv", tmp_path / "split.csv")
    assert list(found[list(METADATA)].columns) == list(METADATA)
    assert list(found["dx_type"]) == ["consensus", "histo", "histo"]
    assert list(found["age"]) == [0, 45, 5]
    assert list(found["sex"]) == ["", "male", "unknown"]
    assert list(found["localization"]) == ["ear", "back", "unknown"]
    assert list(found["lesion_images"]) == [1, 2, 2]
    assert found[list(rows.columns)].equals(rows)
    missing = described(split, tmp_path / "images.csv", tmp_path / "split.csv")["age"]
    assert list(missing.isna()) == [False, True, False, False, False]
    assert missing.dtype == np.float32
