"""What belongs to the reader's function nodes: deals, orders, money, energy, statements."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Form, Query, Response

from gridbourse.api.schema import DealStatus, EnergyTypeName, Limits, OrderStatus
from gridbourse.delivery import date_day
from gridbourse.errors import InvalidValue, NotFound
from gridbourse.index.naming import types_of
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.service.rights import Kind
from gridbourse.service.use_cases.statement_text import statement_notes
from gridbourse.service.use_cases.views import limits_view
from gridbourse.units import energy_wh, format_kwh, format_price, money_units, price_ticks
from gridbourse.web.frame import Frame, PageFrame, page_router

router = page_router()
ROWS = 25
LINES = 500
MOST = 1_000_000
NodeName = Annotated[str, Query(alias="node", max_length=80)]
Cursor = Annotated[str | None, Query(max_length=40)]
NumberText = Annotated[str, Form(max_length=20)]
DayText = Annotated[str, Query(alias="day", max_length=10)]


@router.get("/energy")
async def deals(frame: PageFrame, node: NodeName = "", cursor: Cursor = None) -> Response:
    """Deals: those that wait for an answer first."""
    trading, now = frame.exchange.trading, frame.exchange.now
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


@router.get("/energy/orders/{order_id}")
async def amend_form(frame: PageFrame, order_id: str) -> Response:
    """Where an order is amended."""
    order = frame.exchange.trading.order(frame.principal, order_id)
    return frame.render(
        "energy_amend.html",
        order=order,
        wrong=defaultdict(str),
        energy_kwh=format_kwh(order.open_wh),
        price_yuan_per_kwh=format_price(order.price_ticks),
    )


@router.post("/energy/orders/{order_id}")
async def amend(frame: PageFrame, order_id: str, energy_kwh: NumberText, price_yuan_per_kwh: NumberText) -> Response:
    """Amend what waits of an order."""
    trading = frame.exchange.trading
    try:
        wanted_wh, limit_ticks = _some_energy(energy_kwh), price_ticks(price_yuan_per_kwh.strip())
    except InvalidValue as error:
        return frame.render(
            "energy_amend.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            order=trading.order(frame.principal, order_id),
            wrong=defaultdict(str, {error.field: frame.explain(error)}),
            energy_kwh=energy_kwh,
            price_yuan_per_kwh=price_yuan_per_kwh,
        )
    amended = await trading.amend(frame.principal, order_id, energy_wh=wanted_wh, price_ticks=limit_ticks)
    refused = amended.status is OrderStatus.REFUSED
    return frame.go("/energy/orders", done="order_refused" if refused else "order_amended")


@router.post("/energy/orders/{order_id}/cancel")
async def cancel(frame: PageFrame, order_id: str) -> Response:
    """Take what waits of an order out of the market."""
    await frame.exchange.trading.cancel(frame.principal, order_id)
    return frame.go("/energy/orders", done="order_cancelled")


@router.get("/energy/meter")
async def meter(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """What was metered and what that lets expect, what the node may do by itself, and what it did."""
    exchange, principal, day = frame.exchange, frame.principal, _day(frame, day_text)
    # The hour that is traded next may be tomorrow's.
    days = [day, day + 1] if day == exchange.today else [day]
    one = principal.name if principal.kind is Kind.NODE else node
    return _part(
        frame,
        "energy_meter.html",
        node,
        day=day,
        one=one,
        meters=[meter for meter in exchange.metering.meters(principal) if one in ("", meter.node_id)],
        readings=[view for each in days for view in exchange.offering.readings(principal, one, each)] if one else [],
        offers=[view for each in days for view in exchange.offering.automatic_offers(principal, one, each)]
        if one
        else [],
        metered=exchange.trading.metered(principal, day, node_id=node or None),
        limits=_limits_of(frame, one),
        wrong=defaultdict(str),
    )


@router.post("/energy/limits")
async def set_limits(
    frame: PageFrame,
    energy_type: Annotated[EnergyTypeName, Form()],
    lowest_sell: NumberText,
    highest_buy: NumberText,
    reserve: NumberText,
    share_percent: Annotated[int, Form(ge=1, le=100)],
    accepted_types: Annotated[list[EnergyTypeName] | None, Form()] = None,
    active: Annotated[Literal["", "yes"], Form()] = "",
) -> Response:
    """Switch automatic offering on or off, within limits."""
    limits = AutoTradingLimits(
        active=active == "yes",
        energy_type=types_of([energy_type]),
        accepted_types=types_of(accepted_types),
        lowest_sell_ticks=price_ticks(lowest_sell.strip()),
        highest_buy_ticks=price_ticks(highest_buy.strip()),
        reserve_wh=energy_wh(reserve.strip()),
        max_share_permille=share_percent * 10,
    )
    await frame.exchange.trading.set_limits(frame.principal, limits)
    return frame.go("/energy/meter", done="limits_kept")


@router.get("/energy/account")
async def account(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """Deposits, payouts and positions."""
    trading, day = frame.exchange.trading, _day(frame, day_text)
    return _part(
        frame,
        "energy_account.html",
        node,
        day=day,
        deposits=trading.deposits(frame.principal, node_id=node or None),
        payouts=await frame.exchange.payouts.payouts(frame.principal),
        can_ask=frame.principal.kind is Kind.NODE and frame.principal.keys is not None,
        positions=trading.positions(frame.principal, day, node_id=node or None),
    )


@router.post("/energy/payouts")
async def ask_payout(
    frame: PageFrame,
    yuan: NumberText,
    payee: Annotated[str, Form(max_length=200)] = "",
    standing: Annotated[str, Form(max_length=3)] = "",
) -> Response:
    """Have money paid out, once or after every delivery day."""
    await frame.exchange.payouts.instruct(frame.principal, money_units(yuan.strip()), payee, standing=bool(standing))
    return frame.go("/energy/account", done="payout_asked")


@router.get("/energy/statement")
async def statement(frame: PageFrame, node: NodeName = "", day_text: DayText = "") -> Response:
    """What was settled for delivery on a day; the files behind it come from the API."""
    day = _day(frame, day_text)
    found = frame.exchange.statements.statement(frame.principal, day, node_id=node or None)
    return _part(
        frame,
        "energy_statement.html",
        node,
        day=day,
        statement=found,
        lines=found.lines[:LINES],
        statement_notes=statement_notes(found, frame.t),
    )


def _part(frame: Frame, template: str, node: str, *, next_cursor: str | None = None, **context: Any) -> Response:
    """A page of this section, with the choice of nodes above it."""
    nodes = frame.exchange.trading.nodes(frame.principal)
    return frame.render(template, nodes=nodes, node=node, next_cursor=next_cursor, **context)


def _limits_of(frame: Frame, node: str) -> Limits | None:
    """The limits of the one node that is shown; None if there are several, or it never set any."""
    try:
        return limits_view(frame.exchange.trading.limits(frame.principal, node)) if node else None
    except NotFound:
        return None


def _some_energy(text: str) -> int:
    energy = energy_wh(text.strip())
    if energy == 0:
        raise InvalidValue("energy_kwh", text, "more than 0 kWh")
    return energy


def _day(frame: Frame, text: str) -> int:
    return date_day(text) if text else frame.exchange.today
