"""The two transports: `Client` waits for each answer, `AsyncClient` lets others run meanwhile; both send the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

import httpx

from gridbourse.api.schema import Page
from gridbourse.client.events import EventReader, ServerEvent
from gridbourse.client.request import Request
from gridbourse.errors import ServiceProblem

_Answer = TypeVar("_Answer")

API_PATH = "/api/v1"
ATTEMPTS = 4
_PROBLEM = "application/problem+json"
_PATIENCE = httpx.Timeout(30.0)
_FOR_EVER = httpx.Timeout(30.0, read=60.0)
"""A stream says at least every quarter minute that it is there."""


class Client:
    """Sends requests and waits for the answers.

    Parameters
    ----------
    url
        Where the service is, e.g. ``http://127.0.0.1:8000``.
    token
        An API token; None for what everybody may ask, or to sign in with a password or key.
    transport
        Another way to the service, for tests and embedding.

    Examples
    --------
    >>> from gridbourse.client import Client, market
    >>> with Client("http://127.0.0.1:8000") as client:
    ...     book = client.send(market.book(1_983_360))
    """

    def __init__(self, url: str, *, token: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + API_PATH, headers=_headers(url, token), transport=transport, timeout=_PATIENCE
        )

    def send(self, request: Request[_Answer]) -> _Answer:
        """Send a request and read the answer.

        What may be repeated is, when the service could not be reached or asks to wait.

        Raises
        ------
        ServiceProblem
            The service does not do what was asked, or cannot be reached.
        """
        for attempt in range(ATTEMPTS):
            try:
                response = self._http.request(**_arguments(request))
            except httpx.TransportError as error:
                if (pause := _pause(request, None, attempt)) is None:
                    raise _unreachable(error) from error
            else:
                if (pause := _pause(request, response, attempt)) is None:
                    return _read(request, response)
            time.sleep(pause)
        raise AssertionError("the last attempt answers or raises")

    def entries(self, request: Request[Page[_Answer]]) -> Iterator[_Answer]:
        """Read a list to its end, page by page. Raises like `send`."""
        following: Request[Page[_Answer]] | None = request
        while following is not None:
            page = self.send(following)
            yield from page.items
            following = _following(following, page)

    def watch(
        self, topics: Sequence[str] = (), *, period: int | None = None, after: str | None = None
    ) -> Iterator[ServerEvent]:
        """Watch what happens, until the service stops; what was missed since the event `after` comes first."""
        with self._http.stream("GET", "/events", **_watching(topics, period, after)) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
                raise _problem(response)
            reader = EventReader()
            for line in response.iter_lines():
                if event := reader.take(line):
                    yield event

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """Sends requests as `Client` does, for programs that do other things meanwhile.

    Parameters
    ----------
    url, token, transport
        As for `Client`.
    """

    def __init__(
        self, url: str, *, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + API_PATH, headers=_headers(url, token), transport=transport, timeout=_PATIENCE
        )

    async def send(self, request: Request[_Answer]) -> _Answer:
        """Send a request and read the answer, like `Client.send`."""
        for attempt in range(ATTEMPTS):
            try:
                response = await self._http.request(**_arguments(request))
            except httpx.TransportError as error:
                if (pause := _pause(request, None, attempt)) is None:
                    raise _unreachable(error) from error
            else:
                if (pause := _pause(request, response, attempt)) is None:
                    return _read(request, response)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt answers or raises")

    async def entries(self, request: Request[Page[_Answer]]) -> AsyncIterator[_Answer]:
        """Read a list to its end, page by page, like `Client.entries`."""
        following: Request[Page[_Answer]] | None = request
        while following is not None:
            page = await self.send(following)
            for entry in page.items:
                yield entry
            following = _following(following, page)

    async def watch(
        self, topics: Sequence[str] = (), *, period: int | None = None, after: str | None = None
    ) -> AsyncIterator[ServerEvent]:
        """Watch what happens, like `Client.watch`."""
        async with self._http.stream("GET", "/events", **_watching(topics, period, after)) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                raise _problem(response)
            reader = EventReader()
            async for line in response.aiter_lines():
                if event := reader.take(line):
                    yield event

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _headers(url: str, token: str | None) -> Mapping[str, str]:
    # A session's cookie counts only with the service's own address as origin.
    own = httpx.URL(url)
    origin = f"{own.scheme}://{own.netloc.decode()}"
    return {"Authorization": f"Bearer {token}"} if token else {"Origin": origin}


def _arguments(request: Request[Any]) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.params),
        "json": request.body,
        "headers": dict(request.headers),
    }


def _watching(topics: Sequence[str], period: int | None, after: str | None) -> dict[str, Any]:
    params = {"topics": list(topics)} | ({"period": period} if period is not None else {})
    return {"params": params, "headers": {"Last-Event-ID": after} if after else {}, "timeout": _FOR_EVER}


def _pause(request: Request[Any], response: httpx.Response | None, attempt: int) -> float | None:
    """Seconds to wait before the request is sent again; None if it is not."""
    if attempt == ATTEMPTS - 1:
        return None
    if response is not None and response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return float(response.headers.get("Retry-After", "1"))  # it was not even looked at
    is_unknown = response is None or response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    return 0.25 * 2**attempt if is_unknown and request.is_repeatable else None


def _read(request: Request[_Answer], response: httpx.Response) -> _Answer:
    if not response.is_success:
        raise _problem(response)
    return request.read(response.content)


def _following(request: Request[Page[_Answer]], page: Page[_Answer]) -> Request[Page[_Answer]] | None:
    if page.next_cursor is None:
        return None
    return replace(request, params={**request.params, "cursor": page.next_cursor})


def _problem(response: httpx.Response) -> ServiceProblem:
    if not response.headers.get("content-type", "").startswith(_PROBLEM):
        return ServiceProblem(response.status_code, "unknown", f"{response.url} answered {response.status_code}")
    stated = response.json()
    faults = tuple((fault["field"], fault["remedy"]) for fault in stated.get("faults", []))
    return ServiceProblem(
        response.status_code, str(stated.get("type", "")).rsplit(":", 1)[-1], str(stated.get("detail", "")), faults
    )


def _unreachable(error: httpx.TransportError) -> ServiceProblem:
    return ServiceProblem(0, "unreachable", f"the service cannot be reached: {error}")
