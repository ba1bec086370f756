"""Run one stage with what it prints in a file of its own."""

import logging
import os
import sys
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.stage.exceptions import StageCmdFailedError

from flows.engine.dag import reproduce
from flows.engine.stage import LOGS_VARIABLE, log_path
from tasks.errors import UserError

LOGS = Path(".prefect/logs")  # not in .cache, which a scratch copy shares with the project
SHOWN = 15  # last lines of a failed stage


class StageError(UserError):
    """A stage failed; the message holds the end of what it printed."""


def set_surroundings() -> None:
    """Have the stages that this process starts find its Python, and write to LOGS."""
    logging.getLogger("dvc").setLevel(logging.WARNING)  # Prefect would print all of it, twice
    LOGS.mkdir(parents=True, exist_ok=True)
    os.environ[LOGS_VARIABLE] = str(LOGS.resolve())
    # The stages say `python`, and mean this one.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def reproduce_logged(address: str, *, force: bool) -> bool:
    """Run a stage if it is not up to date; whether it ran. Raises StageError when it fails."""
    log = log_path(LOGS, address)
    log.unlink(missing_ok=True)
    try:
        return reproduce(address, force=force)
    except DvcException as error:
        raise StageError(
            "\n".join([f"{address} failed:", *(f"  {line}" for line in said(error, log))])
        ) from None


def said(error: DvcException, log: Path) -> list[str]:
    """Why a stage failed: the end of what its command printed, or what DVC says, in lines."""
    cause = error.__cause__ or error
    if not (isinstance(cause, StageCmdFailedError) and log.exists()):
        return str(cause).splitlines()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [*lines[-SHOWN:], *([f"all of it: {log}"] if len(lines) > SHOWN else [])]
