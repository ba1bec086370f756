"""Check params.yaml: DVC, which reads it by itself, says of most mistakes only what they lead to.

python -m flows.settings
"""

import typer

from flows.engine.errors import told
from tasks.settings import load


def main() -> None:
    """Check params.yaml: a line for every fault."""
    with told("settings"):
        load()


if __name__ == "__main__":
    typer.run(main)
