"""Every number anew from the stored predictions.

    python -m flows.recompute

Needs what git tracks and nothing else: no images, no models, no cache. Leaves the metrics, plots
and tables that the stages `evaluate` and `report` leave: they too compute them from predictions.
"""

import typer

from flows.engine.errors import told


def main() -> None:
    """Compute every number anew from predictions/."""
    from flows.work.recompute import recompute_all

    with told("recompute"):
        recompute_all()


if __name__ == "__main__":
    typer.run(main)
