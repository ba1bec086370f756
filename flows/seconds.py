"""Seconds an epoch as Tables 2 and 4 give them: ours beside the paper's.

    python -m flows.seconds

No stage of the DAG: seconds differ from run to run, and no result may.
"""

from pathlib import Path

import typer

from flows.errors import told
from tasks.report.counterparts import of_paper
from tasks.report.seconds import median_seconds, seconds_table
from tasks.settings import load


def main() -> None:
    """Print seconds an epoch beside the paper's."""
    with told("seconds"):
        found = {
            (model, sampling): median_seconds(Path("seconds") / name)
            for (model, sampling, split), name in of_paper(load()).items()
            if split == "image"
        }
    print(seconds_table(found))


if __name__ == "__main__":
    typer.run(main)
