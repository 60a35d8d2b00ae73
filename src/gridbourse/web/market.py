"""The market: book, tape, prices, and placing an order."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import accumulate
from typing import Annotated

from fastapi import Depends, Form, Query, Response

from gridbourse.api.schema import EnergyTypeName, OrderStatus, PeriodSummary, PriceLevel, Quote, SideName
from gridbourse.delivery import date_day
from gridbourse.errors import InvalidValue
from gridbourse.index.naming import side_of, types_of
from gridbourse.market.types import Offer, Side
from gridbourse.service.rights import Kind, Right, require
from gridbourse.service.use_cases.service import Exchange
from gridbourse.units import MAX_PERIOD, energy_wh, price_ticks
from gridbourse.web.frame import Frame, PageFrame, page_router

router = page_router()
DEPTH = 14
TAPE = 12


@dataclass(frozen=True, slots=True)
class DeepLevel:
    """A price level, with what can be had down to it."""

    price_ticks: int
    energy_wh: int
    total_wh: int


@dataclass(frozen=True, slots=True)
class OrderForm:
    """An order as it was entered."""

    period: int
    side: str = "bid"
    energy_types: tuple[str, ...] = ()
    energy_kwh: str = ""
    price_yuan_per_kwh: str = ""

    def offer(self) -> Offer:
        """What it asks for. Raises `InvalidValue`, which names the field."""
        side = side_of(SideName(self.side))
        types = types_of([EnergyTypeName(name) for name in self.energy_types])
        if side is Side.ASK and types.bit_count() != 1:
            raise InvalidValue("energy_types", self.energy_types, "exactly one energy type for what you sell")
        energy = energy_wh(self.energy_kwh.strip())
        if energy == 0:
            raise InvalidValue("energy_kwh", self.energy_kwh, "more than 0 kWh")
        return Offer(side, types, self.period, energy, price_ticks(self.price_yuan_per_kwh.strip()))


def posted_order(
    period: Annotated[int, Form(ge=0, le=MAX_PERIOD)],
    side: Annotated[SideName, Form()],
    energy_kwh: Annotated[str, Form(max_length=20)],
    price_yuan_per_kwh: Annotated[str, Form(max_length=20)],
    energy_types: Annotated[list[EnergyTypeName] | None, Form()] = None,
) -> OrderForm:
    """An order from the form of a page."""
    return OrderForm(period, side, tuple(energy_types or ()), energy_kwh, price_yuan_per_kwh)


def asked_order(
    period: Annotated[int, Query(ge=0, le=MAX_PERIOD)],
    side: Annotated[SideName, Query()],
    energy_kwh: Annotated[str, Query(max_length=20)],
    price_yuan_per_kwh: Annotated[str, Query(max_length=20)],
    energy_types: Annotated[list[EnergyTypeName] | None, Query()] = None,
) -> OrderForm:
    """An order from a query: what the form says while it is being filled in."""
    return OrderForm(period, side, tuple(energy_types or ()), energy_kwh, price_yuan_per_kwh)


@router.get("/market")
async def market(
    frame: PageFrame,
    day: Annotated[str, Query(max_length=10)] = "",
    period: Annotated[int | None, Query(ge=0, le=MAX_PERIOD)] = None,
    energy_type: Annotated[str, Query(alias="type", max_length=10)] = "",
) -> Response:
    """One delivery period, and its day."""
    chosen = _chosen_period(frame.exchange, day, period)
    return _market_page(frame, OrderForm(chosen), EnergyTypeName(energy_type) if energy_type in _TYPES else None)


@router.get("/market/quote")
async def quote(frame: PageFrame, form: Annotated[OrderForm, Depends(asked_order)]) -> Response:
    """What an order would bring, as a part of the page."""
    try:
        return frame.render("quote.html", quote=_quote(frame, form.offer()))
    except InvalidValue as error:
        return frame.render("quote_wrong.html", text=frame.explain(error))


@router.post("/market/order")
async def order(
    frame: PageFrame,
    form: Annotated[OrderForm, Depends(posted_order)],
    step: Annotated[str, Form(max_length=10)] = "review",
    idempotency_key: Annotated[str, Form(max_length=64, pattern="^[0-9a-f]*$")] = "",
) -> Response:
    """Review an order, change it, or place it."""
    require(frame.principal, Right.TRADE)
    try:
        offer = form.offer()
    except InvalidValue as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _market_page(frame, form, None, wrong={error.field: frame.explain(error)}, status=status)
    if step == "change":
        return _market_page(frame, form, None)
    if step != "place" or not idempotency_key:
        key = secrets.token_hex(16)
        return frame.render("order_review.html", form=form, quote=_quote(frame, offer), idempotency_key=key)
    placed = await frame.exchange.trading.place(frame.principal, offer, idempotency_key=idempotency_key)
    done = "order_refused" if placed.status is OrderStatus.REFUSED else "order_placed"
    return frame.go("/energy/orders", done=done)


_TYPES = frozenset(EnergyTypeName)


def _market_page(
    frame: Frame,
    form: OrderForm,
    energy_type: EnergyTypeName | None,
    *,
    wrong: dict[str, str] | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    market, day = frame.exchange.market, frame.exchange.calendar.day_of(form.period)
    book = market.book(form.period, energy_type, DEPTH)
    prices = market.day_prices(day, energy_type)
    periods = market.periods(day)
    by_period = {one.period: one for one in prices.periods}
    busy = [one for one in periods if _is_busy(one)]
    return frame.render(
        "market.html",
        status=status,
        day=day,
        book=book,
        asks=_deep(book.asks),
        bids=_deep(book.bids),
        trades=market.trades(period=form.period, energy_type=energy_type, limit=TAPE).items,
        periods=periods,
        active={one.period for one in busy},
        rows=[(one, by_period.get(one.period)) for one in busy],
        prices=prices,
        form=form,
        wrong=defaultdict(str, wrong or {}),
    )


def _quote(frame: Frame, offer: Offer) -> Quote:
    node_id = frame.principal.name if frame.principal.kind is Kind.NODE else None
    return frame.exchange.market.quote(offer, node_id)


def _chosen_period(exchange: Exchange, day: str, period: int | None) -> int:
    """The period to show: that of the day that is asked for at the same time; else the next busy open one."""
    if day:
        periods = exchange.calendar.periods(date_day(day))
        if period is None:
            return periods[len(periods) // 2]
        before = exchange.calendar.periods(exchange.calendar.day_of(period))
        return periods[min(period - before.start, len(periods) - 1)]
    if period is not None:
        return period
    busy = [one.period for one in exchange.market.periods() if one.is_open]
    return busy[0] if busy else exchange.market.first_open_period()


def _is_busy(one: PeriodSummary) -> bool:
    return bool(one.ask_energy_wh or one.bid_energy_wh or one.traded_energy_wh)


def _deep(levels: Sequence[PriceLevel]) -> list[DeepLevel]:
    totals = accumulate(level.energy_wh for level in levels)
    return [DeepLevel(level.price_ticks, level.energy_wh, total) for level, total in zip(levels, totals, strict=True)]
