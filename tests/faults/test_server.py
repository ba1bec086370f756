"""Prefect server down mid-run, its database corrupted: a clear error, and the next run goes on.

Server, worker and run of a deployment killed: tests/test_deployments.py, and soak.py here.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PROJECT
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_HOME,
    temporary_settings,
)

from flows import stage
from flows.server import answering, start
from tasks import cache
from tasks.errors import UserError

CALLS: list[str] = []


def produce(out: Path, *, name: str) -> None:
    CALLS.append(name)
    (out / f"{name}.txt").write_text(name)


produced = cache.cached("produce")(produce)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a server of the test's own, with nobody's server named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("PREFECT_HOME", str(folder))
    CALLS.clear()
    # By default a client tries for minutes.
    more: dict[Any, Any] = {PREFECT_HOME: folder, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(more, restore_defaults={PREFECT_API_URL}):
        yield folder
    for address in folder.glob("servers/*.json"):
        psutil.Process(json.loads(address.read_text())["pid"]).kill()


def kill_server(home: Path) -> None:
    (address,) = home.glob("servers/*.json")
    server = psutil.Process(json.loads(address.read_text())["pid"])
    server.kill()
    server.wait()


def break_database(home: Path) -> None:
    """Its tables are gone, under a server that runs."""
    with sqlite3.connect(home / "prefect.db") as base:
        for table in ("flow_run_state", "task_run_state", "task_run", "flow_run"):
            base.execute(f"DROP TABLE {table}")


slow = pytest.mark.skipif(
    not os.environ.get("LESIONFLOW_SLOW"), reason="LESIONFLOW_SLOW is not set: a server takes long"
)


@pytest.mark.parametrize("fault", [kill_server, pytest.param(break_database, marks=slow)])
def test_mid_run(home: Path, fault: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faults = [fault]

    @flow(name="split")
    def work(settings: Any) -> None:
        produced.submit(Path("out"), label="first", name="first")()
        while faults:
            faults.pop()(home)
        produced.submit(Path("out"), label="second", name="second")()

    with pytest.raises(SystemExit):
        stage.run(work)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    assert "split: the Prefect server at http://127.0.0.1:" in said
    assert "run this again; what was finished is kept" in said
    assert "Traceback" not in said
    if fault is break_database:
        kill_server(home)
        for path in home.glob("prefect.db*"):
            path.unlink()
    stage.run(work)
    assert sorted(os.listdir("out")) == ["first.txt", "second.txt"]
    assert CALLS.count("first") == 1


def test_named_server_is_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @flow(name="split")
    def work(settings: Any) -> None: ...

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with pytest.raises(SystemExit):
            stage.run(work)
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1, said
        assert said.startswith(
            "split: the Prefect server at http://127.0.0.1:9/api does not answer"
        )
        with pytest.raises(UserError, match="start it if it is yours"), answering():
            get_client(sync_client=True).read_work_pools()


NONE, HALF = b"no database " * 1000, b"SQLite format 3\x00" + b"x" * 4096


@pytest.mark.parametrize("content", [pytest.param(NONE, marks=slow), HALF], ids=["none", "half"])
def test_database_corrupted(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "prefect.db").write_bytes(content)
    with pytest.raises(UserError) as caught:
        start(psutil.Process(), home / "servers" / "a.json")
    said = str(caught.value)
    assert said.startswith("no Prefect server could be started; the end of ")
    assert f"If {home}/prefect.db is damaged, remove it" in said
    assert (home / "prefect.db").read_bytes() == content, "it is left for who can mend it"
