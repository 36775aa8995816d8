"""A Prometheus server over HTTP, asked with care: times, sizes and redirects are bounded, and every failure is told.

Nothing but GET of ``/api/v1``. A token travels in a header that is not sent on to another host, and no message has it.
Source: Prometheus' HTTP API documentation (statuses 400, 422 and 503, and the JSON of errors).
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from sim.errors import InputError, RunError
from sim.plain import as_list, has
from sim.reading import parse_json, read_text

TOKEN = "COLDAISLE_PROMETHEUS_TOKEN"
"""The variable of the environment that holds a bearer token."""
TIMEOUT_S = 30.0
MOST_BYTES = 256 << 20
"""Of one answer."""
MOST_OF_AN_ERROR = 64 << 10
MOST_OF_A_TOKEN = 16 << 10
SHOWN = 300
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PIECE = 1 << 20
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, UNPROCESSABLE = 400, 401, 403, 404, 422
REDIRECTS = range(300, 400)


class TooMuchError(RunError):
    """An answer that the server, or this program, finds too large: less may be asked for at a time."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: it might lead a token elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class Server:
    """A server by its URL, with or without the path of a proxy before ``/api/v1``. ``token`` is '' for none."""

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = TIMEOUT_S

    def ask(self, path: str, question: Mapping[str, str | Sequence[str]]) -> tuple[Any, list[Any]]:
        """The ``data`` that ``/api/v1/PATH`` answers, and its warnings.

        Raises ``RunError`` where the server cannot be reached or fails, ``InputError`` for what it calls a bad
        question, ``TooMuchError`` for what is too much at a time.
        """
        request = Request(f"{self.url}/api/v1/{path}?{urlencode(question, doseq=True)}")
        request.add_header("Accept", "application/json")
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            with _opener(self.url).open(request, timeout=self.timeout_s) as response:
                text = self._text(response)
        except HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (URLError, http.client.HTTPException, TimeoutError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise RunError(f"{self.url} cannot be reached: {reason or type(error).__name__}") from None
        try:
            answer = parse_json(text, self.url)
        except InputError:
            raise self._stranger() from None
        if not has(answer, ["status"]) or answer["status"] != "success" or "data" not in answer:
            raise self._stranger()
        return answer["data"], as_list(answer.get("warnings")) or []

    def _text(self, response: Any) -> str:
        """The body, in pieces: one that drips or never ends is given up."""
        until = time.monotonic() + self.timeout_s
        pieces: list[bytes] = []
        size = 0
        while piece := response.read(_PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                raise TooMuchError(f"{self.url} answers more than {MOST_BYTES >> 20} MiB at a time; {LESS}")
            if time.monotonic() > until:
                raise TooMuchError(f"{self.url} has not answered in full within {self.timeout_s:g} s; {LESS}")
            pieces.append(piece)
        return b"".join(pieces).decode("utf-8", errors="replace")

    def _stranger(self) -> RunError:
        return RunError(f"{self.url} answers, but not as Prometheus does; give the URL before /api/v1")

    def _refused(self, error: HTTPError) -> RunError | InputError:
        """The error for an answer that is one, in the server's own words where it has any."""
        said = _said(error)
        status = f"{self.url} answers {error.code}"
        if error.code in REDIRECTS:
            return RunError(f"{status}: it leads to {error.headers.get('Location', 'nowhere')[:SHOWN]}; give that URL")
        if error.code in (UNAUTHORIZED, FORBIDDEN):
            return RunError(f"{status}: it wants to know who asks; give --token-file FILE, or set {TOKEN}")
        if error.code == BAD_REQUEST:
            return InputError.one("--prometheus", f"{status}, a bad question: {said}")
        if error.code == NOT_FOUND and not said.startswith("not_found"):
            return self._stranger()
        if error.code == UNPROCESSABLE and "too many" in said:
            return TooMuchError(f"{status}: {said}; {LESS}")
        return RunError(f"{status}: {said or error.reason}")


LESS = "ask for less: a shorter window, a --match, or a --step"


def _said(error: HTTPError) -> str:
    """What the body of an error says, on one line."""
    try:
        body = error.read(MOST_OF_AN_ERROR).decode("utf-8", errors="replace")
        answer = json.loads(body)
        return " ".join(f"{answer.get('errorType', '')}: {answer.get('error', '')}".split())[:SHOWN]
    except (OSError, ValueError, AttributeError, RecursionError, http.client.HTTPException):
        return ""


def _opener(url: str) -> OpenerDirector:
    """What opens it: by the proxies of the environment, but for this machine itself."""
    here = urlsplit(url).hostname in LOOPBACK
    return build_opener(_Stay, *([ProxyHandler({})] if here else []))


def server_at(url: str, token_file: Path | None, timeout_s: float = TIMEOUT_S) -> Server:
    """The server of that URL, with the token of a file, or else of the environment. Raises ``InputError``."""
    try:
        parts = urlsplit(url)
        well = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well = False
    if not well:
        raise InputError.one("--prometheus", "must be a URL such as http://prometheus.example:9090")
    if parts.username is not None or parts.password is not None:
        raise InputError.one(
            "--prometheus", f"holds a name or password, which would be logged; use --token-file or {TOKEN}"
        )
    if parts.query or parts.fragment:
        raise InputError.one("--prometheus", "must end before '?' and '#': the questions are put by this command")
    token = (
        read_text(token_file, most=MOST_OF_A_TOKEN).strip()
        if token_file is not None
        else os.environ.get(TOKEN, "").strip()
    )
    if token_file is not None and not token:
        raise InputError.one(str(token_file), "is empty; it should hold a bearer token")
    if not token.isascii() or not token.isprintable() or " " in token:
        where = str(token_file) if token_file is not None else TOKEN
        raise InputError.one(where, "holds more than a token: one word of ASCII")
    return Server(url.rstrip("/").removesuffix("/api/v1"), token, timeout_s)
