"""The DAG on workers with a clone each: a bucket is all that they share."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from conftest import PROJECT, SMALL, commit, dvc, python
from dvc.utils.serialize import load_yaml
from moto.server import ThreadedMotoServer
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Running, Scheduled
from ruamel.yaml import YAML
from site_of import Site, end, free_port, wait_for

from flows.engine import elsewhere
from flows.engine.scratch import make_copy
from tasks.errors import UserError
from tasks.git import git

POOL = "lesionflow-stages"
RESULTS = ("metrics", "plots", "predictions", "data", "models", "reports")
TARGETS = ("evaluate@baseline", "train@baseline-by-image")
PIPELINE = ["flows.pipeline", "--pool", POOL, *(f"--target={address}" for address in TARGETS)]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server on loopback with a bucket `lesions`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.put(f"{url}/lesions").raise_for_status()
    yield url
    server.stop()


def clone(origin: Path, folder: Path, url: str) -> Path:
    """A clone whose DVC remote is the bucket at `url`."""
    subprocess.run(["git", "clone", "-q", str(origin), str(folder)], check=True)
    for words in (
        ["add", "--local", "--default", "bucket", "s3://lesions/dvc"],
        ["modify", "--local", "bucket", "endpointurl", url],
    ):
        done = dvc(folder, "remote", *words)
        assert done.returncode == 0, done.stdout
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All results, by name."""
    paths = [path for name in RESULTS for path in [folder / name, *(folder / name).rglob("*")]]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_two_workers_one_of_which_is_killed(built: Path, bucket: str, tmp_path: Path) -> None:
    """What they leave is what one machine leaves, to the byte."""
    origin = tmp_path / "origin"
    make_copy(PROJECT, origin, SMALL)
    main, first, second = (
        clone(origin, tmp_path / name, bucket) for name in ("main", "first", "second")
    )
    site = Site(main, tmp_path / "home", free_port())
    try:
        site.start("server")
        site.deploy()
        for folder in (first, second):
            site.start(folder.name, folder, "flows.worker", POOL, "--limit", "1")
        running = subprocess.Popen(
            [sys.executable, "-m", *PIPELINE],
            cwd=main,
            env=site.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            trains = first / ".prefect" / "logs"
            wait_for(lambda: running.poll() is not None or [*trains.glob("train@*.log")])
            end(site.processes.pop("first"))
            said, _ = running.communicate(timeout=600)
        finally:
            running.kill()
        assert running.returncode == 0, said
        assert "its worker died" in said
        assert any((second / "models").iterdir())
    finally:
        site.end()
    ours, theirs = contents(main), contents(built)
    assert {"predictions/baseline.parquet", "models/baseline/seed-1/model.keras"} < set(ours)
    assert ours == {name: theirs[name] for name in ours}
    lock, whole = (load_yaml(str(folder / "dvc.lock"))["stages"] for folder in (main, built))
    assert list(lock.items()) == [item for item in whole.items() if item[0] in lock]
    done = python(main, "-m", *PIPELINE, PREFECT_API_URL=site.api)
    assert done.stdout.startswith("up to date"), done.stdout


def test_push_and_pull_run_nothing_on_a_fresh_clone(
    project: Path, bucket: str, tmp_path: Path
) -> None:
    """As README.md has it: an S3 bucket as DVC remote, without Prefect."""
    commit(project)
    fresh = clone(project, tmp_path / "fresh", bucket)
    (project / ".dvc" / "config.local").write_bytes((fresh / ".dvc" / "config.local").read_bytes())
    assert dvc(project, "push").returncode == 0
    done = dvc(fresh, "repro", "--pull")
    assert done.returncode == 0, done.stdout
    assert "Running stage" not in done.stdout
    assert contents(fresh) == contents(project)


class Server:
    """A Prefect server that says of a run what it is given, and keeps what it is told."""

    def __init__(self, *beats: int | None) -> None:
        self.beats = iter(beats)
        self.state: Any = Running()

    def read_flow_run(self, identity: Any) -> FlowRun:
        beat = next(self.beats, None)
        if beat is None and not self.state.is_final():
            self.state = Completed(message="{}")
        return FlowRun(flow_id=uuid4(), state=self.state, labels={elsewhere.BEAT: beat or 0})

    def set_flow_run_state(self, identity: Any, state: Any, force: bool = False) -> None:
        self.state = state


def test_run_without_a_beat_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves 40 seconds at each look; patience lasts for 90."""
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr(elsewhere.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(elsewhere, "PAUSE", 0)
    lively: Any = Server(1, 2, 3, 4, 5, 6)
    assert elsewhere.final(lively, uuid4(), "train@baseline").is_completed()
    silent: Any = Server(1, 2, 2, 2, 2, 2, 2)
    state = elsewhere.final(silent, uuid4(), "train@baseline")
    assert state.is_crashed()
    assert state.message == "no sign of life for 90 seconds"


def test_run_that_no_worker_takes_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr(elsewhere.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(elsewhere, "PAUSE", 0)
    idle: Any = Server(*[0] * 10)
    idle.state = Scheduled()
    assert elsewhere.final(idle, uuid4(), "train@baseline").is_completed()
    assert capsys.readouterr().out.count("train@baseline: waits for a worker; if none is") == 1


def test_what_is_missing_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match="--pool needs a DVC remote: `dvc remote add"):
        elsewhere.check_elsewhere(POOL)
    assert dvc(project, "remote", "add", "--local", "-d", "here", "/nowhere").returncode == 0
    with pytest.raises(UserError, match="no deployment stage/elsewhere on the work pool"):
        elsewhere.check_elsewhere(POOL)
    with pytest.raises(UserError, match=r"cannot go to commit 0{40}: `git push` it"):
        elsewhere.go_to("0" * 40)
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "\n")
    with pytest.raises(UserError, match=r"commit first.*\n.*params.yaml"):
        elsewhere.check_elsewhere(POOL)
    with pytest.raises(UserError, match=r"changes that are not committed: params\.yaml"):
        elsewhere.go_to("0" * 40)


def test_clone_goes_to_a_commit_that_has_what_was_made_in_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker ran `infer`, and its results were then committed."""
    made = Path("predictions/baseline.parquet")
    worker = tmp_path / "worker"
    results = (project / made).rename(tmp_path / "results")
    commit(project)
    git("clone", "-q", str(project), str(worker))
    results.rename(project / made)
    commit(project)
    (worker / made).parent.mkdir(exist_ok=True)
    (worker / made).write_bytes(b"made here")
    (worker / "notes.txt").write_text("somebody's own")
    monkeypatch.chdir(worker)
    elsewhere.go_to(git("rev-parse", "HEAD", folder=project))
    assert made.read_bytes() == (project / made).read_bytes()
    assert Path("notes.txt").exists()


def test_worker_is_told_of_a_stage_and_its_inputs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    def told(address: str, *makers: str) -> set[str]:
        return set(YAML(typ="safe").load(elsewhere.part_of_lock(address, {*makers}))["stages"])

    assert told("infer@baseline", "train@baseline") == {"infer@baseline", "train@baseline"}
    assert told("train@new", "preprocess") == {"preprocess"}
    Path("dvc.lock").unlink()
    assert told("download") == set()


def test_run_is_cancelled_when_the_pipeline_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "ending", threading.Event())
    elsewhere.ending.set()
    busy: Any = Server(1, 2, 3)
    assert elsewhere.final(busy, uuid4(), "train@baseline").is_cancelling()
    assert busy.state.is_cancelling()


def test_worker_needs_a_server(tmp_path: Path) -> None:
    done = python(
        PROJECT, "-m", "flows.worker", POOL, PREFECT_API_URL="", PREFECT_HOME=str(tmp_path)
    )
    assert done.returncode == 1
    assert done.stdout == "worker: no server to take runs from: set PREFECT_API_URL\n"


def test_server_must_be_named(project: Path) -> None:
    done = python(project, "-m", "flows.pipeline", "--force", "--pool", POOL, PREFECT_API_URL="")
    assert done.returncode == 1
    assert "--pool needs a server that the workers reach too: set PREFECT_API_URL" in done.stdout
