"""Score a model on images of one's own whose diagnoses are known.

No stage of the DAG: the images are not part of the project.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.engine.models import known
from tasks.errors import UserError
from tasks.evaluate.classes import CLASS_METRICS, summarise_classes
from tasks.evaluate.decisions import DECIDED, decided, weighted
from tasks.evaluate.metrics import METRICS, summarise
from tasks.evaluate.operating import at_thresholds
from tasks.evaluate.predictions import Predictions, answer
from tasks.evaluate.ranking import ranking
from tasks.evaluate.resample import estimate, in_blocks, plain_and_resampled
from tasks.predict.answer import Answer
from tasks.predict.apart import predict_apart
from tasks.predict.grouping import Grouping, each_alone, grouping, refuse_other_words
from tasks.predict.isic import challenge_of
from tasks.predict.truth import Truth, read_lesions, read_truth, truth_of_set
from tasks.progress import Bar
from tasks.reading.faults import DataFaults
from tasks.reading.images import Source, find_all, passed_over
from tasks.report.tables import METRIC_NAMES, interval, markdown
from tasks.sets.read import read_set
from tasks.trained.locate import models_of
from tasks.trained.saved import coding_of

BOTH = {"runs": "mean over runs", "averaged": "runs averaged"}
"""Each run scored by itself, and one prediction an image: the mean of the runs' probabilities."""

AT_THRESHOLD = ("sensitivity", "specificity")


def ask(models: list[Path], sources: list[Source]) -> tuple[NDArray[np.float32], bool]:
    """Probabilities, (runs, n, k), and whether models that take clinical columns had none.

    Raises DataFaults with every image that cannot be read.
    """
    answers: list[Answer] = []
    with Bar("score", len(sources), "image") as bar:

        def keep(batch: list[Answer]) -> None:
            answers.extend(batch)
            bar.advance(len(batch))

        predict_apart(keep, models=models, sources=sources)
    if faults := [f"{answer.source}: {answer.fault}" for answer in answers if answer.fault]:
        raise DataFaults(sources[0].path.parent, faults)
    found = [a.probabilities for a in answers if a.probabilities is not None]
    return np.stack(found, axis=1), answers[0].withheld


def listed(images: Path, truth: Path, groups: Grouping) -> Truth:
    """The images of which a table says something. Raises UserError with all that is wrong."""
    found, faults, passed = find_all([str(images)])
    if faults:
        raise UserError("\n".join(faults))
    if passed:
        print(f"score: {passed_over(passed)}", file=sys.stderr)
    return read_truth(truth, found, groups.words)


def described(images: Path, name: str, groups: Grouping) -> tuple[str, Truth]:
    """The title of a data set that data/sets describes, and its images in a folder."""
    dataset = read_set(name)
    refuse_other_words(groups, dataset.title, dataset.codes)
    return dataset.title, truth_of_set(images, dataset)


def score(
    model: str,
    images: Path,
    truth: Path | None,
    lesions: Path | None,
    resamples: int,
    seed: int,
    *,
    of_set: str | None = None,
    classes: str | None = None,
) -> dict[str, Any]:
    """Metrics with intervals by bootstrap over lesions, as the keys of BOTH; without lesions,
    each image counts as one.
    """
    if (truth is None) == (of_set is None):
        raise UserError(
            "give TRUTH, or --set with the name of what data/sets describes: one of both"
        )
    models = models_of(model)
    coding = coding_of(models)
    groups = grouping(classes, coding.classes) if classes else each_alone(coding.classes)
    operating = known(models, coding.classes, clinical=False)
    if truth is not None:
        title, there = str(truth), listed(images, truth, groups)
    else:
        title, there = described(images, str(of_set), groups)
    stems = [source.stem for source in there.sources]
    of_lesions = read_lesions(lesions, stems) if lesions else there.lesions or stems
    if len(set(of_lesions)) < 2:
        raise UserError(f"{title}: one lesion alone has no interval: give two or more")
    runs, withheld = ask(models, there.sources)

    names = [groups.words[diagnosis] for diagnosis in there.diagnoses]
    # Of a group any class will do: no question that is asked parts it.
    number_of = {name: coding.classes.index(group[0]) for name, group in groups.groups.items()}
    raw = Predictions(
        truth=np.array([number_of[name] for name in names], np.int64),
        probabilities=runs,
        lesions=np.array(of_lesions),
        images=np.array(stems),
        classes=tuple(range(len(coding.classes))),
        codes=coding.classes,
        questions={
            question: yes for question, yes in operating.questions.items() if groups.separates(yes)
        },
    )
    weights = plain_and_resampled(raw.lesions, resamples, seed)
    said = {}
    for key, these in {"runs": raw, "averaged": raw.together()}.items():
        grouped = in_groups(these, names, groups)
        said[key] = {
            **summarise(grouped.truth, grouped.probabilities, raw.lesions, resamples, seed),
            **summarise_classes(grouped, weights),
        }
    return {
        "set": title,
        "images": len(stems),
        "models": len(models),
        "withheld": withheld,
        "classes": str(groups) if classes else None,
        **said,
        "questions": questions(raw.together(), operating.thresholds, weights),
        "decisions": {} if classes else by_rule(raw.together(), operating.rules, weights),
    }


