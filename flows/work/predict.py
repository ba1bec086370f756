"""What an experiment's models say of images of one's own.

No stage of the DAG: the images are not part of the project. Nothing here is for diagnosis.
"""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO

import pandas as pd

from flows.engine.models import known
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.files import named
from tasks.predict.answer import Answer
from tasks.predict.apart import predict_apart
from tasks.predict.operate import Operation
from tasks.predict.write import WRITERS
from tasks.progress import Bar
from tasks.protocols import LESION
from tasks.reading.faults import printable
from tasks.reading.images import Source, find_all, passed_over
from tasks.settings import load
from tasks.trained.locate import PLACES, REMEDY, best, models_of
from tasks.trained.saved import coding_of

FEW = 8  # images without a progress bar


def choose(clinical: bool) -> str:
    """The best experiment that has a model, of those split by lesion; see README.md.

    Raises UserError when there is none.
    """
    for place in PLACES:
        if not (place / "params.yaml").exists():
            continue
        splits = load(place / "params.yaml").splits()
        by_lesion = [name for name, split in splits.items() if split == LESION]
        if name := best(place, by_lesion, clinical=clinical):
            return str(place / "models" / name)
    raise UserError(f"no experiment has a model here: {REMEDY.format(name='optimized')}")


def clinical_codes(
    model: Path, coding: Coding, age: float | None, sex: str | None, localization: str | None
) -> list[int] | None:
    """Clinical codes; None where nothing is given. Raises UserError for a word that `model` does
    not know.
    """
    words = {"sex": (sex, coding.sexes), "localization": (localization, coding.sites)}
    for name, (word, known_words) in words.items():
        if word is None or word in known_words:
            continue
        if not known_words:
            raise UserError(f"{model} takes no {name}: leave --{name} out")
        raise UserError(f"unknown {name} {word!r}; one of {', '.join(known_words)}, or none")
    row = {"age": [age], "sex": [sex], "localization": [localization]}
    found = [int(code) for code in coding.clinical(pd.DataFrame(row))[0]]
    return found if any(found) else None


@contextmanager
def target(output: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that is written whole or not at all."""
    if output is None:
        yield sys.stdout
        return
    try:
        with named(output) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror or error}") from None


def but_drawings(folder: Path, sources: list[Source]) -> list[Source]:
    """Without what an earlier run drew into `folder`, which may lie among the images.

    Raises UserError where a drawing could take the place of somebody's picture there.
    """
    from tasks.explain.draw import is_drawing  # loads matplotlib

    sources = [it for it in sources if not (lies_in(it.path, folder) and is_drawing(it.path))]
    named = {source.stem.lower() for source in sources}
    for path in sorted(folder.glob("*")):
        at_risk = path.suffix.lower() == ".png" or path.stem.lower() in named
        if at_risk and path.is_file() and not is_drawing(path):
            raise UserError(
                f"--explain {folder}: {printable(str(path))} is there; name another folder"
            )
    return sources


def lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def run(
    names: list[str],
    models: list[Path],
    clinical: list[int] | None,
    operating: Operation,
    format: str,
    output: Path | None,
    explain: Path | None,
) -> int:
    """Predict and write; the number of images, and of names, of which nothing could be said.

    Raises UserError when that is all of them.
    """
    sources, wrong, passed = find_all(names)
    faults = len(wrong)
    if explain is not None:
        sources = but_drawings(explain, sources)
    for fault in wrong:
        print(fault, file=sys.stderr)
    if passed:
        print(f"predict: {passed_over(passed)}", file=sys.stderr)
    width = max((len(str(source)) for source in sources), default=0)
    with target(output) as stream, closing(WRITERS[format](stream, operating, width)) as writer:
        silent = len(sources) <= FEW or (output is None and sys.stdout.isatty())
        with nullcontext() if silent else Bar("predict", len(sources), "image") as bar:
            say = bar.say if bar else partial(print, file=sys.stderr)

            def write(answers: list[Answer]) -> None:
                nonlocal faults
                for answer in answers:
                    if answer.fault:
                        faults += 1
                        say(f"{answer.source}: {answer.fault}")
                    else:
                        writer.write(answer)
                if bar:
                    bar.advance(len(answers))

            if sources:
                predict_apart(
                    write, models=models, sources=sources, clinical=clinical, explanations=explain
                )
        if not writer.written:
            raise UserError("no image could be read")
    return faults


def predict(
    images: list[str],
    experiment: str | None,
    model: Path | None,
    format: str,
    output: Path | None,
    explain: Path | None,
    metadata: tuple[float | None, str | None, str | None],
    decision: str,
) -> int:
    """`run` with the models that are named or the best.

    metadata: age, sex and localization. decision: the rule that decides which class to name.
    """
    if experiment is not None and model is not None:
        raise UserError("give --experiment or --model, not both")
    given = any(value is not None for value in metadata)
    models = models_of(model or experiment or choose(given))
    coding = coding_of(models)
    clinical = clinical_codes(models[0], coding, *metadata)
    operating = known(models, coding.classes, clinical=clinical is not None, rule=decision)
    return run(images, models, clinical, operating, format, output, explain)
