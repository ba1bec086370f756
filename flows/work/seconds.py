"""Seconds an epoch as Tables 2 and 4 give them: ours beside the paper's.

No stage of the DAG: seconds differ from run to run, and no result may.
"""

from pathlib import Path

from tasks.report.counterparts import of_paper
from tasks.report.seconds import seconds_table
from tasks.settings import load
from tasks.train.seconds import median_seconds


def seconds() -> str:
    """Return seconds an epoch beside the paper's, as Markdown."""
    found = {
        (model, sampling): median_seconds(Path("seconds") / f"{name}.csv")
        for (model, sampling, split), name in of_paper(load()).items()
        if split == "image"
    }
    return seconds_table(found)
