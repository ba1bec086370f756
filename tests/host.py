"""A web server that fails in every way seen or feared, for downloads from it."""

import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from record import HAM10000

from tasks.download.remote import RemoteFile

PART_1, PART_2, METADATA, SEGMENTATIONS = FILES = (*HAM10000.needed, *HAM10000.optional)
BODY = bytes(range(256)) * 2048  # 512 KiB, more than fills the sockets' buffers one chunk at a time
BLOCK = 16 * 1024


@dataclass
class Fault:
    """What goes wrong with one request for a file."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop_after: int | None = None  # bytes of the body
    reset: bool = False  # at `drop_after` reset the connection, instead of closing it
    stall: bool = False  # at `drop_after` stay silent, instead of hanging up
    mute: bool = False  # take the request, and say nothing


@dataclass
class Host:
    """A web server's contents, behaviour and log."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    pace: float = 0.0  # seconds a block
    faults: list[Fault] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)  # headers, one a request
    sent: list[int] = field(default_factory=list)  # bytes of bodies, one a request
    closing: threading.Event = field(default_factory=threading.Event)

    def file(self, body: bytes = BODY, name: str = PART_1, **changes: object) -> RemoteFile:
        """Serve `body`, and say where it is."""
        self.bodies[f"/{name}"] = body
        file = RemoteFile(name, f"{self.url}/{name}", f"md5:{md5(body)}", None)
        return replace(file, **changes)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    host: Host
    number: int

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        host = self.host
        self.number = len(host.sent)
        host.sent.append(0)
        host.asked.append(dict(self.headers))
        if not self.headers["User-Agent"].startswith("lesionflow/"):
            return self.answer(403, {}, b"<h1>Forbidden</h1>")
        if self.path in host.redirects:
            return self.answer(303, {"Location": host.url + host.redirects[self.path]}, b"")
        fault = host.faults.pop(0) if host.faults else Fault()
        if fault.mute:
            host.closing.wait(20)
            return None
        if fault.status != 200 or fault.body:
            return self.answer(fault.status, fault.headers, fault.body)
        if self.path not in host.bodies:
            return self.answer(404, {}, b'{"status": "ERROR", "message": "no such file"}')

        body, status, headers = host.bodies[self.path], 200, dict(host.headers)
        headers["Content-Type"] = host.types.get(self.path, "application/zip")
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        versions = host.headers.get("ETag"), host.headers.get("Last-Modified")
        if host.ranges and asked and self.headers.get("If-Range", versions[0]) in versions:
            start = int(asked[1])
            if start >= len(body):
                return self.answer(416, {"Content-Type": "text/html"}, b"<h1>No such range</h1>")
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        self.answer(status, headers, body, fault)
        return None

    def answer(
        self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        stop = len(body) if not fault or fault.drop_after is None else fault.drop_after
        for at in range(0, stop, BLOCK):
            block = body[at : min(at + BLOCK, stop)]
            self.host.sent[self.number] += len(block)
            try:
                self.wfile.write(block)
            except OSError:
                return  # the client is gone
            time.sleep(self.host.pace)
        if fault and fault.reset:
            # Without lingering, closing a socket resets the connection.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        if fault and fault.stall:
            self.host.closing.wait(20)


@contextmanager
def serving() -> Iterator[Host]:
    """A host that serves on loopback until the end of the `with`."""
    host = Host()
    handler = type("HostHandler", (Handler,), {"host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        host.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def sha256sums(bodies: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(b).hexdigest()}  {name}\n" for name, b in bodies.items())


def only_part(partial: Path) -> Path:
    (part,) = partial.glob("*.part")
    return part
