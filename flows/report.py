"""Stage `report`: the paper's tables beside ours, and the class distribution.

python -m flows.report
"""

from pathlib import Path

import typer
from prefect import flow

from flows.split import Protocol
from flows.stage import run
from tasks.report.collect import write_classes, write_tables
from tasks.settings import Settings

REPORTS = Path("reports")


@flow(name="report")
def report(settings: Settings) -> None:
    """`tables.md`, `experiments.md` and `classes.csv` to `reports/`."""
    tables(settings)
    write_classes.submit(
        REPORTS,
        label="class distribution",
        splits={protocol: Path(f"data/splits/{protocol}.csv") for protocol in Protocol},
        variants={
            protocol: {
                sampling: Path(f"data/oversampled/{protocol}-{sampling}.npz")
                for sampling in settings.oversample
            }
            for protocol in Protocol
        },
    )()


def tables(settings: Settings) -> None:
    """`tables.md` and `experiments.md`."""
    experiments = settings.experiments
    write_tables.submit(
        REPORTS,
        label="tables",
        splits=[(name, experiment.split) for name, experiment in experiments.items()],
        of_paper=[(*setup, name) for setup, name in settings.of_paper().items()],
        metrics={name: Path("metrics") / f"{name}.json" for name in experiments},
        predictions={name: Path("predictions") / f"{name}.parquet" for name in experiments},
    )()


def main() -> None:
    """Write the tables."""
    run(report)


if __name__ == "__main__":
    typer.run(main)
