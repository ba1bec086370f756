"""Stage `tune`: random search over the optimized network's family, by lesion.

python -m flows.tune
"""

import json
from pathlib import Path

import typer
from prefect import flow

from flows.stage import run
from tasks.cache import scratch, whole
from tasks.progress import Bar
from tasks.settings import Settings
from tasks.train.seed import train_seed

TUNED = Path("tasks/train/models/tuned/best.json")
TRIALS = Path("reports/trials.csv")


@flow(name="tune")
def tune(settings: Settings) -> None:
    """`best.json`, which the model `tuned` is built with, and a table of all trials."""
    # Imported only now: KerasTuner takes Keras and TensorFlow with it.
    from tasks.tune.choose import arranged, best, results
    from tasks.tune.space import propose

    training = settings.train.model_dump(exclude={"runs", "epochs", "learning_rate", "batch_size"})
    proposed = propose(settings.tune.trials, settings.tune.seed)
    total = len(proposed) * settings.tune.epochs
    with scratch() as folder, Bar("tune", total, "epoch") as bar:
        folders = [Path(folder) / str(trial) for trial in range(len(proposed))]
        parts = [bar.part(settings.tune.epochs) for _ in proposed]
        waiting = [
            train_seed.submit(
                place,
                label=f"trial {place.name}",
                unkeyed={"report": part.one},
                images=Path("data/prepared/images.npy"),
                table=Path("data/prepared/images.csv"),
                split=Path("data/splits/lesion.csv"),
                part=0,
                variant=None,
                model="tasks.train.models.tuned:build",
                seed=settings.tune.seed,
                epochs=settings.tune.epochs,
                **trial,
                **training,
            )
            for place, trial, part in zip(folders, map(arranged, proposed), parts, strict=True)
        ]
        for finish, part in zip(waiting, parts, strict=True):
            finish()
            part.end()
        table = results(proposed, [place / "history.csv" for place in folders])
    with whole(TRIALS) as beside:
        table.to_csv(beside, index=False, float_format="%.6g")
    with whole(TUNED) as beside:
        beside.write_text(json.dumps(best(proposed, table), indent=2) + "\n")


def main() -> None:
    """Try settings of the network at random, and keep the best on the validation fold."""
    run(tune)


if __name__ == "__main__":
    typer.run(main)
