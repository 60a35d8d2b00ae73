"""What everybody may ask of the market."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gridbourse.api.schema import (
    Day,
    DayPrices,
    EnergyTypeName,
    EnergyWh,
    MarketSettings,
    OrderBook,
    Page,
    Period,
    PeriodSummary,
    PriceTicks,
    Quote,
    SideName,
    Trade,
)
from gridbourse.index.naming import side_of, types_of
from gridbourse.market.types import Offer
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Kind, Right
from gridbourse.service.routes.routing import Cursor, EnergyTypeFilter, Limit, operation

router = APIRouter(prefix="/market", tags=["market"])


@router.get("/settings", **operation(Right.READ_MARKET))
async def read_settings(exchange: ExchangeOf) -> MarketSettings:
    """The rules in force: price bounds, cooling-off time, gate closure."""
    return exchange.market.settings()


@router.get("/periods", **operation(Right.READ_MARKET))
async def list_periods(exchange: ExchangeOf, day: Annotated[Day | None, Query()] = None) -> list[PeriodSummary]:
    """The delivery periods of a day; without a day those from now on in which something waits or was agreed."""
    return exchange.market.periods(day)


@router.get("/periods/{period}/book", **operation(Right.READ_MARKET))
async def read_book(
    exchange: ExchangeOf,
    period: Period,
    energy_type: EnergyTypeFilter = None,
    depth: Annotated[int, Query(ge=1, le=1_000, description="Price levels of each side.")] = 50,
) -> OrderBook:
    """The order book of a delivery period: what waits at each price, best first.

    A bid that accepts several energy types stands in the book of each of them.
    """
    return exchange.market.book(period, energy_type, depth)


@router.get("/trades", **operation(Right.READ_MARKET))
async def list_trades(
    exchange: ExchangeOf,
    period: Annotated[Period | None, Query()] = None,
    day: Annotated[Day | None, Query()] = None,
    energy_type: EnergyTypeFilter = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Trade]:
    """The trade tape, newest first: what was agreed, not by whom. `period` goes before `day`."""
    return exchange.market.trades(period=period, day=day, energy_type=energy_type, cursor=cursor, limit=limit)


@router.get("/days/{day}/prices", **operation(Right.READ_MARKET))
async def read_day_prices(exchange: ExchangeOf, day: Day, energy_type: EnergyTypeFilter = None) -> DayPrices:
    """Opening, highest, lowest, closing and average price, and the volume, of every period of a delivery day."""
    return exchange.market.day_prices(day, energy_type)


@router.get("/quote", **operation(Right.READ_MARKET))
async def read_quote(
    exchange: ExchangeOf,
    principal: CurrentUser,
    side: SideName,
    period: Annotated[Period, Query()],
    energy_wh: Annotated[EnergyWh, Query(lt=2**40)],
    price_ticks: Annotated[PriceTicks, Query()],
    energy_types: Annotated[list[EnergyTypeName] | None, Query(description="None named: all of them.")] = None,
) -> Quote:
    """What would happen to an order placed now: best price, cost, what is reserved, what stands against it."""
    offer = Offer(side_of(side), types_of(energy_types), period, energy_wh, price_ticks)
    return exchange.market.quote(offer, principal.name if principal.kind is Kind.NODE else None)
