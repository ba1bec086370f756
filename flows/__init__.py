"""The DAG: a flow for each stage, and `pipeline`, which runs them all.

flows/commands has what people run beside, flows/engine what runs stages.
"""

import sys
from pathlib import Path

# `python -m flows.predict` is flows/commands/predict.py.
__path__.append(str(Path(__file__).parent / "commands"))

if sys.argv[:1] == ["-m"]:  # what Python says while it looks for the module that is to be run
    from flows.engine.program import begin

    begin()
