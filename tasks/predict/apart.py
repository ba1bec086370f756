"""Ask models about images in a process of its own."""

import re
import resource
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks import process
from tasks.errors import UserError
from tasks.predict.answer import Answer
from tasks.reading.images import Source

NO_MEMORY = re.compile("MemoryError|bad_alloc|failed to map segment|[Cc]annot allocate memory")
TIGHT = 2**32  # bytes of address space: half of it holds TensorFlow and a small model


def predict_apart(
    report: Callable[[list[Answer]], None],
    *,
    models: Sequence[Path],
    sources: Sequence[Source],
    clinical: Sequence[int] | None = None,
    explanations: Path | None = None,
) -> None:
    """`tasks.predict.predict.predict`. Raises UserError as it does, and where memory is short."""
    try:
        process.call(
            "tasks.predict.predict:predict",
            report=report,
            models=models,
            sources=sources,
            clinical=clinical,
            explanations=explanations,
        )
    except process.ProcessError as error:
        lines = str(error).strip().splitlines()
        if "was ended by" in lines[0]:
            how = lines[0].split(maxsplit=1)[1]
            raise UserError(
                f"{models[0]}: the process that asked it {how}: it may need more memory than a "
                "model can have here"
            ) from None
        # A library that finds no room under `ulimit -v` fails in any way there is.
        tight = 0 <= resource.getrlimit(resource.RLIMIT_AS)[0] < TIGHT
        if lines[0].startswith("Traceback") and (tight or NO_MEMORY.search(lines[-1])):
            raise UserError(
                f"no memory for TensorFlow ({lines[-1]}): raise the limit (`ulimit -v`), or end "
                "other programs"
            ) from None
        raise
