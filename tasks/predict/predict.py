"""Predict images, in a process of its own (tasks.process)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.errors import UserError
from tasks.explain.gallery import Gallery
from tasks.predict.answer import Answer
from tasks.reading.images import ImageError, Source, read
from tasks.train.archive import takes_clinical
from tasks.trained.models import ask_all, load_all, size_of

BATCH = 32  # images held at a time


def predict(
    *,
    models: Sequence[Path],
    sources: Sequence[Source],
    clinical: Sequence[int] | None,
    explanations: Path | None,
    report: Callable[[list[Answer]], None],
) -> None:
    """Report an Answer for each source, in order, a batch at a time.

    models: one a seed. clinical: codes of age, sex and site (tasks.coding), of all images; None
    for not known. explanations: a folder for a picture of each image with its Grad-CAM.

    Raises UserError when a model cannot be used, or takes no clinical columns and there are some.
    """
    loaded = load_all(models)
    if clinical is not None and not takes_clinical(loaded[0]):
        raise UserError(f"{models[0]} takes no age, sex and localization: leave them out")
    withheld = clinical is None and takes_clinical(loaded[0])
    gallery = Gallery(explanations, loaded) if explanations else None
    for start in range(0, len(sources), BATCH):
        answers, pixels = [], []
        for source in sources[start : start + BATCH]:
            try:
                pixels.append(read(source, *size_of(loaded[0])))
                answers.append(Answer(source, withheld=withheld))
            except ImageError as error:
                answers.append(Answer(source, fault=str(error)))
        if pixels:
            sound = [number for number, answer in enumerate(answers) if not answer.fault]
            batch = np.stack(pixels)
            codes = np.tile(np.array(clinical or (0, 0, 0), np.int64), (len(batch), 1))
            said = ask_all(models, loaded, batch, codes)
            for number, probabilities in zip(sound, said, strict=True):
                answers[number] = replace(answers[number], probabilities=probabilities)
            if gallery:
                drawn = gallery.draw([answers[n].source for n in sound], batch, codes, said)
                for number, path in zip(sound, drawn, strict=True):
                    answers[number] = replace(answers[number], explanation=path)
        report(answers)
