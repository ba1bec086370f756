"""Clinical columns as codes."""

import numpy as np
import pandas as pd
from ham10000 import CODING


def test_codes_of_the_metadata() -> None:
    rows = [
        ("", "unknown", "unknown"),
        ("0.0", "female", "abdomen"),
        ("4", "male", "upper extremity"),
        ("85.0", "", "elbow"),
        ("90", "other", ""),
        ("101", "male", "trunk"),
    ]
    table = pd.DataFrame(rows, columns=["age", "sex", "localization"]).assign(dx="nv")
    codes = CODING.clinical(table)
    assert codes.dtype == np.int64
    assert codes[:3].tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 14]]
    assert codes[3:].tolist() == [[18, 0, 0], [19, 0, 0], [19, 2, 13]]
    assert CODING.levels == (20, 3, 15)
