"""What people run: a flow a stage, and the flows on top of the DAG."""

import io
import logging
import os
import sys
from pathlib import Path

from tasks.git import VARIABLES
from tasks.loopback import spare_loopback
from tasks.surroundings import settle

if sys.platform != "linux":
    raise SystemExit("Lesionflow needs Linux (a container will do): /proc says which process lives")

# Where the project is installed, Python may take its code in a folder with code of its own.
if (own := Path("flows/__init__.py").absolute()).exists() and not own.samefile(__file__):
    raise SystemExit(
        f"{own.parent.parent} has code of its own, and Python takes that of "
        f"{Path(__file__).parent.parent}: set PYTHONPATH={own.parent.parent}"
    )

# Prefect reports its use unless this is set before it is imported; every flow begins here.
os.environ.setdefault("DO_NOT_TRACK", "1")

# Before any library is imported that computes. A child (tasks/process.py) imports what its parent's
# main module does, and inherits this.
settle()

# Of a hook, in which a flow may run. DVC, and git below it, would work in that repository, whatever
# the folder.
for name in VARIABLES:
    os.environ.pop(name, None)

spare_loopback()

# A server that is slow to take events loses none. Prefect's settings do not reach these loggers.
for logger in ("APILogWorker", "EventsWorker"):
    logging.getLogger(logger).setLevel(logging.ERROR)

# What a terminal or a file cannot show is shown as an escape (`\u2013`), as Python does on stderr.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")
