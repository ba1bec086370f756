"""A truth's words as a model's classes: `--classes common_nevus=nv,melanoma=mel+bcc`."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError, unknown


@dataclass(frozen=True)
class Grouping:
    """Which of a model's classes each word of a truth stands for.

    classes: the model's, in order. words: of the truth, each with the name of its group. groups:
    the model's classes in each, by name: what is scored has these in place of classes.
    """

    classes: tuple[str, ...]
    words: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def left_out(self) -> list[str]:
        """The model's classes that no word stands for."""
        used = {name for group in self.groups.values() for name in group}
        return [name for name in self.classes if name not in used]

    def columns(self, group: Sequence[str]) -> list[int]:
        return [self.classes.index(name) for name in group]

    def applied(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each group, (..., groups), of those of classes, (..., k).

        Of each group the sum; where classes are left out, scaled to add up to 1. Where that is
        nothing, all groups are equally probable.
        """
        sums = [
            probabilities[..., self.columns(group)].sum(axis=-1, dtype=np.float64)
            for group in self.groups.values()
        ]
        found = np.stack(sums, axis=-1)
        if self.left_out:
            total = found.sum(axis=-1, keepdims=True)
            even = np.full_like(found, 1 / len(sums))
            found = np.divide(found, total, out=even, where=total > 0)
        return found.astype(np.float32)

    def separates(self, question: Sequence[str]) -> bool:
        """Whether the groups tell the classes that are a yes to a question from the others."""
        inside = [set(group) <= set(question) for group in self.groups.values()]
        outside = [set(group).isdisjoint(question) for group in self.groups.values()]
        return any(inside) and any(outside) and all(map(operator.or_, inside, outside))

    def __str__(self) -> str:
        lines = []
        for name, group in self.groups.items():
            words = " and ".join(
                word for word, its_group in self.words.items() if its_group == name
            )
            lines.append(f"{words} as {'the sum ' if len(group) > 1 else ''}{name}")
        if self.left_out:
            lines.append(
                f"{', '.join(self.left_out)} left out, and the others scaled to add up to 1 (where "
                "they are 0, to equal ones)"
            )
        return "; ".join(lines)


def each_alone(classes: tuple[str, ...]) -> Grouping:
    """Return the grouping of a truth that has the model's own classes."""
    return Grouping(classes, {name: name for name in classes}, {name: (name,) for name in classes})


def grouping(text: str, classes: tuple[str, ...]) -> Grouping:
    """Read `--classes`. Raises UserError with what is wrong with it."""
    words: dict[str, str] = {}
    groups: dict[frozenset[str], str] = {}
    for pair in text.split(","):
        word, equals, side = (part.strip() for part in pair.partition("="))
        group = [name.strip() for name in side.split("+")]
        if not (word and equals and side):
            raise wrong(f"{pair.strip()!r} is not WORD=CLASS or WORD=CLASS+CLASS")
        if word.lower() in map(str.lower, words):
            raise wrong(f"{word!r} stands twice")
        for name in group:
            if name not in classes:
                raise wrong(unknown("class", name, classes))
        if len(set(group)) < len(group):
            raise wrong(f"{side}: a class stands twice")
        words[word] = groups.setdefault(frozenset(group), "+".join(group))
    for one, name in groups.items():
        for other, its_name in groups.items():
            if one != other and (shared := one & other):
                raise wrong(
                    f"{name} and {its_name} share {', '.join(sorted(shared))}: a class can be on "
                    "one side alone, or all words of it on the same"
                )
    if len(groups) < 2:
        raise wrong(
            f"all words lead to {next(iter(groups.values()))}: name two or more to tell apart"
        )
    return Grouping(classes, words, {name: tuple(name.split("+")) for name in groups.values()})


def refuse_other_words(groups: Grouping, title: str, words: Sequence[str]) -> None:
    """Raise UserError unless all of a data set's words have a group, and no others."""
    if missing := [word for word in words if word not in groups.words]:
        raise wrong(
            f"{title} has {', '.join(missing)}: say which of the model's classes "
            f"({', '.join(groups.classes)}) each is, such as {missing[0]}={groups.classes[0]}"
        )
    for word, name in groups.words.items():
        if word not in words and word != name:  # a class of the model's own may be without images
            raise wrong(unknown(f"class of {title}", word, words))


def wrong(text: str) -> UserError:
    return UserError(f"--classes: {text}")
