"""How a command ends where something is wrong that its user can mend."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import UserError


@contextmanager
def told(
    name: str, errors: tuple[type[Exception], ...] = (UserError,), code: int = 1
) -> Iterator[None]:
    """Where the block raises one of `errors`, print `NAME: what is wrong` and exit with `code`."""
    try:
        yield
    except errors as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(code) from None
