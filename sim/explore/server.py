"""The server of the what-if page: pages of a folder's runs and studies, and answers to what is moved on them.

Handlers are plain functions, so that Starlette runs them on threads; what they share holds locks of its own.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sim.errors import ColdaisleError, InputError, Problem
from sim.explore.answers import Answers, Needed, SupersededError, compared, drawn, intervals
from sim.explore.controls import controls_of
from sim.explore.guard import Guard
from sim.explore.keeping import keep_report, keep_scenario, page_of_ours
from sim.explore.pages import charts, fault_page, folder_page, run_page, study_page
from sim.explore.shelf import Shelf
from sim.explore.simulating import Simulation
from sim.loading.scenario import load_scenario
from sim.plain import as_mapping, as_text
from sim.results.results import Results
from sim.running.run import deciding_the_run, reprice

MOST_BYTES = 1_000_000
"""Of what a page may send."""
MOST_AT_ONCE = 2
"""Simulations that run at a time."""
MOST_CHANGES = 500
LOOPBACK = "127.0.0.1"
SANDBOX = "sandbox allow-scripts allow-popups"
"""A kept report runs as a page of nobody: it reads nothing of this server."""


@dataclass
class Desk:
    """What the pages of one server share."""

    shelf: Shelf
    answers: Answers = field(default_factory=Answers)
    simulations: dict[str, tuple[Simulation, Results, Needed]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    asked: int = 0
    """Answers so far: intervals of one are given up when the next is wanted."""

    def answer(self, asked: Mapping[str, Any]) -> tuple[Results, Results | Needed]:
        """A run that a page shows, and what it comes to under the page's changes."""
        base = self.shelf.run(_word(asked, "run"))
        with self.lock:
            self.asked += 1
            return base, self.answers.of(base, _changes(asked))

    def with_intervals(self, answer: Results, *, wait: bool) -> Results:
        """An answer with its draws priced. Raises ``SupersededError`` where another is asked for, without ``wait``."""
        with self.lock:
            found, mine = self.answers.with_intervals(answer), self.asked
        if found is None:
            found = drawn(answer, lambda: not wait and self.asked != mine)
            with self.lock:
                self.answers.keep_intervals(answer, found)
        return found

    def ready(self, base: Results) -> None:
        """Prices a run as it is, so that the first move on its page finds loaded what pricing needs."""
        with suppress(ColdaisleError):
            deciding_the_run(base, {})
            reprice(base, {})

    def close(self) -> None:
        """Stops whatever is being simulated."""
        for simulation, _, _ in self.simulations.values():
            simulation.cancel()


def _word(asked: Mapping[str, Any], name: str) -> str:
    word = as_text(asked.get(name))
    if word is None:
        raise InputError.one("request", f"needs '{name}', a text")
    return word


def _changes(asked: Mapping[str, Any]) -> dict[str, str]:
    given = as_mapping(asked.get("set", {}))
    if given is None or len(given) > MOST_CHANGES or not all(isinstance(value, str) for value in given.values()):
        raise InputError.one("request", f"needs 'set': at most {MOST_CHANGES} values as text by path")
    return {str(path): str(value) for path, value in given.items()}


def application(root: Path, token: str, port: int) -> tuple[Guard, Desk]:
    """The guarded application on the folder ``root``, and what its pages share."""
    desk = Desk(Shelf(root))
    pages: dict[str, Callable[[Desk, Request], Response]] = {
        "/": _folder,
        "/run": _run,
        "/study": _study,
        "/file": _file,
    }
    acts: dict[str, Callable[[Desk, Mapping[str, Any]], dict[str, Any]]] = {
        "/answer": _answer,
        "/charts": _charts,
        "/intervals": _intervals,
        "/simulate": _simulate,
        "/progress": _progress,
        "/cancel": _cancel,
        "/keep": _keep,
        "/share": _share,
    }
    routes = [Route(path, _page(desk, show), methods=["GET"]) for path, show in pages.items()]
    routes += [Route(path, _act(desk, act), methods=["POST"]) for path, act in acts.items()]
    return Guard(Starlette(routes=routes), token, port), desk


def _page(desk: Desk, show: Callable[[Desk, Request], Response]) -> Callable[[Request], Response]:
    def shown(request: Request) -> Response:
        try:
            return show(desk, request)
        except ColdaisleError as error:
            return HTMLResponse(fault_page(_said(error)), HTTPStatus.NOT_FOUND)

    return shown


