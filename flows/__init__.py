"""What people run: a flow a stage, and the flows on top of the DAG."""

import os

# Prefect reports its use unless this is set before it is imported; every flow begins here.
os.environ.setdefault("DO_NOT_TRACK", "1")
