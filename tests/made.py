"""Made-up predictions of the seven classes, and populations to draw them from."""

from dataclasses import replace

import numpy as np
import pandas as pd
from ham10000 import CLASSES, QUESTIONS

from tasks.evaluate.predictions import Predictions
from tasks.protocols import TEST, VALIDATION


def made(seed, lesions=150, runs=2, absent=(), steps=None):
    """Predictions of one or two images a lesion, right more often than not, of few values by steps.

    absent: classes that no image is of.
    """
    rng = np.random.default_rng(seed)
    present = [k for k, dx in enumerate(CLASSES) if dx not in absent]
    lesion = np.repeat(np.arange(lesions), rng.integers(1, 3, lesions))
    truth = np.array(present)[np.arange(lesions) % len(present)][lesion]
    p = rng.dirichlet(np.ones(7), (runs, len(lesion))) + 0.5 * np.eye(7)[truth]
    if steps:
        p = np.floor(p * steps) + 1
    return Predictions(
        truth=truth.astype(np.int64),
        probabilities=(p / p.sum(axis=-1, keepdims=True)).astype(np.float32),
        lesions=np.array([f"HAM_{number:05}" for number in lesion]),
        images=np.array([f"ISIC_{number:05}" for number in range(len(lesion))]),
        codes=CLASSES,
        classes=tuple(range(len(CLASSES))),
        questions=QUESTIONS,
    )


def plain(truth, probabilities, lesions=None):
    """Predictions of images with simple names, each its own lesion if not said otherwise."""
    k = probabilities.shape[-1]
    names = np.array([f"I{number}" for number in range(len(truth))])
    lesions = names if lesions is None else np.array(lesions)
    return Predictions(truth, probabilities, lesions, names, CLASSES[:k], tuple(range(k)))


def with_truth(predictions, truth):
    """The same predictions of images with other diagnoses."""
    return replace(predictions, truth=truth)


def metadata(n):
    """Metadata of n images: two halves by age, sex and so on."""
    first = np.arange(n) < n // 2
    return pd.DataFrame(
        {
            "dx_type": np.where(first, "histo", "follow_up"),
            "age": np.where(first, 35, 70).astype(np.float32),
            "sex": np.where(first, "female", "male"),
            "localization": np.where(first, "back", "face"),
            "lesion_images": np.where(first, 1, 4).astype(np.int16),
        }
    )


def stored(validation, test):
    """A table of predictions as `predictions/<experiment>.parquet` has it."""
    tables = []
    for fold, part in ((VALIDATION, validation), (TEST, test)):
        for seed, run in enumerate(part.probabilities):
            ids = {"image_id": part.images, "lesion_id": part.lesions, "fold": fold}
            table = pd.DataFrame({**ids, "seed": np.int16(seed)})
            table["dx"] = np.array(CLASSES)[part.truth]
            numbers = pd.DataFrame(run, columns=list(CLASSES))
            tables.append(pd.concat([table, metadata(len(run)), numbers], axis="columns"))
    return pd.concat(tables, ignore_index=True)
