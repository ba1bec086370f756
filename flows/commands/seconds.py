"""Seconds an epoch as Tables 2 and 4 give them: ours beside the paper's.

    python -m flows.seconds

No stage of the DAG: seconds differ from run to run, and no result may.
"""

import typer

from flows.engine.errors import told


def main() -> None:
    """Print seconds an epoch beside the paper's."""
    from flows.work.seconds import seconds

    with told("seconds"):
        print(seconds())


if __name__ == "__main__":
    typer.run(main)
