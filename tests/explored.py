"""A what-if server on a thread, and a plain client of it, for tests."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sim.explore.server import Server, server_of

PATIENCE_S = 120.0


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> dict[str, Any]:
        """The text as JSON."""
        found: dict[str, Any] = json.loads(self.text)
        return found


class Client:
    """A client that knows the token, unless it is told otherwise."""

    def __init__(self, server: Server) -> None:
        self.address = server.address
        self.base, _, query = server.address.partition("/?")
        self.host = self.base.removeprefix("http://")
        self.token = query.removeprefix("token=")
        self.port = int(self.host.rpartition(":")[2])

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """One request with exactly these headers; ``Host`` is the server's own where it is not among them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read().decode())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        """A page."""
        return self.ask("GET", path, {"X-Coldaisle-Token": self.token})

    def post(self, path: str, asked: Any) -> Reply:
        """An act of a page, asked as the page asks."""
        headers = {"X-Coldaisle-Token": self.token, "Origin": self.base, "Content-Type": "application/json"}
        return self.ask("POST", path, headers, json.dumps(asked).encode())

    def simulated(self, asked: Mapping[str, Any]) -> Reply:
        """Simulates what changes need, until it is over."""
        begun = self.post("/simulate", asked).data["simulation"]
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            reply = self.post("/progress", {"simulation": begun})
            if reply.status != 200 or reply.data["state"] != "running":
                return reply
            time.sleep(0.1)
        raise TimeoutError(begun)


@contextmanager
def served(folder: Path) -> Iterator[Client]:
    """A server of ``folder`` until the end of the block."""
    server = server_of(folder)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield Client(server)
    finally:
        server.stop()
        thread.join(PATIENCE_S)
