"""Progress bars that are also bearable in a log file."""

import sys
import threading
from collections.abc import Callable

from tqdm import tqdm


class Bar:
    """Progress over `total` pieces; safe to advance from several threads."""

    def __init__(self, title: str, total: int | None, unit: str, *, scaled: bool = False) -> None:
        self.lock = threading.Lock()
        # A log gets a line every half minute, a terminal a moving bar.
        pause = 0.2 if sys.stderr.isatty() else 30
        self.bar = tqdm(
            desc=title,
            total=total,
            unit=unit,
            unit_scale=scaled,
            mininterval=pause,
            maxinterval=pause,
        )

    def advance(self, pieces: int = 1) -> None:
        """So many pieces more are done."""
        with self.lock:
            self.bar.update(pieces)

    def part(self) -> Callable[[int, int | None], None]:
        """For one of several pieces of work: a function to call with how much of it is done."""
        before = 0

        def done(so_far: int, total: int | None) -> None:
            nonlocal before
            self.advance(so_far - before)
            before = so_far

        return done

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
