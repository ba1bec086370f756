"""Predictions as people, spreadsheets, programs and the ISIC challenge read them."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import IO, Any

from tasks.errors import UserError
from tasks.evaluate.decisions import LIKELIEST
from tasks.evaluate.predictions import mean_of_runs
from tasks.predict.answer import Answer
from tasks.predict.isic import NONE_OF_THEM, columns_of
from tasks.predict.operate import Operation, calibrated
from tasks.reading.faults import decoded, printable

FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that a spreadsheet computes."""

WIDEST = 60  # of the column of names: a longer one stands out


def record(answer: Answer, operation: Operation) -> dict[str, Any]:
    """What is said of an image, by name; what is not known of the experiment has no entry."""
    assert answer.probabilities is not None
    mean = mean_of_runs(answer.probabilities)
    said: dict[str, Any] = {
        "image": answer.source.name,
        "class": operation.classes[int(operation.decided(mean).argmax())],
        "probabilities": by_class(operation.classes, mean),
    }
    if operation.temperature is not None:
        said["calibrated"] = by_class(operation.classes, calibrated(mean, operation.temperature))
    said |= operation.verdicts(mean)
    if answer.explanation:
        said["explanation"] = decoded(str(answer.explanation))
    return said


def by_class(classes: Sequence[str], probabilities: Any) -> dict[str, float]:
    return {name: round(float(p), 6) for name, p in zip(classes, probabilities, strict=True)}


class Writer(ABC):
    """Writes answers one by one, so that their number does not matter.

    width: of the longest name of an image, for columns.
    """

    def __init__(self, stream: IO[str], operation: Operation, width: int = 0) -> None:
        self.stream = stream
        self.operation = operation
        self.width = width
        self.written = 0

    def write(self, answer: Answer) -> None:
        self.put(answer, record(answer, self.operation))
        self.written += 1

    @abstractmethod
    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        """Write one answer and what `record` says of it."""

    def close(self) -> None:  # noqa: B027 - most have nothing to write
        """Write what comes after the last answer."""


class Table(Writer):
    """Columns for a terminal, under a line that says what they are."""

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        assert answer.probabilities is not None
        known = self.operation
        if not self.written:
            calibrated = "calibrated " if known.temperature is not None else ""
            points = "; verdicts by probabilities as predicted" if known.thresholds else ""
            points += "; class by weighted probabilities" if known.rule != LIKELIEST else ""
            print(f"{calibrated}probabilities{points}", file=self.stream)
            self.line("image", "class", known.classes, [])
        shown = said.get("calibrated", said["probabilities"])
        mean = mean_of_runs(answer.probabilities)
        verdicts = [
            verdict(question, known.probability(mean, question), threshold)
            for question, threshold in known.thresholds.items()
        ]
        numbers = [f"{p:.3f}" for p in shown.values()]
        self.line(printable(said["image"]), said["class"], numbers, verdicts)

    def line(self, image: str, name: str, numbers: Sequence[str], verdicts: Sequence[str]) -> None:
        widths = [max(5, len(code)) for code in self.operation.classes]
        cells = [f"{image:<{min(self.width, WIDEST)}}", f"{name:<{max(widths)}}"]
        cells += [f"{number:>{width}}" for number, width in zip(numbers, widths, strict=True)]
        print("  ".join([*cells, *(f"{one:<40}" for one in verdicts)]).rstrip(), file=self.stream)


def verdict(question: str, probability: float, threshold: float) -> str:
    """The answer to a question in words."""
    word, sign = ("suspected", ">=") if probability >= threshold else ("unlikely", "<")
    return f"{question}: {word} ({probability:.3g} {sign} {threshold:.3g})"


class Csv(Writer):
    """A row an image; `calibrated_<class>` for calibrated probabilities, `suspected_<question>` for
    verdicts: a class and a question may have one name.
    """

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        row = {"image": said.pop("image"), "class": said.pop("class"), **said.pop("probabilities")}
        row |= {f"calibrated_{name}": p for name, p in said.pop("calibrated", {}).items()}
        for name, value in said.items():
            verdict = isinstance(value, bool)
            row[f"suspected_{name}" if verdict else name] = str(value).lower() if verdict else value
        row |= {name: path_cell(row[name]) for name in ("image", "explanation") if name in row}
        writer = csv.DictWriter(self.stream, list(row), lineterminator="\n")
        if not self.written:
            writer.writeheader()
        writer.writerow(row)


def path_cell(path: str) -> str:
    """A path as no spreadsheet takes it for a formula; it leads to the same file."""
    return printable(f"./{path}" if path.startswith(FORMULA) else path)


class Json(Writer):
    """A list of objects, whole whenever it is closed."""

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        self.stream.write(",\n" if self.written else "[\n")
        self.stream.write(json.dumps(said))

    def close(self) -> None:
        self.stream.write("\n]\n" if self.written else "[]\n")


class Isic(Writer):
    """A submission to a challenge of ISIC: an image's id and a probability a class.

    Raises UserError where no challenge has the classes.
    """

    def __init__(self, stream: IO[str], operation: Operation, width: int = 0) -> None:
        super().__init__(stream, operation, width)
        self.columns = columns_of(operation.classes)
        self.ids: set[str] = set()

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        image = answer.source.stem
        if image.startswith(FORMULA):
            raise UserError(f"a spreadsheet takes the id {image} for a formula: rename the image")
        if image in self.ids:
            raise UserError(f"two images have the id {image}, and a submission can hold one")
        self.ids.add(image)
        writer = csv.writer(self.stream, lineterminator="\n")
        if not self.written:
            writer.writerow(["image", *self.columns])
        assert answer.probabilities is not None
        # A challenge names the class with the highest number, whatever a rule would name.
        decided = self.operation.decided(mean_of_runs(answer.probabilities))
        probabilities = {**by_class(self.operation.classes, decided), NONE_OF_THEM.lower(): 0.0}
        writer.writerow([image, *(probabilities[column.lower()] for column in self.columns)])


WRITERS: dict[str, type[Writer]] = {"table": Table, "csv": Csv, "json": Json, "isic": Isic}