def _act(desk: Desk, act: Callable[[Desk, Mapping[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
    """An act of a page: JSON in, JSON out; what is wrong is told as text with its remedy."""
    from starlette.concurrency import run_in_threadpool

    def done(body: bytes) -> Response:
        try:
            asked = as_mapping(json.loads(body))
            if asked is None:
                raise InputError.one("request", "must be a mapping")
            return JSONResponse(act(desk, {str(key): value for key, value in asked.items()}))
        except (ValueError, RecursionError):
            return JSONResponse({"problems": _said(InputError.one("request", "is no JSON"))}, HTTPStatus.BAD_REQUEST)
        except ColdaisleError as error:
            return JSONResponse({"problems": _said(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)

    async def answered(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return Response("needs JSON\n", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return Response("is too large\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return await run_in_threadpool(done, body)

    return answered


def _said(error: ColdaisleError) -> list[dict[str, str]]:
    """Every problem as a page tells it: where, and what to do."""
    found = error.problems if isinstance(error, InputError) else (Problem("", None, "", str(error)),)
    hidden = ("--set", "<mapping>", "<profiles>", "<value>")
    return [{"path": one.path or (one.file if one.file not in hidden else ""), "message": one.message} for one in found]


def _folder(desk: Desk, _request: Request) -> Response:
    return HTMLResponse(folder_page(desk.shelf))


def _run(desk: Desk, request: Request) -> Response:
    at = request.query_params.get("at", "")
    results = desk.shelf.run(at)
    try:
        loaded = load_scenario(results.scenario, {}, None, activity_files=False)
        controls = controls_of(loaded.scenario, loaded.catalog, desk.shelf.series())
        page = run_page(at, results, controls, [], loaded.scenario)
        return HTMLResponse(page, background=BackgroundTask(desk.ready, results))
    except ColdaisleError as error:  # its files or profiles are gone: it is shown, and cannot be moved
        return HTMLResponse(run_page(at, results, [], _said(error), None))


def _study(desk: Desk, request: Request) -> Response:
    return HTMLResponse(study_page(desk.shelf, request.query_params.get("at", "")))


def _file(desk: Desk, request: Request) -> Response:
    written = page_of_ours(desk.shelf, request.query_params.get("at", ""))
    return HTMLResponse(written, headers={"content-security-policy": SANDBOX})


def _answer(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    base, answer = desk.answer(asked)
    if isinstance(answer, Needed):
        return {"needs": list(answer.deciding)}
    return {"answer": compared(base, answer)}


def _charts(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    base, answer = desk.answer(asked)
    if isinstance(answer, Needed):
        return {"needs": list(answer.deciding)}
    return {"html": charts(answer, base if answer is not base else None)}


def _intervals(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The intervals of an answer, which take longer than its numbers; ``superseded`` where another was asked for."""
    _, answer = desk.answer(asked)
    if isinstance(answer, Needed):
        return {"needs": list(answer.deciding)}
    try:
        return intervals(desk.with_intervals(answer, wait=False))
    except SupersededError:
        return {"superseded": True}


def _simulate(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Begins the simulation that an answer needs; with ``anew``, also where prices alone were changed."""
    base, answer = desk.answer(asked)
    if not isinstance(answer, Needed):
        if asked.get("anew") is not True:
            return {"answer": compared(base, answer)}
        answer = desk.answers.anew(base, _changes(asked))
    with desk.lock:
        running = [one for one, _, _ in desk.simulations.values() if one.look() == "running"]
        if len(running) >= MOST_AT_ONCE:
            raise InputError.one("simulate", f"{MOST_AT_ONCE} simulations run already; wait, or cancel one")
        simulation = Simulation(answer.scenario, answer.changes)
        desk.simulations[simulation.name] = (simulation, base, answer)
    return {"simulation": simulation.name}


def _simulation(desk: Desk, asked: Mapping[str, Any]) -> tuple[Simulation, Results, Needed]:
    name = _word(asked, "simulation")
    if name not in desk.simulations:
        raise InputError.one("simulation", "there is none of that name; begin another")
    return desk.simulations[name]


def _progress(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    simulation, base, needed = _simulation(desk, asked)
    state = simulation.look()
    if state == "failed" and simulation.problem is not None:
        raise simulation.problem
    with desk.lock:
        if state == "done" and simulation.results is not None:
            desk.answers.keep(base, needed, simulation.results)
            simulation.results = None  # held there, as long as there is room
    return {"state": state, "stage": simulation.stage, "share": simulation.share}


def _cancel(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    simulation, _, _ = _simulation(desk, asked)
    simulation.cancel()
    return {"state": simulation.state}


def _keep(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    base = desk.shelf.run(_word(asked, "run"))
    return {"file": keep_scenario(desk.shelf, base, _changes(asked), _word(asked, "name"))}


def _share(desk: Desk, asked: Mapping[str, Any]) -> dict[str, Any]:
    _, answer = desk.answer(asked)
    if isinstance(answer, Needed):
        raise InputError.one("share", "these changes are not simulated yet; simulate them first")
    whole = desk.with_intervals(answer, wait=True)
    return {"file": keep_report(desk.shelf, whole, _word(asked, "name"))}


@dataclass(frozen=True)
class Server:
    """A server that is bound to its port and not yet serving."""

    address: str
    _server: uvicorn.Server
    _socket: socket.socket
    _desk: Desk

    def serve(self) -> None:
        """Answers until it is interrupted; nothing that it began goes on afterwards."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._desk.close()
            self._socket.close()

    def stop(self) -> None:
        """Lets ``serve``, which goes on in another thread, come to its end."""
        self._server.should_exit = True


def server_of(root: Path, port: int = 0) -> Server:
    """A server of the folder ``root`` on loopback, at a free port for 0. Raises ``InputError`` where it cannot be."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen()  # a browser that is quicker than the server waits
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise InputError.one("--port", f"{port} cannot be had: {why}; leave it out for a free one") from None
    taken = listening.getsockname()[1]
    token = secrets.token_urlsafe(32)
    try:
        guarded, desk = application(root, token, taken)
    except InputError:
        listening.close()
        raise
    config = uvicorn.Config(
        guarded, log_level="critical", lifespan="off", server_header=False, date_header=False, ws="none"
    )
    return Server(f"http://{LOOPBACK}:{taken}/?token={token}", uvicorn.Server(config), listening, desk)
