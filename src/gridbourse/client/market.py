"""Requests about the market, which everybody may make."""

from __future__ import annotations

from gridbourse.api.schema import DayPrices, MarketSettings, OrderBook, Page, PeriodSummary, Quote, Trade
from gridbourse.client.request import Request, get
from gridbourse.market.types import EnergyType, Offer


def settings() -> Request[MarketSettings]:
    """The rules in force."""
    return get("/market/settings", MarketSettings)


def periods(day: int | None = None) -> Request[list[PeriodSummary]]:
    """The delivery periods of a day, or those from now on in which something waits or was agreed."""
    return get("/market/periods", list[PeriodSummary], day=day)


def book(period: int, energy_type: str | None = None, depth: int = 50) -> Request[OrderBook]:
    """The order book of a delivery period."""
    return get(f"/market/periods/{period}/book", OrderBook, energy_type=energy_type, depth=depth)


def trades(
    *, period: int | None = None, day: int | None = None, energy_type: str | None = None, limit: int = 50
) -> Request[Page[Trade]]:
    """The trade tape, newest first."""
    return get("/market/trades", Page[Trade], period=period, day=day, energy_type=energy_type, limit=limit)


def day_prices(day: int, energy_type: str | None = None) -> Request[DayPrices]:
    """Prices and volumes of a delivery day."""
    return get(f"/market/days/{day}/prices", DayPrices, energy_type=energy_type)


def quote(offer: Offer) -> Request[Quote]:
    """What would happen to an order placed now."""
    return get(
        "/market/quote",
        Quote,
        side=offer.side.name.lower(),
        period=offer.period,
        energy_wh=offer.energy_wh,
        price_ticks=offer.price_ticks,
        energy_types=names_of(offer.energy_types),
    )


def names_of(types: EnergyType) -> list[str]:
    """Names of energy types, as the service writes them."""
    return [str(one.name).lower() for one in EnergyType if one in types]
