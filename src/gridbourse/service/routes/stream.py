"""Server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from gridbourse.api.schema import Period
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.changes import Filter, Topic
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation

router = APIRouter(tags=["events"])
_STREAM = operation(Right.READ_MARKET)
_STREAM["responses"] = _STREAM["responses"] | {
    200: {"description": "The events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/events", response_class=StreamingResponse, **_STREAM)
async def watch(
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
    return StreamingResponse(
        exchange.feed.follow(wanted, principal, last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
