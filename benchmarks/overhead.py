"""What a stage adds over its work called plainly, and what nothing to do costs.

    python -m benchmarks.overhead

In a scratch copy on made-up lesions. Each figure is the median of REPEATS runs, taken in turn.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from benchmarks.command import seconds
from flows.scratch import make_copy
from flows.server import start

REPEATS = 5
SMALL = {
    "download": {"source": "synthetic", "synthetic": {"lesions": 120}},
    "train": {"runs": 1, "epochs": 1},
}
PLAIN = """
from pathlib import Path
from tasks.split.folds import split_images
out = Path("plain"); out.mkdir(exist_ok=True)
split_images.work(out, table=Path("data/prepared/images.csv"), protocol="lesion",
                  validation=0.1, test=0.2, seed=0)
"""
STAGE = "from flows.split import split; from flows.stage import run; run(split, protocol='lesion')"


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        make_copy(Path.cwd(), project, SMALL)
        python = partial(seconds, project)
        python("-m", "flows.pipeline")
        url = start(psutil.Process(), Path(folder) / "server.json")
        cases: dict[str, Callable[[], float]] = {
            "split, its work called plainly": partial(python, "-c", PLAIN),
            "split, as a stage, server up, cached": partial(
                python, "-c", STAGE, PREFECT_API_URL=url
            ),
            "split, as a stage, its own server": partial(python, "-c", STAGE),
            "dvc repro, nothing to do": partial(python, "-m", "dvc", "repro"),
            "flows.pipeline, nothing to do": partial(python, "-m", "flows.pipeline"),
        }
        took: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(REPEATS):
            for name, case in cases.items():
                took[name].append(case())
    medians = {name: statistics.median(times) for name, times in took.items()}
    plain, *_ = medians.values()
    noop = medians["dvc repro, nothing to do"]
    print("| | seconds | ratio |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        base = noop if "nothing" in name else plain
        print(f"| {name} | {median:.2f} | {median / base:.2f} |")
    ratio = medians["flows.pipeline, nothing to do"] / noop
    print(f"\nWith nothing to do flows.pipeline takes {ratio:.2f} times what dvc repro takes.")


if __name__ == "__main__":
    main()
