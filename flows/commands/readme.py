"""Put the DAG's picture and the committed numbers into README.md.

    python -m flows.readme

Each block stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

import typer

from flows.engine.errors import told


def main() -> None:
    """Bring README.md up to date."""
    from flows.work.readme import fill

    with told("readme"):
        fill()


if __name__ == "__main__":
    typer.run(main)
