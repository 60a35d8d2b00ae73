"""What every request passes through before it gets to an operation: limits, headers, the log and the counters.

Plain ASGI, so that streams are handed through as they come.
"""

from __future__ import annotations

import json
import logging
import re
import time
from http import HTTPStatus
from secrets import token_hex

import anyio
from starlette import types
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser

from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth.current import COOKIE
from gridbourse.service.language import language_of
from gridbourse.service.metrics import Metrics
from gridbourse.service.problems import answer, problem
from gridbourse.service.rate_limit import RateLimit
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange
from gridbourse.text import Message

logger = logging.getLogger("gridbourse.access")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NAME = re.compile(r"(\[[0-9a-f:.]+\]|[^:]+)(?::\d+)?$", re.IGNORECASE)
_PUBLIC = "/static/"
"""What is the same for everybody, and may be kept by caches; everything else is somebody's."""
OPERATIONS = frozenset({"/health", "/ready", "/metrics"})


class RequestLimits:
    """Turns away what no operation should see: other hosts, too much at once, too large bodies.

    Parameters
    ----------
    app
        What comes behind it.
    settings
        The limits.
    """

    def __init__(self, app: types.ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings
        self._requests = RateLimit(settings.requests_per_second, settings.burst)

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
            await refusal(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._settings.max_body_bytes), send)

    def _refusal(self, scope: types.Scope, headers: Headers) -> types.ASGIApp | None:
        name = _NAME.match(headers.get("host", ""))
        if name is None or not {name[1], "*"} & set(self._settings.allowed_hosts):
            detail = Message("this name is not served here; name the service as its operator does")
            return problem(language_of(headers), HTTPStatus.BAD_REQUEST, "unknown-host", detail)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self._settings.max_body_bytes:
            detail = Message("a body has at most {most} bytes", most=self._settings.max_body_bytes)
            return answer(Request(scope), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
        if scope["path"] in OPERATIONS:
            return None
        is_sign_in = scope["method"] == "POST" and "/sign-in" in scope["path"]
        if wait_seconds := self._sign_in(scope) if is_sign_in else self._request(scope, headers):
            seconds = str(max(1, round(wait_seconds)))
            detail = Message("too many requests; wait {seconds} s", seconds=seconds)
            told = {"Retry-After": seconds}
            return answer(Request(scope), HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=told)
        return None

    def _request(self, scope: types.Scope, headers: Headers) -> float:
        caller = _caller(scope, headers) or self._settings.address_of(scope)
        return self._requests.take(caller, time.monotonic())

    def _sign_in(self, scope: types.Scope) -> float:
        """Attempts are counted for all web servers of a region together: guessing is not to be faster at several."""
        store: ServiceStore = scope["app"].state.exchange.store
        per_minute = self._settings.sign_ins_per_minute
        return store.attempt(self._settings.address_of(scope), 60 / per_minute, int(per_minute), time.time())


class AccessLog:
    """Logs and counts every request, and puts the security headers on every answer.

    Parameters
    ----------
    app
        What comes behind it.
    settings
        How the service is run.
    metrics
        The counters.
    """

    def __init__(self, app: types.ASGIApp, settings: ServiceSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._address_of = settings.address_of
        self._headers = dict(SECURITY_HEADERS)
        if settings.is_secure:
            self._headers["Strict-Transport-Security"] = "max-age=63072000"

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = token_hex(8), time.perf_counter(), 500

        async def observed(message: types.Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
                if not scope["path"].startswith(_PUBLIC):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.count_request(scope["method"], route, status, seconds)
            if scope["path"] not in OPERATIONS:
                entry = {"request": request_id, "method": scope["method"], "path": scope["path"], "status": status}
                logger.info(json.dumps(entry | {"ms": round(seconds * 1_000, 1), "client": self._address_of(scope)}))


class HeadAsGet:
    """Answers HEAD as GET, without the body (RFC 9110, section 9.3.2); a stream ends with its head.

    Parameters
    ----------
    app
        What comes behind it.
    """

    def __init__(self, app: types.ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as answering:

            async def send_head(message: types.Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                elif message["type"] == "http.response.body" and not answering.cancel_called:
                    await send({"type": "http.response.body"})
                    if message.get("more_body"):
                        answering.cancel()

            await self._app({**scope, "method": "GET"}, receive, send_head)


class _Bounded:
    """A request's body, which ends where it gets too long: what was announced may not be what comes."""

    def __init__(self, receive: types.Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> types.Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                return {"type": "http.disconnect"}
        return message


def _caller(scope: types.Scope, headers: Headers) -> str | None:
    """Whose share of the service a request takes, whatever token or session it comes with; None if nobody is proven.

    What is made up proves nobody, and takes of the share of its address.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    session = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    if scheme.lower() != "bearer" and session is None:
        return None
    exchange: Exchange = scope["app"].state.exchange
    return exchange.credentials.identity(token.strip() if scheme.lower() == "bearer" else None, session)
