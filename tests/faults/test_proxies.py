"""A proxy in the environment, in any spelling: it is asked for what is elsewhere, and only that."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import requests
from conftest import PROJECT, SMALL, python
from prefect.client.orchestration import get_client
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from flows.engine.scratch import make_copy
from flows.engine.server import answering
from tasks.errors import UserError
from tasks.loopback import spare_loopback

SPELLINGS = ("http_proxy", "HTTP_PROXY", "Http_Proxy", "all_proxy", "ALL_PROXY")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy, which has nothing to give, and what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        do_POST = do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("name", SPELLINGS)
def test_what_is_elsewhere_alone_goes_by_the_proxy(
    proxy: tuple[str, list[str]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = proxy
    monkeypatch.setenv(name, address)
    monkeypatch.setenv("no_proxy", "intern.example")
    monkeypatch.setenv("NO_PROXY", "")
    spare_loopback()
    spare_loopback()  # as in a child
    assert os.environ["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1"
    for host in ("127.0.0.1", "localhost", "[::1]"):
        url = f"{host}:9/api"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{url}")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{url}", timeout=60)
        assert get_proxy(parse_uri(f"ws://{url}")) is None
    assert not asked
    elsewhere = "http://dataverse.example/file"
    assert requests.get(elsewhere, timeout=60).status_code == 503
    assert httpx.get(elsewhere).status_code == 503
    assert asked == [elsewhere, elsewhere]


def test_star_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    spare_loopback()
    assert os.environ["no_proxy"] == "*", "in a list it would mean nothing"


def test_stage(proxy: tuple[str, list[str]], prefect_server: str, tmp_path: Path) -> None:
    address, asked = proxy
    make_copy(PROJECT, tmp_path / "project", SMALL)
    done = python(
        tmp_path / "project", "-m", "flows.download", http_proxy=address, ALL_PROXY=address
    )
    assert done.returncode == 0, done.stdout
    assert not asked


def test_dask_worker(proxy: tuple[str, list[str]]) -> None:
    """It is started by hand, and imports of this project what its tasks need."""
    code = "import os, tasks.cache.task; print(os.environ['no_proxy'])"
    done = python(PROJECT, "-c", code, http_proxy=proxy[0])
    assert done.stdout == "localhost,127.0.0.1,::1\n"


@pytest.mark.skipif(bool(find_spec("socksio")), reason="socksio is there")
def test_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(UserError) as caught, answering():
        get_client(sync_client=True)
    assert str(caught.value) == (
        "a variable such as all_proxy names a SOCKS proxy, which Prefect's client takes only with "
        "the package socksio: `pip install socksio`, or unset the variable"
    )
