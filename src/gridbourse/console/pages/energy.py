"""What belongs to the reader's function nodes: deals, orders, money, energy, statements."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import Form, Query, Response

from gridbourse.client.values import DealStatus
from gridbourse.console.pages.formats import date_day, date_text, today
from gridbourse.console.pages.frame import Frame, PageFrame, page_router
from gridbourse.console.pages.statement import Statement, statement_csv, statement_of, statement_pdf
from gridbourse.console.rights import Right, require
from gridbourse.errors import InvalidValue

router = page_router()
ROWS = 25
MOST = 1_000_000
NodeName = Annotated[str, Query(alias="node", max_length=80)]
Cursor = Annotated[str | None, Query(max_length=40)]
DayText = Annotated[str, Query(alias="day", max_length=10)]


@router.get("/energy")
async def deals(frame: PageFrame, node: NodeName = "", cursor: Cursor = None) -> Response:
    """Deals: those that wait for an answer first."""
    trading, now = frame.exchange.trading, int(time.time())
    waiting = trading.deals(frame.principal, node_id=node or None, status=DealStatus.INTENT, limit=MOST).items
    page = trading.deals(frame.principal, node_id=node or None, cursor=cursor, limit=ROWS)
    return _part(
        frame,
        "energy_deals.html",
        node,
        open_deals=[deal for deal in waiting if deal.confirm_before >= now],
        deals=page.items,
        next_cursor=page.next_cursor,
    )


@router.post("/energy/deals/{deal_id}")
async def answer(
    frame: PageFrame, deal_id: int, choice: Annotated[Literal["confirm", "abandon"], Form(alias="answer")]
) -> Response:
    """Confirm or abandon a deal."""
    await frame.exchange.trading.answer(frame.principal, deal_id, confirmed=choice == "confirm")
    return frame.go("/energy", done="confirmed" if choice == "confirm" else "abandoned")


@router.get("/energy/orders")
async def orders(frame: PageFrame, node: NodeName = "", cursor: Cursor = None) -> Response:
    """Orders, newest first."""
    page = frame.exchange.trading.orders(frame.principal, node_id=node or None, cursor=cursor, limit=ROWS)
    return _part(frame, "energy_orders.html", node, orders=page.items, next_cursor=page.next_cursor)


@router.get("/energy/account")
async def account(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """Deposits and positions."""
    trading, day = frame.exchange.trading, _day(day_text)
    return _part(
        frame,
        "energy_account.html",
        node,
        day=day,
        deposits=trading.deposits(frame.principal, node_id=node or None),
        positions=trading.positions(frame.principal, day, node_id=node or None),
    )


@router.get("/energy/statement")
async def statement(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """What was settled for delivery on a day."""
    day = _day(day_text)
    return _part(frame, "energy_statement.html", node, day=day, statement=_statement(frame, node, day))


@router.get("/energy/statement.csv")
async def statement_as_csv(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """The statement as CSV."""
    day = _day(day_text)
    content = statement_csv(_statement(frame, node, day)).encode("utf-8-sig")
    return _file(content, "text/csv; charset=utf-8", f"statement-{date_text(day)}.csv")


@router.get("/energy/statement.pdf")
async def statement_as_pdf(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """The statement as PDF."""
    day = _day(day_text)
    content = statement_pdf(_statement(frame, node, day), frame.exchange.spec.name, frame.t)
    return _file(content, "application/pdf", f"statement-{date_text(day)}.pdf")


def _part(frame: Frame, template: str, node: str, *, next_cursor: str | None = None, **context: Any) -> Response:
    """A page of this section, with the choice of nodes above it."""
    nodes = frame.exchange.trading.nodes(frame.principal)
    return frame.render(template, nodes=nodes, node=node, next_cursor=next_cursor, **context)


def _statement(frame: Frame, node: str, day: int) -> Statement:
    require(frame.principal, Right.READ_NODE)
    deals = frame.exchange.trading.deals(frame.principal, node_id=node or None, status=DealStatus.SETTLED, limit=MOST)
    return statement_of(deals.items, day)


def _day(text: str) -> int:
    try:
        return date_day(text) if text else today(time.time())
    except ValueError as error:
        raise InvalidValue("day", text, "a date as YYYY-MM-DD") from error


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
