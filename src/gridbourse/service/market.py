"""What everybody may ask of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import neg

from gridbourse.api.schema import (
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
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import EnergyType, Offer, Reason, Settings, Side
from gridbourse.region.description import RegionSpec
from gridbourse.service.deals import Traded
from gridbourse.service.half_book import WaitingOrder
from gridbourse.service.market_state import MarketState
from gridbourse.service.paging import cut, newest_first
from gridbourse.service.views import price_level, trade_view, types_of
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
        directory: ParticipantRegistry,
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
        self._known_prices: dict[tuple[int, EnergyType], _Prices] = {}

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
        deals = self._state.deals
        if period is not None:
            numbers = newest_first(deals.of_period(period), cursor)
        elif day is not None:
            periods = range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
            numbers = merge(*(newest_first(deals.of_period(one), cursor) for one in periods), reverse=True)
        else:
            numbers = newest_first(range(1, len(deals) + 1), cursor)
        if energy_type:
            wanted = int(types_of([energy_type]))
            numbers = (number for number in numbers if deals.energy_type(number) == wanted)
        return cut(numbers, cursor, limit, key=neg, view=lambda number: trade_view(deals[number]))

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

    def _candidates(self, offer: Offer) -> Iterable[tuple[int, WaitingOrder]]:
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
            and (ask := self._state.best(period, Side.ASK, one)) is not None
            and (bid := self._state.best(period, Side.BID, one)) is not None
        ]
        return min(spreads, default=None)

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
        """Prices and volumes of a period; None if there are none. Deals that were counted are not looked at again."""
        deals = self._state.deals
        known = self._known_prices.get((period, accepted))
        if known is None or known.endings != deals.endings(period):
            known = _Prices(int(accepted), deals.endings(period))
            if deals.of_period(period):
                self._known_prices[period, accepted] = known
        for traded in deals.traded(period, after=known.seen):
            known.count(traded)
        known.seen = len(deals.of_period(period))
        return known.view(period) if known.deal_count else None


def _meets(offer: Offer, price_ticks: int) -> bool:
    return price_ticks <= offer.price_ticks if offer.side is Side.BID else price_ticks >= offer.price_ticks


@dataclass(slots=True)
class _Prices:
    """Prices and volumes of a period's deals in some energy types, as far as they were counted.

    Parameters
    ----------
    types
        Bits of the energy types.
    endings
        How many of the deals had ended without a transfer when the count began.
    seen
        How many of the deals were looked at.
    """

    types: int
    endings: int
    seen: int = 0
    deal_count: int = 0
    energy_wh: int = 0
    money: int = 0
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    close_ticks: int = 0

    def count(self, deal: Traded) -> None:
        """Count the next deal."""
        if not deal.energy_type & self.types:
            return
        ticks = deal.price_ticks
        if not self.deal_count:
            self.open_ticks = self.high_ticks = self.low_ticks = ticks
        self.deal_count += 1
        self.energy_wh += deal.energy_wh
        self.money += deal.energy_wh * ticks
        self.high_ticks, self.low_ticks = max(self.high_ticks, ticks), min(self.low_ticks, ticks)
        self.close_ticks = ticks

    def view(self, period: int) -> PeriodPrices:
        """What is told of them."""
        return PeriodPrices(
            period=period,
            energy_wh=self.energy_wh,
            money=self.money,
            deal_count=self.deal_count,
            open_ticks=self.open_ticks,
            high_ticks=self.high_ticks,
            low_ticks=self.low_ticks,
            close_ticks=self.close_ticks,
            average_ticks=self.money / self.energy_wh,
        )
