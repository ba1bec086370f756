"""`flows.pipeline`: what `dvc repro` would leave, with stages side by side."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from conftest import PROJECT, SMALL, dvc, environment, python, stages_run

from flows.engine import logged, scratch, side_by_side
from flows.engine.dag import forget_dead_locks, lock_order, picture, sort_lock
from flows.engine.logged import StageError, reproduce_logged
from flows.engine.scratch import change_params
from flows.engine.stage import LOGS_VARIABLE


def pipeline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "flows.pipeline", *arguments)


@pytest.mark.slow
def test_leaves_what_dvc_repro_leaves(built: Path, tmp_path: Path) -> None:
    """From nothing, to the byte."""
    again = tmp_path / "project"
    scratch.make_copy(PROJECT, again, SMALL)
    done = pipeline(again)
    assert done.returncode == 0, done.stdout
    for name in ("dvc.lock", "data", "metrics", "models", "predictions", "plots", "reports"):
        files = [path for path in sorted((built / name).rglob("*")) if path.is_file()]
        for path in files or [built / name]:
            assert (again / path.relative_to(built)).read_bytes() == path.read_bytes(), path
    assert stages_run(dvc(again, "repro").stdout) == set()
    assert not (again / ".dvc" / "tmp" / "rwlock").exists() or (
        '"pid"' not in (again / ".dvc" / "tmp" / "rwlock").read_text()
    )

    second = pipeline(again)
    assert second.stdout.startswith("up to date: ")
    light = python(again, "-c", "import sys, flows.pipeline; print('prefect' in sys.modules)")
    assert light.stdout == "False\n", "nothing to do must cost no more than `dvc repro`"


def test_dry_names_what_would_run_and_runs_nothing(project: Path) -> None:
    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 3}}})
    before = (project / "dvc.lock").read_bytes()
    done = pipeline(project, "--dry")
    assert done.stdout.splitlines() == [
        "would run oversample@baseline",
        "would run train@baseline",
        "would run infer@baseline",
        "would run evaluate@baseline",
        "would run report",
    ]
    assert (project / "dvc.lock").read_bytes() == before


def test_target_leaves_the_rest_alone(project: Path) -> None:
    change_params(project / "params.yaml", {"split": {"seed": 1}})
    done = pipeline(project, "--target", "split@lesion")
    assert done.returncode == 0, done.stdout
    assert "1 stages run" in done.stdout
    assert "split@image" in dvc(project, "status").stdout


def test_number_of_jobs_is_that_of_the_surroundings(project: Path) -> None:
    done = python(project, "-m", "flows.pipeline", LESIONFLOW_JOBS="none")
    assert done.returncode == 1
    assert done.stdout == "pipeline: LESIONFLOW_JOBS is 'none': must be a number of 1 or more\n"


def test_stage_that_fails_after_its_command_says_why(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is of a command that ended well."""
    monkeypatch.chdir(project)
    monkeypatch.setenv(LOGS_VARIABLE, str(project))
    monkeypatch.setattr(logged, "LOGS", project)
    dag = Path("dvc.yaml")
    outs = "      - data/splits/${key}.csv:\n"
    assert outs in dag.read_text()
    dag.write_text(dag.read_text().replace(outs, f"      - data/never.csv-${{key}}\n  {outs}"))
    with pytest.raises(StageError, match=r"split@lesion failed:\n  .*data/never.csv-lesion"):
        reproduce_logged("split@lesion", force=False)
    assert Path("split@lesion.log").exists()


@pytest.mark.slow
def test_failed_stage_is_told_and_siblings_finish(project: Path) -> None:
    change_params(
        project / "params.yaml",
        {"oversample": {"smote": {"k_neighbors": 400}}, "experiments": {"baseline": {"epochs": 1}}},
    )
    done = pipeline(project)
    assert done.returncode == 1
    assert "oversample@baseline-smote failed:" in done.stdout
    assert "smote: k_neighbors is 400" in done.stdout
    # `report` depends on all that failed; baseline has nothing to do with it and finished.
    not_run = next(line for line in done.stdout.splitlines() if line.startswith("not run: "))
    assert set(not_run.removeprefix("not run: ").split(", ")) == {
        "train@baseline-smote",
        "infer@baseline-smote",
        "evaluate@baseline-smote",
        "report",
    }
    assert "evaluate@baseline" not in dvc(project, "status").stdout

    change_params(project / "params.yaml", {"oversample": {"smote": {"k_neighbors": 3}}})
    resumed = pipeline(project)
    assert resumed.returncode == 0, resumed.stdout
    assert "5 stages run" in resumed.stdout


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGINT,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGTERM, signal.SIGKILL)),
    ],
)
def test_ended_run_leaves_no_orphan_and_the_next_goes_on(
    project: Path, how: signal.Signals
) -> None:
    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 500}}})
    log = project / ".prefect" / "logs" / "train@baseline.log"
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.pipeline"],
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (log.exists() and "epoch" in log.read_text()):
        assert run.poll() is None
        time.sleep(0.1)
    family = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(how)
    assert run.wait(timeout=120) != 0
    assert not psutil.wait_procs(family, timeout=10)[1], "an orphan outlived the run"
    assert not list((project / "models").rglob(".*-model.keras"))

    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 1}}})
    done = pipeline(project, "--target", "train@baseline")
    assert done.returncode == 0, done.stdout
    assert not list((project / ".cache").glob("work-*"))


def test_stage_that_starts_while_the_run_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was on its way past the look at `ending`: waiting for DVC's lock, say."""
    monkeypatch.setattr(side_by_side, "ending", threading.Event())
    late: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
        late.append(subprocess.Popen(sleeps, env=environment(DVC_STAGE="train@baseline")))

    timer = threading.Timer(0.5, start)
    timer.start()
    began = time.monotonic()
    side_by_side.end_stages(lambda: bool(late) and late[0].poll() is not None)
    assert side_by_side.ending.is_set()
    assert late[0].returncode == -signal.SIGKILL
    assert time.monotonic() - began < 30


def test_dead_locks_are_forgotten_and_live_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rwlock = Path(".dvc/tmp/rwlock")
    forget_dead_locks()
    rwlock.parent.mkdir(parents=True)
    holder = '{"write": {"a": {"pid": %d, "cmd": "dvc repro"}}, "read": {}}'
    rwlock.write_text(holder % psutil.Process().pid)
    forget_dead_locks()
    assert rwlock.exists()
    rwlock.write_text(holder % 999_999_999)
    forget_dead_locks()
    assert not rwlock.exists()
    rwlock.write_text('{"write": {"a": {"pi')
    forget_dead_locks()
    assert not rwlock.exists(), "DVC stops at a table that is half written"


def test_lock_is_put_in_order(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  b:\n    cmd: b\n  a:\n    cmd: a\n")
    sort_lock(lock, ["a", "b"])
    assert lock_order(lock) == ["a", "b"]
    before = lock.stat()
    sort_lock(lock, ["a", "b"])
    assert lock.stat() == before, "nothing was to be done"
    sort_lock(lock, ["b"])
    assert lock_order(lock) == ["b", "a"], "a stage that the order does not name comes last"


def test_picture_groups_stages_by_name() -> None:
    parents = {"one": [], "two@x": ["one"], "two@y": ["one"], "three": ["two@x"]}
    text = picture({address: frozenset(names) for address, names in parents.items()})
    assert '    two["two<br/>× 2"]' in text
    assert "    one --> two" in text
    assert "    two --> three" in text
