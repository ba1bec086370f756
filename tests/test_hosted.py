"""The server of `make server`, and those who may speak to it: real ones, in a real browser too."""

import base64
import shutil
import stat
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PROJECT, SMALL
from playwright.sync_api import Browser, sync_playwright
from ruamel.yaml import YAML
from site_of import Site, end, free_port, wait_for

from flows.engine import hosted
from flows.engine.dead_runs import WORKER, processes_of
from flows.engine.scratch import make_copy
from tasks.errors import UserError

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A project in which nothing was run yet, with its server and deployments."""
    folder = tmp_path_factory.mktemp("hosted")
    make_copy(PROJECT, folder / "project", SMALL)
    made = Site(folder / "project", folder / "home", free_port())
    # What another project may have set for servers of its own.
    made.environment |= {
        "PREFECT_SERVER_API_BASE_PATH": "/v2/api",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": "*",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "false",
    }
    try:
        made.start("server")
        made.deploy()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """The address of a page on another port of loopback."""
    (tmp_path / "index.html").write_text("<title>Another page</title>")
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


ASK = """async ([url, how]) => {
    try {
        const response = await fetch(url, how);
        return [response.status, await response.text()];
    } catch (error) {
        return [0, String(error)];
    }
}"""
"""A page's question: the status and the text of the answer, as far as it is shown them."""


def test_page_of_another_origin_neither_reads_nor_starts_a_run(
    site: Site, browser: Browser, elsewhere: str
) -> None:
    deployment = site.deployment("nightly")["id"]
    start = f"{site.api}/deployments/{deployment}/create_flow_run"
    filters = {"flow_runs": {"tags": {"all_": ["forged"]}}}
    page = browser.new_page()
    page.goto(elsewhere)
    body = '{"tags": ["forged"]}'
    plain = {"method": "POST", "body": body}  # a browser sends it without asking the server first
    attempts: list[tuple[str, dict[str, Any]]] = [
        (f"{site.api}/deployments/{deployment}", {}),
        (f"{site.api}/csrf-token?client=page", {}),
        (f"{site.api}/deployments/filter", plain),
        (start, plain),
        (start, {**plain, "mode": "no-cors"}),
        (start, {**plain, "headers": {"Content-Type": "application/json"}}),
        (start, {**plain, "headers": {"Prefect-Csrf-Token": "a", "Prefect-Csrf-Client": "b"}}),
        (start, {**plain, "credentials": "include"}),
    ]
    for url, how in attempts:
        status, text = page.evaluate(ASK, [url, how])
        assert (status, "lesionflow" in text) == (0, False), (url, how, text)
    # Not even who somehow got the password.
    for url, how in attempts[:1] + attempts[3:4]:
        known = base64.b64encode(site.password.encode()).decode()
        told = {**how, "headers": {"Authorization": f"Basic {known}"}}
        assert page.evaluate(ASK, [url, told])[0] == 0
    assert site.post("/flow_runs/filter", **filters) == []
    framed = "(url) => { const it = document.createElement('iframe'); it.src = url; it.id = 'x';"
    page.evaluate(f"{framed} document.body.append(it); }}", f"http://127.0.0.1:{site.port}/")
    refused = page.wait_for_event("console", lambda message: "frame-ancestors" in message.text)
    assert refused.type == "error"
    page.close()


def test_own_page_asks_for_the_password_and_tells_nobody_else(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    own = f"http://127.0.0.1:{site.port}/"
    sent: list[str] = []
    page.on("requestfinished", lambda request: sent.append(request.url))
    page.on("requestfailed", lambda request: sent.append(f"{request.url} {request.failure}"))
    page.goto(own)
    page.get_by_placeholder("admin:pass").fill(site.password)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Deployments").click()
    page.get_by_text("nightly").wait_for()
    foreign = [url for url in sent if not url.startswith(own) and not url.endswith(" csp")]
    assert foreign == []
    page.close()


def test_password_is_its_owners_alone(site: Site) -> None:
    for path in (site.home / "password", site.home / "servers" / f"{site.port}.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for process in psutil.process_iter(["cmdline"]):  # None of one that has ended
        assert not [word for word in process.info["cmdline"] or () if site.password in word]


def test_deploy_says_what_it_registered(site: Site) -> None:
    assert sorted(site.deploy().splitlines()) == [
        "pipeline/nightly: 0 2 * * * UTC, on lesionflow",
        "pipeline/study: 0 4 * * 6 UTC, on lesionflow",
        "stage/elsewhere: when asked for, on lesionflow-stages",
    ]


@pytest.mark.parametrize("command", [["deploy"], ["client", "true"]])
def test_server_of_another_folder_is_let_alone(
    site: Site, tmp_path: Path, command: list[str]
) -> None:
    """Even where both share a Prefect home."""
    make_copy(PROJECT, tmp_path / "other", SMALL)
    done = site.hosted(*command, folder=tmp_path / "other")
    assert done.returncode == 1
    assert done.stdout == (
        f"{command[0]}: this folder has no Prefect server on port {site.port}, what answers there "
        "is another's: `make server PORT=...`, and the same PORT here\n"
    )
    steps = site.deployment("nightly")["pull_steps"]
    assert str(site.project) in str(steps)


def test_database_with_deployments_of_another_folder_is_let_alone(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that two servers share."""
    wanted = YAML(typ="safe").load(PROJECT / "prefect.yaml")["deployments"]
    with site.client() as client:
        monkeypatch.chdir(site.project)
        hosted.refuse_anothers(client, wanted)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError) as caught:
            hosted.refuse_anothers(client, wanted)
    assert f"of {site.project}, which would then run here" in str(caught.value)


def test_port_that_is_taken(site: Site) -> None:
    done = site.hosted("server")
    assert done.returncode == 1
    assert done.stdout == (
        f"server: no server can listen on port {site.port} of 127.0.0.1: Address already in use "
        f"(while attempting to bind on address ('127.0.0.1', {site.port})); `make server PORT=...` "
        "takes another port\n"
    )


def test_nobody_answers(site: Site, tmp_path: Path) -> None:
    other = Site(site.project, tmp_path / "home", free_port())
    done = other.hosted("deploy")
    assert done.returncode == 1
    assert done.stdout == (
        f"deploy: this folder has no Prefect server on port {other.port}, nobody answers there: "
        "`make server`\n"
    )


@pytest.mark.slow
def test_run_whose_worker_was_killed_before_it_began(site: Site) -> None:
    site.start("worker")
    run = site.trigger("nightly", targets=["download"])
    wait_for(lambda: site.state(run)["type"] == "PENDING" and WORKER in site.run(run)["labels"])
    end(site.processes["worker"])
    for process in processes_of(run):  # it had just started it
        process.kill()
    assert site.state(run)["type"] == "PENDING"
    site.start("worker")
    other = site.trigger("nightly", targets=["download"])
    assert site.final(other)["type"] == "COMPLETED"
    assert site.state(run)["type"] == "CRASHED"
    end(site.processes.pop("worker"))
