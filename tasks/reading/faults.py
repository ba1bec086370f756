"""What is wrong with data, as a list of all of it."""

import re
from pathlib import Path

from tasks.errors import UserError

SHOWN = 30
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What moves a terminal's cursor, sets its title and so on, or ends a line."""


class DataError(UserError):
    """The data set cannot be used."""


class DataFaults(DataError):
    """Faults of the data set at `path`, a line each; the message shows the first SHOWN."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(path, faults)
        self.path = path
        self.faults = [printable(fault) for fault in faults]

    def __str__(self) -> str:
        number = len(self.faults)
        lines = [f"{self.path}: {number} fault{'s' if number > 1 else ''}", *self.faults[:SHOWN]]
        if number > SHOWN:
            lines.append(f"... and {number - SHOWN} more")
        return "\n  ".join(lines)


def decoded(name: str) -> str:
    """A file's name as UTF-8 can write it: bytes that are no UTF-8 as escapes such as `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name: str) -> str:
    """The same in one line that a terminal shows: control characters as escapes too."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), decoded(name))
