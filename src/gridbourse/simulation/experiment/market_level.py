"""A scenario on the market alone: the reference market, or a call auction, without keys, records and chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gridbourse.delivery import DeliveryCalendar
from gridbourse.grid.capacity import transfer_capacities
from gridbourse.market.auction import PRICINGS, clear, pair
from gridbourse.market.auction import Side as AuctionSide
from gridbourse.market.consortium import Consortium
from gridbourse.market.local_first import LocalOrder, match_locally
from gridbourse.market.reference import ReferenceMarket
from gridbourse.market.types import OrderId, OrderRequest, Side, ZonePair
from gridbourse.simulation.experiment.venue import QUOTA_WH, batches, expected_wh
from gridbourse.simulation.scenario.description import Scenario
from gridbourse.simulation.scenario.values import AUCTIONS, Mechanism, Order, RunRecord, Trade

_RECORD = bytes(32)


class BookVenue:
    """The reference market, whose rules the contract has too; orders of one batch come master by master.

    Parameters
    ----------
    scenario
        What is run. Deals are binding at once: nobody abandons one.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        spec = scenario.region
        settings = replace(spec.settings, cooling_off_seconds=0)
        self._market = ReferenceMarket(Consortium([master.role for master in spec.masters], settings))
        self._agent = self._market.consortium.settlement_agent
        self._calendar = DeliveryCalendar(spec.time_zone)
        numbers = {master.name: number for number, master in enumerate(spec.masters, start=1)}
        self._master_of = {one.name: numbers[one.master] for one in scenario.participants}
        self._zone_of = {one.name: one.node.zone for one in scenario.participants}
        self._network = scenario.network
        self._day: int | None = None
        self._traders: dict[str, int] = {}
        self._settled = 0

    def trade(self, period: int, orders: Sequence[Order]) -> list[Trade]:
        """Let orders enter the book, and settle what they make."""
        self._open_day(self._calendar.day_of(period))
        if self._network is not None:
            self._publish_capacities(period, expected_wh(orders))
        now = max(self._scenario.region.settings.gate_closes_at(period) - 1, 0)
        placed: dict[OrderId, Order] = {}
        trades: list[Trade] = []
        for batch in batches(self._scenario.mechanism, orders):
            for master, own in self._by_master(batch).items():
                left = self._locally(own, trades) if self._scenario.mechanism is Mechanism.LOCAL_FIRST else own
                placed |= self._place(master, left, now)
        return trades + self._settle(placed)

    def record(self, orders: Sequence[Order], trades: Sequence[Trade]) -> RunRecord:
        """Orders and trades; nothing else took part."""
        return RunRecord(tuple(orders), tuple(trades))

    def close(self) -> None:
        """Nothing is held."""

    def _open_day(self, day: int) -> None:
        """Name everybody anew and credit a deposit, as on every delivery day of a region."""
        if day == self._day:
            return
        self._day = day
        for number, one in enumerate(self._scenario.participants):
            pseudonym = (day << 32 | number + 1).to_bytes(32, "big")
            master = self._master_of[one.name]
            self._traders[one.name] = self._market.register_traders(master, [pseudonym], [self._zone_of[one.name]])
        deposits = dict.fromkeys(self._traders.values(), self._scenario.deposit)
        self._market.deposit(self._agent, deposits, day.to_bytes(32, "big"))

    def _publish_capacities(self, period: int, energies_wh: dict[str, int]) -> None:
        assert self._network is not None
        delivered, drawn = ({zone: [0] for zone in self._network.zones} for _ in range(2))
        for name, energy_wh in energies_wh.items():
            side = delivered if energy_wh > 0 else drawn
            side[self._network.zones[self._zone_of[name]]][0] += abs(energy_wh)
        margin = self._scenario.region.grid.margin_permille
        capacities = transfer_capacities(self._network, delivered, drawn, margin_permille=margin)
        zones = self._network.zones
        self._market.publish_transfer_capacity(
            self._market.consortium.dispatcher,
            {
                ZonePair(period, zones.index(start), zones.index(end)): series[0]
                for (start, end), series in capacities.items()
            },
        )

    def _by_master(self, batch: Sequence[Order]) -> dict[int, list[Order]]:
        found: dict[int, list[Order]] = {}
        for order in batch:
            found.setdefault(self._master_of[order.want.participant], []).append(order)
        return found

    def _place(self, master: int, orders: Sequence[Order], now: int) -> dict[OrderId, Order]:
        requests = [
            OrderRequest(
                self._traders[want.participant],
                want.side,
                want.energy_types,
                want.period,
                order.price_ticks,
                want.energy_wh,
            )
            for order in orders
            for want in (order.want,)
        ]
        sellers = {(own.trader, own.period): QUOTA_WH for own in requests if own.side is Side.ASK}
        self._market.set_quotas(master, sellers)
        order_ids = self._market.place_many(master, requests, [_RECORD] * len(requests), now)
        return {order_id: order for order_id, order in zip(order_ids, orders, strict=True) if order_id}

    def _settle(self, placed: dict[OrderId, Order]) -> list[Trade]:
        fresh = range(self._settled + 1, self._market.deal_count + 1)
        self._settled = self._market.deal_count
        self._market.settle(self._agent, fresh)
        deals = [self._market.deal(number) for number in fresh]
        return [Trade.between(placed[deal.ask], placed[deal.bid], deal.energy_wh, deal.price_ticks) for deal in deals]

    def _locally(self, orders: Sequence[Order], trades: list[Trade]) -> list[Order]:
        """Let a master's orders meet each other; adds their trades, returns what is left of them."""
        local = [
            LocalOrder(str(place), want.side, want.energy_types, want.period, order.price_ticks, want.energy_wh)
            for place, order in enumerate(orders)
            for want in (order.want,)
        ]
        matched = match_locally(local, self._best_outside)
        trades += [
            Trade.between(orders[int(own.ask.user)], orders[int(own.bid.user)], own.energy_wh, own.ask.price_ticks)
            for own in matched.trades
        ]
        return [
            Order(replace(orders[int(own.user)].want, energy_wh=own.energy_wh), own.price_ticks)
            for own in matched.residual
        ]

    def _best_outside(self, order: LocalOrder) -> int | None:
        waiting = self._market.book.waiting(order.period, order.side.opposite, order.energy_types)
        best = next(waiting, None)
        return best.price_ticks if best else None


