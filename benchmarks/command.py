"""Commands in a scratch copy, and the time that they take."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tasks.errors import UserError
from tasks.settings import SOURCE_VARIABLE

NOT_OURS = (SOURCE_VARIABLE, "PREFECT_API_URL")
"""Variables that would have the copy use another source or a server of somebody else."""


def seconds(folder: Path, *arguments: str, **variables: str) -> float:
    """The wall time of Python with `arguments` in `folder`.

    Raises UserError with the last lines that it printed when it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"PATH": path, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", **variables}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.perf_counter() - began
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise UserError(f"python {' '.join(arguments)} failed:\n{last}")
    return took
