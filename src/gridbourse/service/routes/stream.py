"""Server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gridbourse.api.schema import Period
from gridbourse.errors import TooManyAttempts
from gridbourse.service.auth.current import CurrentUser, ExchangeOf, address_of
from gridbourse.service.changes import Filter, Topic
from gridbourse.service.rate_limit import OpenLimit
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation
from gridbourse.service.settings import ServiceSettings
from gridbourse.text import Message

router = APIRouter(tags=["events"])
_AGAIN_SECONDS = 5
_STREAM = operation(Right.READ_MARKET)
_STREAM["responses"] = _STREAM["responses"] | {
    200: {"description": "The events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/events", response_class=StreamingResponse, **_STREAM)
async def watch(
    request: Request,
    exchange: ExchangeOf,
    principal: CurrentUser,
    topics: Annotated[list[Topic] | None, Query(description="What to watch; none named: everything.")] = None,
    period: Annotated[Period | None, Query()] = None,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> StreamingResponse:
    """Watch the exchange, as server-sent events.

    `book`, `trades`, `blocks` and `anchors` carry lists of changes of some moments; `order` and `deal` tell how one of
    your own stands now (topic `deals`). `reset` says: load anew, then go by what follows. An event's id is a height of
    the main chain; come back with the last one as `Last-Event-ID`, as browsers do, and you miss nothing.
    """
    wanted = Filter(frozenset(topics or Topic), period)
    caller = principal.identity if principal.name else address_of(request)
    streams: OpenLimit = request.app.state.streams
    if not streams.take(caller):
        settings: ServiceSettings = request.app.state.settings
        text = "{most} event streams of yours are open; close one, or watch several topics in one"
        raise TooManyAttempts(Message(text, most=settings.streams_per_caller), _AGAIN_SECONDS)
    events = exchange.feed.follow(wanted, principal, last_event_id)
    return _EventStream(events, lambda: streams.give_back(caller))


class _EventStream(StreamingResponse):
    """A stream that says when it is over, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], end: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()
