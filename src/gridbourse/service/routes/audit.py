"""What the regulator does."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from gridbourse.api.chain_schema import Alarm, AuditReport, TraceView
from gridbourse.api.schema import Day, DealId
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation

router = APIRouter(prefix="/audit", tags=["audit"])
_EXPORT = operation(Right.AUDIT)
_EXPORT["responses"] = _EXPORT["responses"] | {
    200: {"description": "The deals.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/deals/{deal_id}/trace", **operation(Right.AUDIT, HTTPStatus.NOT_FOUND))
async def trace_deal(exchange: ExchangeOf, principal: CurrentUser, deal_id: DealId) -> TraceView:
    """Walk from a deal to the proof of every detail behind it; each step has a verdict of its own."""
    return await exchange.audit.trace(principal, deal_id)


@router.post("/reports", **operation(Right.AUDIT))
async def audit_region(exchange: ExchangeOf, principal: CurrentUser) -> AuditReport:
    """Check every record of every chain against the main chain. It takes the longer the more there is."""
    return await exchange.audit.report(principal)


@router.get("/deals", response_class=PlainTextResponse, **_EXPORT)
async def export_deals(exchange: ExchangeOf, principal: CurrentUser, day: Annotated[Day, Query()]) -> PlainTextResponse:
    """All deals of a delivery day as CSV (RFC 4180), with who is behind them."""
    name = f'attachment; filename="deals-{day}.csv"'
    return PlainTextResponse(
        exchange.audit.export(principal, day), media_type="text/csv", headers={"Content-Disposition": name}
    )


@router.get("/alarms", **operation(Right.AUDIT))
async def list_alarms(exchange: ExchangeOf) -> list[Alarm]:
    """What asks for attention: late anchors, silent meters, a lost broker, broken proofs, failing jobs."""
    return exchange.alarms()
