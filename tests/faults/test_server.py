"""Prefect server down mid-run, its database corrupted: a clear error, and the next run goes on.

Another project's settings of Prefect: they decide nothing here, or the message says where they are.
Who asks without being asked: refused. The same of `make server`: tests/test_hosted.py. Server,
worker and run of a deployment killed: tests/test_deployments.py, and soak.py here.
"""

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import PROJECT, python
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_HOME,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from flows.commands import worker
from flows.engine import stage
from flows.engine.server import answering, client_of, logged_in, start
from tasks.cache.task import cached
from tasks.errors import UserError

CALLS: list[str] = []


def produce(out: Path, *, name: str) -> None:
    CALLS.append(name)
    (out / f"{name}.txt").write_text(name)


produced = cached("produce")(produce)


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
        assert said.startswith("split: the Prefect server at http://127.0.0.1:9/api (named by ")
        assert "does not answer as it should (ConnectError: " in said
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


def test_database_of_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be opened: no word of the one that is not used."""
    url = "sqlite+aiosqlite:////nonexistent/prefect.db"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", url)
    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}),
        pytest.raises(UserError) as caught,
    ):
        start(psutil.Process(), home / "servers" / "a.json")
    *_, remedy = str(caught.value).splitlines()
    assert remedy == (
        "Its database is the one that PREFECT_SERVER_DATABASE_CONNECTION_URL names: see that it "
        f"can be reached, or unset the variable (then it is {home}/prefect.db)"
    )


def test_only_its_own_clients_are_answered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another project has in the environment for servers of its own."""
    monkeypatch.setenv("PREFECT_SERVER_API_BASE_PATH", "/v2/api")
    monkeypatch.setenv("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "*")
    monkeypatch.setenv("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "false")
    address = home / "servers" / "a.json"
    found = start(psutil.Process(), address)
    url = f"{found['url']}/flow_runs/filter"
    own = httpx.BasicAuth(*found["password"].split(":"))
    page = {"Origin": "http://127.0.0.1:9"}
    asks = page | {"Access-Control-Request-Method": "POST"}
    assert httpx.get(f"{found['url']}/admin/version", headers=page).status_code == 401
    assert httpx.options(url, headers=asks).status_code == 400
    assert httpx.post(url, json={}, headers=page, auth=own).status_code == 403, "it has no token"
    answer = httpx.get(f"{found['url']}/admin/version", headers=page, auth=own)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    with temporary_settings(client_of(found)), get_client(sync_client=True) as client:
        assert client.read_flow_runs() == []
    assert stat.S_IMODE(address.stat().st_mode) == 0o600
    assert found["password"] not in " ".join(psutil.Process(found["pid"]).cmdline())


def test_password_of_the_named_server_is_found(home: Path, tmp_path: Path) -> None:
    found = start(psutil.Process(), home / "servers" / "a.json")
    url = found["url"].replace("127.0.0.1", "localhost")
    with temporary_settings({PREFECT_API_URL: url}):
        with logged_in(), get_client(sync_client=True) as client:
            assert client.read_flow_runs() == []
        with (
            temporary_settings({PREFECT_HOME: tmp_path / "other"}),
            pytest.raises(UserError) as no,
            logged_in(),
            get_client(sync_client=True) as client,
        ):
            client.read_flow_runs()
    assert "wants another password: it is no server of this folder" in str(no.value)


PROFILE = """active = "another"
[profiles.another]
PREFECT_API_URL = "http://127.0.0.1:9/api"
PREFECT_API_KEY = "secret"
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's own settings of Prefect, and a home with another project's."""
    shutil.copy(PROJECT / "prefect.toml", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    profiles = tmp_path / "user/.prefect/profiles.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text(PROFILE)
    return tmp_path


WORKER = ("-m", "flows.worker", "pool")
AWAY = (
    "worker: the Prefect server at http://127.0.0.1:9/api (named by {source}) does not answer as "
    "it should (ConnectError: [Errno 111] Connection refused): start it if it is yours, and run "
    "this again; what was finished is kept\n"
)


def test_profile_of_another_project_names_no_server(configured: Path) -> None:
    done = python(configured, *WORKER)
    assert done.stdout == "worker: no server to take runs from: set PREFECT_API_URL\n"


def test_message_says_where_the_address_is_from(configured: Path) -> None:
    """And a worker whose server is away says no more than that."""
    done = python(configured, *WORKER, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (done.returncode, done.stdout) == (1, AWAY.format(source="PREFECT_API_URL"))
    (configured / ".prefect").mkdir(exist_ok=True)
    (configured / ".prefect/profiles.toml").write_text(PROFILE)
    done = python(configured, *WORKER)
    source = "the profile 'another' in .prefect/profiles.toml"
    assert (done.returncode, done.stdout) == (1, AWAY.format(source=source))
    (configured / ".prefect/profiles.toml").unlink()
    with (configured / "prefect.toml").open("a") as settings:
        settings.write('[api]\nurl = "http://127.0.0.1:9/api"\n')
    done = python(configured, *WORKER)
    source = ".env, prefect.toml or pyproject.toml"
    assert (done.returncode, done.stdout) == (1, AWAY.format(source=source))


def test_worker_of_a_pool_that_there_is_not(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        worker.main("none")
    assert capsys.readouterr().err == (
        "worker: the server has no work pool 'none': `make deploy`\n"
    )
