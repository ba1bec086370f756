"""What later stages need of a data set, without its files, citation and so on: a change of those
changes nothing there.
"""

from tasks.coding import Coding
from tasks.sets.dataset import COLUMNS, Dataset, Section


class HandedOn(Section):
    """names: of the classes, by code, in order. columns: of COLUMNS, those that the set has."""

    title: str
    names: dict[str, str]
    questions: dict[str, tuple[str, ...]]
    columns: tuple[str, ...]
    sexes: tuple[str, ...]
    sites: tuple[str, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.names)

    @property
    def coding(self) -> Coding:
        return Coding(self.codes, self.sexes, self.sites)


def hand_on(described: Dataset) -> HandedOn:
    """Return what later stages need of a data set."""
    return HandedOn(
        title=described.title,
        names=described.names,
        questions=described.asked(),
        columns=tuple(column for column in COLUMNS if described.has(column)),
        sexes=described.sexes,
        sites=described.sites,
    )
