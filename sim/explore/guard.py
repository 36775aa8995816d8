"""Who may ask the server: a browser that was given the token, for a page of this server itself, on this machine.

A page from elsewhere that guesses the port is refused by its ``Origin`` and by the site it comes from; a name that was
made to resolve to this machine (DNS rebinding) by the ``Host`` that the browser then sends.
"""

from __future__ import annotations

from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-coldaisle-token"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SAME_SITE = ("same-origin", "none")
"""Where a browser may say that a request comes from: this server's own page, or the address bar."""
SAFE = ("GET", "HEAD")
KEPT = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Headers of every answer."""


class Guard:
    """Lets through to ``app`` what has the token and names this server; answers everything else with 403."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in LOOPBACK} | ({*LOOPBACK} if port == 80 else set())
        self._cookie = f"coldaisle-{port}"  # cookies know no ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web socket is served
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in KEPT.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(scope)
        await (self._app if answer is None else answer)(scope, receive, sent)

    def _answer(self, scope: Scope) -> Response | None:
        """What to answer in place of the app; None for a request that may pass."""
        headers, method = Headers(scope=scope), scope["method"]
        fault = self._foreign(headers, method)
        if fault is not None:
            return _refused(fault)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if given and method in SAFE:
            if not self._is_token(given[0]):
                return _refused("the token is not that of this server; open the address that the command printed")
            answer = RedirectResponse(scope["path"], HTTPStatus.SEE_OTHER)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            return answer
        known = headers.get(TOKEN_HEADER) or cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if not self._is_token(known):
            return _refused("no token; open the address that the command printed")
        return None

    def _foreign(self, headers: Headers, method: str) -> str | None:
        """Why a request is none of this server's own pages', or None."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "this server answers to its own address alone"
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
            return "another page asked"
        if method not in SAFE and not origins:
            return "a change needs the origin of the page that asks"
        if headers.get("sec-fetch-site", "none") not in SAME_SITE:
            return "another page asked"
        return None

    def _is_token(self, given: str) -> bool:
        return compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _refused(why: str) -> Response:
    return PlainTextResponse(f"403: {why}\n", HTTPStatus.FORBIDDEN)
