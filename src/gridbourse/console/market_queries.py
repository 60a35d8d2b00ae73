"""What everybody may ask of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from gridbourse.client.values import (
    DayPrices,
    EnergyTypeName,
    MarketSettings,
    OrderBook,
    Page,
    PeriodPrices,
    PeriodSummary,
    PriceLevel,
    Quote,
    SideName,
    Trade,
)
from gridbourse.console.directory import Directory
from gridbourse.console.market_state import DealEntry, MarketState, OrderEntry
from gridbourse.console.paging import cut
from gridbourse.console.views import price_level, trade_view, types_of
from gridbourse.market.types import EnergyType, Offer, Reason, Settings, Side
from gridbourse.network.description import RegionSpec
from gridbourse.units import PERIOD_SECONDS, PERIODS_PER_DAY


class MarketQueries:
    """Reads the market state; asks no chain.

    Parameters
    ----------
    state, directory
        The market and who is who.
    settings
        The settings in force.
    region, chain_id
        Whose market it is, and its main chain's id.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        state: MarketState,
        directory: Directory,
        settings: Callable[[], Settings],
        region: RegionSpec,
        chain_id: int,
        clock: Callable[[], int],
    ) -> None:
        self._state = state
        self._directory = directory
        self._settings = settings
        self._region = region
        self._chain_id = chain_id
        self._clock = clock
        self._known_prices: dict[tuple[int, EnergyType], tuple[int, PeriodPrices | None]] = {}

    def settings(self) -> MarketSettings:
        """The rules in force."""
        settings = self._settings()
        return MarketSettings(
            region=self._region.name,
            chain_id=self._chain_id,
            time_zone=self._region.time_zone,
            cooling_off_seconds=settings.cooling_off_seconds,
            floor_ticks=settings.floor_ticks,
            cap_ticks=settings.cap_ticks,
            gate_lead_seconds=settings.gate_lead_seconds,
            trading_roles=sorted(role.name.lower() for role in settings.trading_roles),
        )

    def periods(self, day: int | None = None, *, active_only: bool = False) -> list[PeriodSummary]:
        """The delivery periods of a day; by default all that something waits or was agreed in, from today on."""
        first = self._clock() // PERIOD_SECONDS
        active = self._state.periods()
        if day is None:
            periods: Iterable[int] = sorted(period for period in active if period >= first)
        else:
            periods = range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
        return [self._summary(period) for period in periods if not active_only or period in active]

    def book(self, period: int, energy_type: EnergyTypeName | None = None, depth: int = 50) -> OrderBook:
        """The book of a period, for one energy type or all."""
        accepted = types_of([energy_type] if energy_type else None)
        asks, bids = (list(islice(self._levels(period, side, accepted), depth)) for side in (Side.ASK, Side.BID))
        return OrderBook(
            period=period,
            starts_at=period * PERIOD_SECONDS,
            gate_closes_at=self.gate_closes_at(period),
            energy_type=energy_type,
            asks=asks,
            bids=bids,
            spread_ticks=self._spread_ticks(period, accepted),
            height=self._state.height,
        )

    def trades(
        self,
        *,
        period: int | None = None,
        day: int | None = None,
        energy_type: EnergyTypeName | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Trade]:
        """The tape, newest first."""
        state, accepted = self._state, types_of([energy_type] if energy_type else None)
        if period is not None:
            numbers: Iterable[int] = reversed(state.deals_of_period.get(period, []))
        elif day is not None:
            numbers = sorted((deal.deal_id for deal in state.deals_on(day)), reverse=True)
        else:
            numbers = reversed(state.deals)
        deals = (state.deals[number] for number in numbers)
        fitting = (deal for deal in deals if deal.energy_type & accepted)
        return cut(fitting, cursor, limit, key=lambda deal: -deal.deal_id, view=trade_view)

    def day_prices(self, day: int, energy_type: EnergyTypeName | None = None) -> DayPrices:
        """Prices and volumes of a delivery day, period by period."""
        accepted = types_of([energy_type] if energy_type else None)
        traded = (
            self._prices(period, accepted) for period in range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
        )
        periods = [prices for prices in traded if prices]
        return DayPrices(
            day=day,
            energy_type=energy_type,
            energy_wh=sum(prices.energy_wh for prices in periods),
            money=sum(prices.money for prices in periods),
            deal_count=sum(prices.deal_count for prices in periods),
            periods=periods,
        )

    def quote(self, offer: Offer, node_id: str | None = None) -> Quote:
        """Say what would happen to an order, as far as that follows from what waits now."""
        matched_wh = matched_money = 0
        best: int | None = None
        own = self._directory.trader(node_id, offer.period // PERIODS_PER_DAY) if node_id else None
        for price_ticks, entry in self._candidates(offer):
            if entry.trader == own:
                continue
            best = price_ticks if best is None else best
            if not _meets(offer, price_ticks) or matched_wh == offer.energy_wh:
                break
            energy_wh = min(entry.open_wh, offer.energy_wh - matched_wh)
            matched_wh += energy_wh
            matched_money += energy_wh * (price_ticks if offer.side is Side.BID else offer.price_ticks)
        free = self._state.account(own).free_money if own is not None else None
        needed_money = matched_money if offer.side is Side.BID and free is not None else 0
        return Quote(
            side=SideName(offer.side.name.lower()),
            period=offer.period,
            energy_wh=offer.energy_wh,
            price_ticks=offer.price_ticks,
            best_price_ticks=best,
            matched_wh=matched_wh,
            waiting_wh=offer.energy_wh - matched_wh,
            matched_money=matched_money,
            limit_money=offer.energy_wh * offer.price_ticks,
            free_money=free,
            quota_wh=None if own is None or offer.side is Side.BID else self._free_quota(own, offer.period),
            cooling_off_seconds=self._settings().cooling_off_seconds,
            gate_closes_at=self.gate_closes_at(offer.period),
            obstacles=[reason.name.lower() for reason in self.obstacles(offer)],
            warnings=[Reason.DEPOSIT_TOO_SMALL.name.lower()] if needed_money > (free or 0) else [],
        )

    def obstacles(self, offer: Offer) -> list[Reason]:
        """Why the market would refuse an order as things stand."""
        settings = self._settings()
        found = []
        if self._clock() >= self.gate_closes_at(offer.period):
            found.append(Reason.GATE_CLOSED)
        if not settings.floor_ticks <= offer.price_ticks <= settings.cap_ticks:
            found.append(Reason.PRICE_OUT_OF_BOUNDS)
        if offer.energy_wh == 0:
            found.append(Reason.ENERGY_ZERO)
        if offer.side is Side.ASK and offer.energy_types.bit_count() != 1:
            found.append(Reason.ENERGY_TYPES_INVALID)
        return found

    def gate_closes_at(self, period: int) -> int:
        """When a period's gate closes, in seconds since the epoch."""
        return period * PERIOD_SECONDS - self._settings().gate_lead_seconds

    def first_open_period(self) -> int:
        """The next delivery period whose gate takes orders."""
        return (self._clock() + self._settings().gate_lead_seconds) // PERIOD_SECONDS + 1

    def _free_quota(self, trader: int, period: int) -> int:
        position = self._state.position(trader, period)
        return position.quota_wh - position.held_wh - position.sold_wh

    def _candidates(self, offer: Offer) -> Iterable[tuple[int, OrderEntry]]:
        for price_ticks, orders in self._state.levels(offer.period, offer.side.opposite):
            for entry in orders:
                if entry.energy_types & offer.energy_types:
                    yield price_ticks, entry

    def _levels(self, period: int, side: Side, accepted: EnergyType) -> Iterator[PriceLevel]:
        levels = (price_level(ticks, orders, accepted) for ticks, orders in self._state.levels(period, side))
        return (level for level in levels if level is not None)

    def _spread_ticks(self, period: int, accepted: EnergyType) -> int | None:
        """Distance of the best prices, of the energy type in which they are closest: others do not meet."""
        spreads = [
            ask - bid
            for one in EnergyType
            if one & accepted
            and (ask := self._best(period, Side.ASK, one)) is not None
            and (bid := self._best(period, Side.BID, one)) is not None
        ]
        return min(spreads, default=None)

    def _best(self, period: int, side: Side, energy_type: EnergyType) -> int | None:
        levels = self._state.levels(period, side)
        return next((ticks for ticks, orders in levels if any(one.energy_types & energy_type for one in orders)), None)

    def _summary(self, period: int) -> PeriodSummary:
        state, traded = self._state, self._prices(period, EnergyType.any())
        gate_closes_at = self.gate_closes_at(period)
        return PeriodSummary(
            period=period,
            starts_at=period * PERIOD_SECONDS,
            gate_closes_at=gate_closes_at,
            is_open=self._clock() < gate_closes_at,
            best_ask_ticks=state.best(period, Side.ASK),
            best_bid_ticks=state.best(period, Side.BID),
            ask_energy_wh=state.waiting_wh(period, Side.ASK),
            bid_energy_wh=state.waiting_wh(period, Side.BID),
            traded_energy_wh=traded.energy_wh if traded else 0,
            last_price_ticks=traded.close_ticks if traded else None,
        )

    def _prices(self, period: int, accepted: EnergyType) -> PeriodPrices | None:
        """Prices and volumes of a period, computed once while its deals stay as they are; None if there are none."""
        changes = self._state.deal_changes(period)
        known = self._known_prices.get((period, accepted))
        if known is None or known[0] != changes:
            deals = (self._state.deals[number] for number in self._state.deals_of_period.get(period, []))
            traded = [deal for deal in deals if deal.transfers and deal.energy_type & accepted]
            known = self._known_prices[period, accepted] = changes, _prices(period, traded) if traded else None
        return known[1]


def _meets(offer: Offer, price_ticks: int) -> bool:
    return price_ticks <= offer.price_ticks if offer.side is Side.BID else price_ticks >= offer.price_ticks


def _prices(period: int, deals: list[DealEntry]) -> PeriodPrices:
    prices = [deal.price_ticks for deal in deals]
    energy_wh, money = sum(deal.energy_wh for deal in deals), sum(deal.money for deal in deals)
    return PeriodPrices(
        period=period,
        energy_wh=energy_wh,
        money=money,
        deal_count=len(deals),
        open_ticks=prices[0],
        high_ticks=max(prices),
        low_ticks=min(prices),
        close_ticks=prices[-1],
        average_ticks=money / energy_wh,
    )
