"""A stage's progress: a bar in the terminal, and an artifact on the page of its run."""

import time
from contextlib import suppress
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.progress import Bar

EVERY = 5.0  # seconds between two looks at the bar


class StageBar(Bar):
    """A bar of a flow that runs; what it counts towards may be unknown, and then no page has it."""

    def __init__(self, title: str, total: int | None, unit: str, *, scaled: bool = False) -> None:
        super().__init__(title, total, unit, scaled=scaled)
        self.shown = time.monotonic()
        self.total = total or 0
        if self.total:
            self.artifact = cast(UUID, create_progress_artifact(0, description=title))

    def advance(self, pieces: int = 1) -> None:
        super().advance(pieces)
        if time.monotonic() > self.shown + EVERY:
            self.show()

    def show(self) -> None:
        """Bring the page up to date, if the server answers."""
        self.shown = time.monotonic()
        if self.total:
            with suppress(httpx.HTTPError):
                update_progress_artifact(self.artifact, 100 * self.bar.n / self.total)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.show()
