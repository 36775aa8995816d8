"""The metrics that ``follow`` exports itself: as a file for node_exporter's textfile collector, or served on loopback.

What is not known has no sample: neither 0 nor NaN, which a scraper would average or draw.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sim.errors import InputError, RunError
from sim.exports.openmetrics import MARK, PREFIX, Family, Labels, text_of
from sim.follow.drift import Drift, Series
from sim.results.atomic import marked, refuse_unusable, write_text
from sim.units import NS_PER_S

LOOPBACK = "127.0.0.1"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
MOST_PORT = 65_535
HOSTS = ("127.0.0.1", "localhost")
OURS = marked(MARK)
SUFFIX = ".prom"
"""What the textfile collector reads, and nothing else."""


@dataclass(frozen=True)
class State:
    """The last drift, and the rounds there have been; ``past`` is None where nothing was judged."""

    scenario: str
    drift: Drift | None = None
    past: bool | None = None
    rounds: int = 0
    failed: int = 0


def families(state: State) -> dict[str, Family]:
    """The metrics of a state, by name."""
    whole: Labels = (("scenario", state.scenario),)
    found = {
        "rounds": Family("Windows that were compared, or should have been.", "", [(whole, float(state.rounds), None)]),
        "failed_rounds": Family("Windows that could not be compared.", "", [(whole, float(state.failed), None)]),
    }
    if state.drift is not None:
        found.update(_of_drift(state.drift, whole))
    if state.past is not None:
        words = "1 if the last window was past a tolerance, 0 if not."
        found["past_tolerance"] = Family(words, "", [(whole, float(state.past), None)])
    return {f"{PREFIX}_follow_{name}": family for name, family in found.items() if family.samples}


def _of_drift(drift: Drift, whole: Labels) -> dict[str, Family]:
    start, end = (float(edge) / NS_PER_S for edge in (drift.edges_ns[0], drift.edges_ns[-1]))
    found = {
        "predicted_watts": Family("Mean power of the twin over the last window, where meters are known.", "watts"),
        "measured_watts": Family("Mean power that meters said over the last window, where they are known.", "watts"),
        "drift_ratio": Family("Energy predicted over energy measured, less one, over the last window.", "ratio"),
        "error_ratio": Family("Mean absolute error of the power by bins, as a share of it.", "ratio"),
        "known_ratio": Family("Share of the last window's device-time that meters know.", "ratio"),
        "window_start_timestamp_seconds": Family("Start of the last window.", "seconds", [(whole, start, None)]),
        "window_end_timestamp_seconds": Family("End of the last window.", "seconds", [(whole, end, None)]),
    }
    for one in drift.series:
        labels = (*whole, ("pool", one.pool), ("node", one.node), ("component", one.component))
        for name, value in _values(one):
            if not np.isnan(value):
                found[name].samples.append((labels, value, None))
    return found


def _values(one: Series) -> list[tuple[str, float]]:
    some = not np.isnan(one.measured_w).all()
    return [
        ("predicted_watts", float(np.nanmean(one.predicted_w)) if some else float("nan")),
        ("measured_watts", float(np.nanmean(one.measured_w)) if some else float("nan")),
        ("drift_ratio", one.drift),
        ("error_ratio", one.errors.mape if one.errors is not None else float("nan")),
        ("known_ratio", float(one.known.mean())),
    ]


@dataclass
class Exporter:
    """Where a state is shown: in a file, at a port of loopback, or nowhere; use it with ``with``."""

    file: Path | None = None
    port: int | None = None
    _text: str = field(default="# EOF\n", init=False)
    _server: ThreadingHTTPServer | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        if self.port is not None:
            try:
                self._server = ThreadingHTTPServer((LOOPBACK, self.port), self._handler())
            except OSError as error:
                raise RunError(f"port {self.port} of {LOOPBACK} cannot be had: {error.strerror}") from None
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def address(self) -> str:
        """Where it is served; '' where it is not."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/metrics" if self._server is not None else ""

    def show(self, state: State) -> None:
        """Makes a state the one that is seen. Raises ``RunError`` where the disk refuses."""
        self._text = text_of(families(state))
        if self.file is not None:
            write_text(self._text, self.file, ours=OURS)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            """Answers GET /metrics to this machine, and nothing to a page that calls it by another name."""

            timeout = 10

            def do_GET(self) -> None:
                host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
                if host not in HOSTS:
                    self.send_error(403)
                    return
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                    return
                body = exporter._text.encode("utf-8")
                self.send_response(200)
                wants = "application/openmetrics-text" in self.headers.get("Accept", "")
                self.send_header("Content-Type", OPENMETRICS if wants else PLAIN)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing: standard error belongs to the command."""

        return Handler


def exporter_at(place: str | None, *, lasts: bool) -> Exporter:
    """The exporter that ``--metrics`` asks for: a port if it is a number, else a file. Raises ``InputError``."""
    if place is None:
        return Exporter()
    if place.isdecimal():
        if int(place) > MOST_PORT:
            raise InputError.one("--metrics", f"a port is at most {MOST_PORT}, not {place}")
        if not lasts:
            raise InputError.one("--metrics", "a port is served while the command lasts: give --every, or a file")
        return Exporter(port=int(place))
    path = Path(place)
    if path.suffix != SUFFIX:
        raise InputError.one("--metrics", f"'{place}' must be a port, or a file that ends in {SUFFIX}")
    refuse_unusable(path, folder=False, ours=OURS)
    return Exporter(file=path)
