"""Errors that a user can mend. Anything else that is raised is a fault of this project."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """The message says what is wrong, where, and what to do; flows print it without a traceback."""


class ProcessError(UserError):
    """A function that was called in another process raised, or that process died.

    number: of the OSError that it raised, or 0; ENOMEM where it was short of memory.
    """

    def __init__(self, said: str, number: int = 0) -> None:
        super().__init__(said)
        self.number = number


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """What to say of a name that is none of `names`: the one that may be meant, then all."""
    names = list(names)
    meant = "".join(f" (did you mean {close}?)" for close in get_close_matches(name, names, n=1))
    return f"unknown {kind} {name!r}{meant}; one of {', '.join(names)}"
