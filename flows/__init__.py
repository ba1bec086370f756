"""What people run: a flow a stage, and the flows on top of the DAG."""

import os
import sys

if sys.platform != "linux":
    raise SystemExit("Lesionflow needs Linux (a container will do): /proc says which process lives")

# Prefect reports its use unless this is set before it is imported; every flow begins here.
os.environ.setdefault("DO_NOT_TRACK", "1")

# One thread of arithmetic a process, as results must not depend on the number of cores. numpy reads
# this when it is imported; a child (tasks/process.py) imports what its parent's main module does
# before it could set anything.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