class AuctionVenue:
    """A call auction of each delivery period. It knows no zones, and takes all energy for one kind.

    Parameters
    ----------
    scenario
        What is run.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._pricing = PRICINGS[scenario.mechanism]

    def trade(self, period: int, orders: Sequence[Order]) -> list[Trade]:
        """Clear the orders."""
        del period  # of all orders
        asks, bids = ([order for order in orders if order.want.side is side] for side in Side)
        ask_side, bid_side = (
            AuctionSide.of([(order.price_ticks, order.want.energy_wh) for order in own]) for own in (asks, bids)
        )
        cleared = clear(ask_side, bid_side, tie_rule=self._scenario.tie_rule, rationing=self._scenario.rationing)
        pairs = pair(ask_side, bid_side, cleared, self._pricing)
        columns = (column.tolist() for column in (pairs.ask, pairs.bid, pairs.energy_wh, pairs.price_ticks))
        return [
            Trade.between(asks[ask], bids[bid], energy_wh, price_ticks)
            for ask, bid, energy_wh, price_ticks in zip(*columns, strict=True)
        ]

    def record(self, orders: Sequence[Order], trades: Sequence[Trade]) -> RunRecord:
        """Orders and trades; nothing else took part."""
        return RunRecord(tuple(orders), tuple(trades))

    def close(self) -> None:
        """Nothing is held."""


def market_venue(scenario: Scenario) -> BookVenue | AuctionVenue:
    """The venue of a scenario's mechanism."""
    return AuctionVenue(scenario) if scenario.mechanism in AUCTIONS else BookVenue(scenario)
