"""The regulator's pages: alarms, search, traces, the check of everything, exports."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Path, Query, Response

from gridbourse.delivery import date_day
from gridbourse.service.rights import Right, require
from gridbourse.web.frame import PageFrame, page_router
from gridbourse.web.searching import found_by

router = page_router()
RECENT = 15
DealNumber = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/audit")
async def audit(frame: PageFrame, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """What asks for attention, and where to look."""
    require(frame.principal, Right.AUDIT)
    exchange = frame.exchange
    return frame.render(
        "audit.html",
        q=q,
        found=await found_by(frame, q),
        alarms=exchange.alarms(),
        report=exchange.audit.last_report,
        trades=exchange.market.trades(limit=RECENT).items,
        today=frame.exchange.today,
    )


@router.post("/audit/report")
async def check(frame: PageFrame) -> Response:
    """Check every record of every chain."""
    await frame.exchange.audit.report(frame.principal)
    return frame.go("/audit", done="checked")


@router.get("/audit/trace")
async def trace_by_number(frame: PageFrame, deal: Annotated[int, Query(ge=1, lt=2**63)]) -> Response:
    """Lead to a deal's trace."""
    return frame.go(f"/audit/deals/{deal}")


@router.get("/audit/export")
async def export(frame: PageFrame, day: Annotated[str, Query(max_length=10)]) -> Response:
    """All deals of a day as CSV."""
    number = date_day(day)
    return _file(frame.exchange.audit.export(frame.principal, number), "text/csv", f"deals-{day}.csv")


@router.get("/audit/deals/{deal_id}.json")
async def trace_document(frame: PageFrame, deal_id: DealNumber) -> Response:
    """A trace for programs."""
    document = await frame.exchange.audit.trace_document(frame.principal, deal_id)
    return _file(json.dumps(document, indent=2, ensure_ascii=False), "application/json", f"deal-{deal_id}.json")


@router.get("/audit/deals/{deal_id}.html")
async def trace_file(frame: PageFrame, deal_id: DealNumber) -> Response:
    """A trace as a page that stands alone."""
    page = await frame.exchange.audit.trace_page(frame.principal, deal_id, frame.t.language)
    return _file(page, "text/html", f"deal-{deal_id}.html")


@router.get("/audit/deals/{deal_id}")
async def trace(frame: PageFrame, deal_id: DealNumber) -> Response:
    """The walk from a deal to the proof of every detail behind it."""
    return frame.render("trace.html", trace=await frame.exchange.audit.trace(frame.principal, deal_id))


def _file(content: str, media_type: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=f"{media_type}; charset=utf-8", headers={"Content-Disposition": disposition})