def by_rule(
    together: Predictions, rules: Mapping[str, Sequence[float]], weights: NDArray
) -> dict[str, Any]:
    """How good the class is that each decision rule names, of the runs' mean."""
    return {
        rule: decided(together, weighted(together.probabilities, of_rule), weights)
        for rule, of_rule in rules.items()
    }


def in_groups(predictions: Predictions, names: list[str], groups: Grouping) -> Predictions:
    """Predictions of groups of classes. names: the group of each image."""
    codes = tuple(groups.groups)
    return replace(
        predictions,
        truth=np.array([codes.index(name) for name in names], np.int64),
        probabilities=groups.applied(predictions.probabilities),
        classes=tuple(range(len(codes))),
        codes=codes,
        questions={},
    )


def questions(
    together: Predictions, thresholds: Mapping[str, float], weights: NDArray
) -> dict[str, Any]:
    """How the runs' mean answers each question, by the probabilities of all of the model's classes.

    Its area under the ROC curve, and, for those of which a threshold is known, sensitivity,
    specificity and precision there.
    """
    found = {}
    for question, yes in together.questions.items():
        positive, scores = answer(together, question)
        ranked = in_blocks(partial(ranking, positive, scores[0]), weights)
        found[question] = {
            "classes": list(yes),
            "images": int(positive.sum()),
            "roc_auc": estimate(ranked["roc_auc"]),
        }
        if question in thresholds:
            at = np.full_like(scores, thresholds[question])
            found[question] |= {
                "threshold": thresholds[question],
                **at_thresholds(positive, scores, at, weights),
            }
    return found


def table(content: dict[str, Any]) -> str:
    """The metrics as Markdown."""
    lines = [
        [METRIC_NAMES[metric], *(interval(content[key][metric]) for key in BOTH)]
        for metric in METRICS
    ]
    of_classes = [
        [dx, str(of["images"]), *(interval(of[metric]) for metric in CLASS_METRICS)]
        for dx, of in content["averaged"]["classes"].items()
    ]
    header = ["runs averaged", "images", *(name.replace("_", " ") for name in CLASS_METRICS)]
    tables = [markdown(["", *BOTH.values()], lines), markdown(header, of_classes)]
    if asked := content["questions"]:
        header = ["question, runs averaged", "yes", "ROC-AUC", "threshold", *AT_THRESHOLD]
        rows = [
            [
                f"{question} ({' + '.join(of['classes'])})",
                str(of["images"]),
                interval(of["roc_auc"]),
                f"{of['threshold']:.3g}" if "threshold" in of else "–",
                *(interval(of.get(name)) for name in AT_THRESHOLD),
            ]
            for question, of in asked.items()
        ]
        tables.append(markdown(header, rows))
    if rules := content["decisions"]:
        sides = {"the likeliest class": content["averaged"], **rules}
        rows = [
            [words, *(interval(of[metric]) for metric in DECIDED)] for words, of in sides.items()
        ]
        header = ["class named by, runs averaged", *(METRIC_NAMES[metric] for metric in DECIDED)]
        tables.append(markdown(header, rows))
    return "\n\n".join(tables)


def summary(content: dict[str, Any]) -> str:
    """What is printed."""
    without = ", age, sex and localization withheld" if content["withheld"] else ""
    parts = [f"{content['set']}: {content['images']} images, {content['models']} models{without}"]
    if content["classes"]:
        parts.append(f"Classes: {content['classes']}.")
    parts.append(table(content))
    if challenge := challenge_of(content["averaged"]["classes"]):
        official = interval(content["averaged"]["balanced_accuracy"])
        parts.append(f"{challenge}, balanced multiclass accuracy of the runs averaged: {official}")
    return "\n\n".join(parts)
