"""Clinical columns as codes."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks.clinical import LEVELS, SEXES, SITES, read_clinical


def test_codes_of_the_metadata(tmp_path: Path) -> None:
    rows = [
        ("", "unknown", "unknown"),
        ("0.0", "female", "abdomen"),
        ("4", "male", "upper extremity"),
        ("85.0", "", "elbow"),
        ("90", "other", ""),
        ("101", "male", "trunk"),
    ]
    table = pd.DataFrame(rows, columns=["age", "sex", "localization"]).assign(dx="nv")
    table.to_csv(tmp_path / "images.csv", index=False)
    codes = read_clinical(tmp_path / "images.csv")
    assert codes.dtype == np.int64
    assert codes[:3].tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 14]]
    assert codes[3:].tolist() == [[18, 0, 0], [19, 0, 0], [19, 2, 13]]
    assert (20, len(SEXES), len(SITES)) == LEVELS
