"""Deployments on a real server with a real worker, on loopback."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, commit
from ruamel.yaml import YAML
from site_of import Site, end, free_port, wait_for

from flows.engine.dag import alone, open_repo, read_graph
from flows.engine.scratch import change_params
from flows.work import deployed
from flows.work.deployed import SCRATCH, pipeline, scratch_copy
from tasks.errors import UserError
from tasks.git import git
from tasks.sections import SOURCE_VARIABLE
from tasks.settings import load


@pytest.fixture
def site(project: Path, tmp_path: Path) -> Iterator[Site]:
    """Server, pool, worker and deployments for a project whose results are committed."""
    commit(project)
    made = Site(project, tmp_path / "home", free_port())
    try:
        made.start("server")
        made.deploy()
        made.start("worker")
        yield made
        ended = [name for name, process in made.processes.items() if process.poll() is not None]
        assert not ended, "ended by themselves"
    finally:
        made.end()


@pytest.mark.slow
def test_nightly_runs_alone_shows_its_numbers_and_says_what_moved(site: Site) -> None:
    # Fixing SQLAlchemy's version is what this guards: with a wrong one nothing is ever scheduled.
    nightly = site.deployment("nightly")
    assert nightly["version"] == git("rev-parse", "--short", "HEAD", folder=site.project)
    filters = {"deployments": {"id": {"any_": [nightly["id"]]}}}
    scheduled = wait_for(lambda: site.post("/flow_runs/filter", **filters))
    assert {run["state"]["type"] for run in scheduled} == {"SCHEDULED"}
    assert site.deployment("study")["schedules"][0]["schedule"]["timezone"] == "UTC"

    change_params(site.project / "params.yaml", {"experiments": {"baseline": {"epochs": 40}}})

    first = site.trigger("nightly", jobs=2)
    wait_for(lambda: site.state(first)["type"] == "RUNNING")
    second = site.trigger("nightly")
    assert site.final(second)["type"] == "CANCELLED"

    state = site.final(first)
    assert state["type"] == "COMPLETED", state
    assert "baseline" in state["message"] or "predict differently" in state["message"]
    artifacts = site.artifacts(first)
    assert "| baseline | 2 |" in artifacts["metrics"]
    assert "### baseline-smote" in artifacts["confusion"]
    assert "| baseline | accuracy |" in artifacts["changes"]

    # The commit's predictions become those of other images, as after another split.
    path = site.project / "predictions" / "baseline.parquet"
    ours = path.read_bytes()
    table = pd.read_parquet(path)
    table.assign(image_id="other-" + table["image_id"].astype(str)).to_parquet(path)
    commit(site.project)
    path.write_bytes(ours)
    third = site.trigger("nightly")
    state = site.final(third)
    assert state["type"] == "COMPLETED", state
    assert state["message"].startswith("not compared: baseline: the test folds differ")
    assert site.artifacts(third)["changes"] == state["message"]


@pytest.mark.slow
def test_study_works_in_a_scratch_copy(site: Site) -> None:
    before = (site.project / "dvc.lock").read_bytes()
    # Of the run that built the project, where that was `flows.pipeline`.
    shutil.rmtree(site.project / ".prefect" / "logs", ignore_errors=True)
    others = {"baseline-smote": None, "baseline-by-image": None}
    changes = {"recipes": {"cnn": {"runs": 3, "epochs": 1}}, "experiments": others}
    run = site.trigger("study", changes=changes, targets=["evaluate@baseline"])
    state = site.final(run)
    assert state["type"] == "COMPLETED", state
    assert "| baseline | 3 |" in site.artifacts(run)["metrics"]
    assert (site.project / "dvc.lock").read_bytes() == before
    copy = site.project / ".cache" / "scratch"
    assert sorted(os.listdir(copy / "models" / "baseline")) == ["seed-0", "seed-1", "seed-2"]
    assert (copy / ".prefect" / "logs" / "train@baseline.log").exists()
    assert not (site.project / ".prefect" / "logs").exists(), "the logs are those of `nightly`"


def test_study_names_stages_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    deployments = YAML(typ="safe").load(Path("prefect.yaml"))["deployments"]
    (study,) = (one["parameters"] for one in deployments if one["name"] == "study")
    with open_repo() as repo:
        assert set(study["targets"]) <= set(read_graph(repo, study["targets"]))


def test_scratch_copy_finds_the_source_that_the_project_has(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv(SOURCE_VARIABLE, "")  # so that it is put back
    (project / "mirror").mkdir()
    copy = scratch_copy({"download": {"source": "mirror"}})
    assert load(copy / "params.yaml").download.location == str(project / "mirror")


def test_two_runs_do_not_share_a_scratch_copy(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with (
        alone(SCRATCH.with_suffix(".lock")),
        pytest.raises(UserError, match="another run of the whole DAG"),
    ):
        pipeline.fn(changes={"recipes": {"cnn": {"runs": 1}}})
    assert not SCRATCH.exists()


def test_run_of_early_stages_alone_has_no_table_to_show(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    shutil.rmtree("metrics")
    monkeypatch.setattr(deployed, "run_dag", lambda *_, **__: None)
    shown = {}
    monkeypatch.setattr(deployed, "show", lambda key, text: shown.update({key: text}))
    deployed.bring_up_to_date(["split@lesion"], force=False, jobs=1, compare_to=None)
    assert list(shown) == ["confusion"]


@pytest.mark.slow
def test_killed_run_worker_and_server_leave_nothing_running(site: Site) -> None:
    log = site.project / ".prefect" / "logs" / "train@baseline.log"

    def trigger(epochs: int) -> str:
        """Start a run, and wait until it trains."""
        settings = {"experiments": {"baseline": {"epochs": epochs}}}
        change_params(site.project / "params.yaml", settings)
        log.unlink(missing_ok=True)
        run = site.trigger("nightly", jobs=2)
        wait_for(lambda: log.exists() and "epoch" in log.read_text())
        return run

    def kill(run: str) -> None:
        os.kill(int(site.run(run)["labels"]["lesionflow.pid"]), signal.SIGKILL)

    run = trigger(500)
    kill(run)
    assert site.final(run)["type"] == "CRASHED"
    wait_for(lambda: not site.running())

    run = trigger(501)
    site.processes["worker"].kill()  # alone: what runs is not told
    kill(run)
    site.start("worker")
    assert site.final(run)["type"] == "CRASHED"
    wait_for(lambda: not site.running())

    run = trigger(40)
    end(site.processes["server"])
    site.start("server")
    site.final(run)
    wait_for(lambda: not site.running())
    assert site.final(trigger(2))["type"] == "COMPLETED"
    assert not site.running()
