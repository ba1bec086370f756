"""Progress bars that are also bearable in a log file."""

import sys
import threading
from typing import Any

from tqdm import tqdm


class Part:
    """One of several pieces of work that share a bar.

    Sent to another process, as with a Dask cluster, it says nothing: the bar stays here.
    """

    def __init__(self, bar: "Bar | None" = None, size: int | None = None) -> None:
        """size: what the bar counts, in this piece."""
        self.bar, self.size, self.done = bar, size, 0

    def advance(self, more: int = 1) -> None:
        """So much more is done."""
        self.done += more
        if self.bar:
            self.bar.advance(more)

    def one(self, news: Any = None) -> None:
        """One more is done, whatever is said of it."""
        self.advance()

    def reach(self, so_far: int, total: int | None = None) -> None:
        """So much is done in all."""
        self.advance(so_far - self.done)

    def end(self) -> None:
        """All is done, also what nobody told of: it was cached, or elsewhere."""
        if self.size is not None:
            self.reach(self.size)

    def __reduce__(self) -> tuple[Any, ...]:
        return Part, ()


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

    def say(self, line: str) -> None:
        """Print a line to standard error, not into the bar."""
        with self.lock:
            self.bar.write(line, file=sys.stderr)

    def part(self, size: int | None = None) -> Part:
        """For one of several pieces of work."""
        return Part(self, size)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
