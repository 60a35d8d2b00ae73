"""What everybody may ask of the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridbourse.api.schema import (
    DayPrices,
    EnergyTypeName,
    MarketSettings,
    OrderBook,
    Page,
    PeriodPrices,
    PeriodSummary,
    Quote,
    SideName,
    Trade,
)
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.naming import types_of
from gridbourse.index.queries.orders import WaitingSide
from gridbourse.index.queries.reader import IndexReader
from gridbourse.market.types import EnergyType, Offer, Reason, Settings, Side
from gridbourse.region.description import RegionSpec
from gridbourse.service.use_cases.paging import page_of, read_cursor
from gridbourse.units import MAX_PERIOD, PERIOD_SECONDS


class MarketQueries:
    """Reads the market; asks no chain.

    Parameters
    ----------
    index
        The index.
    calendar
        The region's delivery days.
    settings
        The settings in force.
    region, chain_id
        Whose market it is, and its main chain's id.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        index: IndexReader,
        calendar: DeliveryCalendar,
        settings: Callable[[], Settings],
        region: RegionSpec,
        chain_id: int,
        clock: Callable[[], int],
    ) -> None:
        self._index = index
        self._calendar = calendar
        self._settings = settings
        self._region = region
        self._chain_id = chain_id
        self._clock = clock

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
            region_display_name=self._region.display_name,
            least_wh=settings.least_wh,
            bid_multiple=settings.bid_multiple,
        )

    def periods(self, day: int | None = None, *, active_only: bool = False) -> list[PeriodSummary]:
        """The delivery periods of a day; by default all that something waits or was agreed in, from today on."""
        first = self._clock() // PERIOD_SECONDS
        wanted = range(first, MAX_PERIOD + 1) if day is None else self._calendar.periods(day)
        waiting = self._index.orders.waiting(wanted)
        active = {period for period, _ in waiting} | self._index.trades.active_periods(wanted)
        prices = self._index.trades.prices(wanted, EnergyType.any())
        shown = sorted(active) if day is None or active_only else wanted
        return [self._summary(period, waiting, prices.get(period)) for period in shown]

    def book(self, period: int, energy_type: EnergyTypeName | None = None, depth: int = 50) -> OrderBook:
        """The book of a period, for one energy type or all."""
        accepted = types_of([energy_type] if energy_type else None)
        asks, bids = (self._index.orders.levels(period, side, accepted, depth) for side in (Side.ASK, Side.BID))
        return OrderBook(
            period=period,
            starts_at=period * PERIOD_SECONDS,
            gate_closes_at=self.gate_closes_at(period),
            energy_type=energy_type,
            asks=asks,
            bids=bids,
            spread_ticks=self._spread_ticks(period, accepted),
            height=self._index.chains.height(),
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
        periods = (
            range(period, period + 1) if period is not None else None if day is None else self._calendar.periods(day)
        )
        wanted = types_of([energy_type]) if energy_type else None
        found = self._index.trades.tape(periods, wanted, read_cursor(cursor), limit + 1)
        return page_of(found, limit, place=lambda trade: trade.deal_id, view=lambda trade: trade)

    def day_prices(self, day: int, energy_type: EnergyTypeName | None = None) -> DayPrices:
        """Prices and volumes of a delivery day, period by period."""
        accepted = types_of([energy_type] if energy_type else None)
        periods = list(self._index.trades.prices(self._calendar.periods(day), accepted).values())
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
        own = self._index.participants.trader(node_id, self._calendar.day_of(offer.period)) if node_id else None
        waiting = self._index.orders.candidates(offer.period, offer.side.opposite, offer.energy_types)
        for price_ticks, trader, open_wh in waiting:
            if trader == own:
                continue
            best = price_ticks if best is None else best
            if not _meets(offer, price_ticks) or matched_wh == offer.energy_wh:
                break
            energy_wh = min(open_wh, offer.energy_wh - matched_wh)
            matched_wh += energy_wh
            matched_money += energy_wh * (price_ticks if offer.side is Side.BID else offer.price_ticks)
        free = self._index.accounts.account(own).free_money if own is not None else None
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
            obstacles=[reason.name.lower() for reason in self.obstacles(offer, free)],
            warnings=[Reason.DEPOSIT_TOO_SMALL.name.lower()] if needed_money > (free or 0) else [],
        )

    def obstacles(self, offer: Offer, free_money: int | None = None) -> list[Reason]:
        """Why the market would refuse an order as things stand, of a trader with so much free money if it is known."""
        settings = self._settings()
        found = []
        if self._clock() >= self.gate_closes_at(offer.period):
            found.append(Reason.GATE_CLOSED)
        if not settings.floor_ticks <= offer.price_ticks <= settings.cap_ticks:
            found.append(Reason.PRICE_OUT_OF_BOUNDS)
        if offer.energy_wh < settings.least_wh:
            found.append(Reason.ENERGY_TOO_SMALL)
        most_money = None if free_money is None else free_money * settings.bid_multiple
        if offer.side is Side.BID and most_money is not None and offer.energy_wh * offer.price_ticks > most_money:
            found.append(Reason.DEPOSIT_TOO_SMALL)
        if offer.side is Side.ASK and offer.energy_types.bit_count() != 1:
            found.append(Reason.ENERGY_TYPES_INVALID)
        return found

    def gate_closes_at(self, period: int) -> int:
        """When a period's gate closes, in seconds since the epoch."""
        return self._settings().gate_closes_at(period)

    def first_open_period(self) -> int:
        """The next delivery period whose gate takes orders."""
        return self._settings().first_open_period(self._clock())

    def _free_quota(self, trader: int, period: int) -> int:
        position = self._index.accounts.position(trader, period)
        return position.quota_wh - position.held_wh - position.sold_wh

    def _spread_ticks(self, period: int, accepted: EnergyType) -> int | None:
        """Distance of the best prices, of the energy type in which they are closest: others do not meet."""
        asks, bids = (self._index.orders.best_of_types(period, side) for side in (Side.ASK, Side.BID))
        spreads = [
            ask - bid for offered, ask in asks.items() for wanted, bid in bids.items() if offered & wanted & accepted
        ]
        return min(spreads, default=None)

    def _summary(
        self, period: int, waiting: Mapping[tuple[int, Side], WaitingSide], traded: PeriodPrices | None
    ) -> PeriodSummary:
        asks, bids = waiting.get((period, Side.ASK)), waiting.get((period, Side.BID))
        gate_closes_at = self.gate_closes_at(period)
        return PeriodSummary(
            period=period,
            starts_at=period * PERIOD_SECONDS,
            gate_closes_at=gate_closes_at,
            is_open=self._clock() < gate_closes_at,
            best_ask_ticks=asks.best_ticks if asks else None,
            best_bid_ticks=bids.best_ticks if bids else None,
            ask_energy_wh=asks.waiting_wh if asks else 0,
            bid_energy_wh=bids.waiting_wh if bids else 0,
            traded_energy_wh=traded.energy_wh if traded else 0,
            last_price_ticks=traded.close_ticks if traded else None,
        )


def _meets(offer: Offer, price_ticks: int) -> bool:
    return price_ticks <= offer.price_ticks if offer.side is Side.BID else price_ticks >= offer.price_ticks
