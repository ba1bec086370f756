"""What labels and clinical codes stand for: a data set's classes and words, by their numbers."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CLINICAL = ("age", "sex", "localization")
"""The columns that codes are of, in their order."""

AGE_BAND = 5
"""Years; HAM10000 gives ages as multiples of it."""

OLDEST = 90


class Coding(NamedTuple):
    """What the numbers that networks and samplers take stand for.

    classes: column k of every array of probabilities is of class k. sexes, sites: words of these
    columns, without one for what is not known.
    """

    classes: tuple[str, ...]
    sexes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[int, int, int]:
        """How many codes age, sex and site have. Code 0 of each says that it is not known."""
        return OLDEST // AGE_BAND + 2, 1 + len(self.sexes), 1 + len(self.sites)

    def labels(self, diagnoses: "pd.Series[str]") -> NDArray[np.int64]:
        """Return the class index of each diagnosis, (n,). Raises KeyError for an unknown one."""
        return diagnoses.map(list(self.classes).index).to_numpy(np.int64)

    def clinical(self, table: pd.DataFrame) -> NDArray[np.int64]:
        """Return the codes of CLINICAL, int64 (n, 3).

        table: those columns as text, a row an image. The code of an age is 1 + its band of five
        years (above 90 counts as 90); what is empty, or a word that is not known, has code 0.
        """
        age = pd.to_numeric(table["age"], errors="coerce").clip(0, OLDEST) // AGE_BAND + 1
        words = {"sex": self.sexes, "localization": self.sites}
        others = [
            table[column].map({word: code for code, word in enumerate(known, start=1)})
            for column, known in words.items()
        ]
        return np.stack([codes.fillna(0).to_numpy(np.int64) for codes in (age, *others)], axis=1)


def saved_coding(model: Path) -> Coding:
    """Return the coding that was saved with a model, without words where it takes no clinical
    columns.
    """
    with zipfile.ZipFile(model) as archive:
        saved = json.loads(archive.read("metadata.json"))
    return Coding(
        tuple(saved["classes"]), *(tuple(saved.get(name, ())) for name in ("sexes", "sites"))
    )
