"""What a stage adds over its work called plainly, and what nothing to do costs.

    python -m benchmarks.overhead

In a scratch copy on made-up lesions. Each figure is the median of REPEATS runs, taken in turn.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from flows.scratch import make_copy
from flows.server import start
from tasks.settings import SOURCE_VARIABLE

REPEATS = 3
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
    environment = {name: value for name, value in os.environ.items() if name != SOURCE_VARIABLE}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"PATH": path, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        make_copy(Path.cwd(), project, SMALL)

        def python(*arguments: str, **variables: str) -> Callable[[], None]:
            def run() -> None:
                subprocess.run(
                    [sys.executable, *arguments],
                    cwd=project,
                    env={**environment, **variables},
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )

            return run

        python("-m", "flows.pipeline")()
        url = start(psutil.Process(), Path(folder) / "server.json")
        cases = {
            "split, its work called plainly": python("-c", PLAIN),
            "split, as a stage, server up, cached": python("-c", STAGE, PREFECT_API_URL=url),
            "split, as a stage, its own server": python("-c", STAGE),
            "dvc repro, nothing to do": python("-m", "dvc", "repro"),
            "flows.pipeline, nothing to do": python("-m", "flows.pipeline"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(REPEATS):
            for name, case in cases.items():
                began = time.perf_counter()
                case()
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    plain, *_ = medians.values()
    noop = medians["dvc repro, nothing to do"]
    print("| | seconds | ratio |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        base = noop if "nothing" in name else plain
        print(f"| {name} | {median:.2f} | {median / base:.2f} |")


if __name__ == "__main__":
    main()
