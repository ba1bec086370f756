"""What experiments are chosen by: the validation fold, never the test fold, which only reports."""

from collections.abc import Mapping

METRIC = "balanced_accuracy"
"""The mean sensitivity of the seven classes, by which the ISIC 2018 challenge ranked."""


def merit(validation: Mapping[str, float | None]) -> float:
    """Return the number that a choice goes by, of METRICS on the validation fold.

    METRIC, or accuracy where a class is missing from that fold and METRIC is undefined.
    """
    number = validation[METRIC]
    return float(validation["accuracy"] or 0) if number is None else number
