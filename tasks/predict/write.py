"""Predictions as people, spreadsheets, programs and the ISIC challenge read them."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import IO, Any

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.evaluate.predictions import mean_of_runs
from tasks.predict.answer import Answer
from tasks.predict.isic import COLUMNS, ORDER
from tasks.predict.operate import Operation, calibrated, verdicts


def record(answer: Answer, operation: Operation) -> dict[str, Any]:
    """What is said of an image, by name; what is not known of the experiment has no entry."""
    assert answer.probabilities is not None
    mean = mean_of_runs(answer.probabilities)
    said: dict[str, Any] = {
        "image": str(answer.source),
        "class": CLASSES[int(mean.argmax())],
        "probabilities": by_class(mean),
    }
    if operation.temperature is not None:
        said["calibrated"] = by_class(calibrated(mean, operation.temperature))
    said |= verdicts(mean, operation.thresholds)
    if answer.explanation:
        said["explanation"] = str(answer.explanation)
    return said


def by_class(probabilities: Any) -> dict[str, float]:
    return {name: round(float(p), 6) for name, p in zip(CLASSES, probabilities, strict=True)}


class Writer(ABC):
    """Writes answers one by one, so that their number does not matter."""

    def __init__(self, stream: IO[str], operation: Operation) -> None:
        self.stream = stream
        self.operation = operation
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
    """Columns for a terminal, under a line that says whether probabilities are calibrated."""

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        if not self.written:
            known = self.operation.temperature is not None
            print("calibrated probabilities" if known else "probabilities", file=self.stream)
            marks = list(self.operation.thresholds)
            self.line(CLASSES, "class", marks, "image")
        shown = said.get("calibrated", said["probabilities"])
        marks = ["yes" if said[point] else "no" for point in self.operation.thresholds]
        self.line([f"{p:.3f}" for p in shown.values()], said["class"], marks, said["image"])

    def line(self, numbers: Sequence[str], name: str, marks: Sequence[str], image: str) -> None:
        cells = [*(f"{n:>5}" for n in numbers), f"{name:<5}", *(f"{mark:<9}" for mark in marks)]
        print("  ".join([*cells, image]), file=self.stream)


class Csv(Writer):
    """A row an image; `calibrated_<class>` for calibrated probabilities."""

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        row = {"image": said.pop("image"), "class": said.pop("class"), **said.pop("probabilities")}
        row |= {f"calibrated_{name}": p for name, p in said.pop("calibrated", {}).items()}
        row |= {name: str(v).lower() if isinstance(v, bool) else v for name, v in said.items()}
        writer = csv.DictWriter(self.stream, list(row), lineterminator="\n")
        if not self.written:
            writer.writeheader()
        writer.writerow(row)


class Json(Writer):
    """A list of objects."""

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        self.stream.write(",\n" if self.written else "[\n")
        self.stream.write(json.dumps(said, ensure_ascii=False))

    def close(self) -> None:
        self.stream.write("\n]\n" if self.written else "[]\n")


class Isic(Writer):
    """A submission to ISIC 2018 Task 3: an image's id and seven probabilities."""

    def __init__(self, stream: IO[str], operation: Operation) -> None:
        super().__init__(stream, operation)
        self.ids: set[str] = set()

    def put(self, answer: Answer, said: dict[str, Any]) -> None:
        image = answer.source.stem
        if image in self.ids:
            raise UserError(f"two images have the id {image}, and a submission can hold one")
        self.ids.add(image)
        writer = csv.writer(self.stream, lineterminator="\n")
        if not self.written:
            writer.writerow(["image", *COLUMNS])
        probabilities = list(said["probabilities"].values())
        writer.writerow([image, *(probabilities[place] for place in ORDER)])


WRITERS: dict[str, type[Writer]] = {"table": Table, "csv": Csv, "json": Json, "isic": Isic}
