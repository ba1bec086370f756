"""Clinical columns of the metadata as the small whole numbers that networks and samplers take."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEXES = ("unknown", "female", "male")
SITES = (
    "unknown", "abdomen", "acral", "back", "chest", "ear", "face", "foot", "genital", "hand",
    "lower extremity", "neck", "scalp", "trunk", "upper extremity",
)  # fmt: skip
AGE_BAND = 5
"""Years; HAM10000 gives ages as multiples of it."""

OLDEST = 90
LEVELS = (OLDEST // AGE_BAND + 2, len(SEXES), len(SITES))
"""How many codes age, sex and site have. Code 0 of each says that it is not known."""


def clinical_codes(table: pd.DataFrame) -> NDArray[np.int64]:
    """Codes of `age`, `sex` and `localization`, int64 (n, 3).

    table: those columns as text, a row an image. The code of an age is 1 + its band of five years
    (above 90 counts as 90); what is empty, or none of SEXES or SITES, has code 0.
    """
    age = pd.to_numeric(table["age"], errors="coerce").clip(0, OLDEST) // AGE_BAND + 1
    sex = table["sex"].map({name: code for code, name in enumerate(SEXES)})
    site = table["localization"].map({name: code for code, name in enumerate(SITES)})
    return np.stack([column.fillna(0).to_numpy(np.int64) for column in (age, sex, site)], axis=1)


def read_clinical(table: Path) -> NDArray[np.int64]:
    """`clinical_codes` of the images of `data/prepared/images.csv`, in its order."""
    columns = ["age", "sex", "localization"]
    return clinical_codes(pd.read_csv(table, usecols=columns, dtype=str, keep_default_na=False))
