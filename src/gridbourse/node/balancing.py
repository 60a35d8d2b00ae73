"""The settlement of a delivery day between organisations that see the main chain and their own slave chain only.

=========================== ====================== ================== ==============================================
what                        by                     where              read by
=========================== ====================== ================== ==============================================
`MeteredDetails`            every master           its slave chain    the user and its master
`MeteredTotal`              every master           main chain, sealed the settlement agent
imbalance price             the settlement agent   main chain, plain  everybody
`StatementDetails`          every master           its slave chain    the user and its master
=========================== ====================== ================== ==============================================

The regulator reads all four. Each follows from what stands before it and is written if it is not there, or not what
follows any more: a late reading brings a new total, that a new price, that new statements, and the newest count.
For the price, a master that has not submitted by the time that the settings allow did what it traded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from gridbourse.crypto.envelope import key_id, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.index.balance_view import BalanceView, imbalance_price, settled_deals
from gridbourse.index.market_view import MarketView
from gridbourse.ledger.balancing_records import MeteredDetails, MeteredTotal, StatementDetails
from gridbourse.node.master import Master
from gridbourse.node.node import Region
from gridbourse.node.relay import Relay
from gridbourse.settlement.imbalance import Traded, traded_by
from gridbourse.units import PERIOD_SECONDS, PERIODS_PER_DAY

logger = logging.getLogger(__name__)

DUE_MARGIN_SECONDS = 60
"""Clocks differ: the settlement agent waits a little longer than the block that it publishes in has to be late."""

Metered = Mapping[str, Sequence[int | None]]
"""By node, shape (periods,), in Wh: fed in less drawn, None where a reading is missing or in doubt."""


def record_metered(region: Region, periods: range, metered_wh: Metered) -> None:
    """Let masters write what the meters of their nodes say to their slave chains, where it is new.

    Parameters
    ----------
    region
        With the masters of the nodes.
    periods
        Of one delivery day.
    metered_wh
        Of nodes of these masters; over `periods`.

    Raises
    ------
    InvalidValue
        The periods are not of one day, a node is not known here, or one of this folder traded and has no meter.
    """
    day = day_of(periods)
    for node_id, series in metered_wh.items():
        region.master_of(node_id)
        if len(series) != len(periods):
            raise InvalidValue(f"metered energies of {node_id}", len(series), f"{len(periods)} of them")
    for name, master in region.masters.items():
        relay = region.relays[name]
        relay.catch_up()
        _require_meters(master, relay.market, periods, metered_wh)
        stated = [_metered(node_id, periods, metered_wh[node_id]) for node_id in master.nodes if node_id in metered_wh]
        known = relay.metered.get(day, {})
        news = [details for details in stated if known.get(details.user_id) != details]
        master.write([(details, (master.nodes[details.user_id].encryption_public,)) for details in news])


class DaySettlement:
    """Does what the members of this folder have to do for the settlement of any day, as far as it can be done now.

    Parameters
    ----------
    region
        The open region.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self._start()

    def _start(self) -> None:
        self._view = BalanceView(self._region.main)
        self._read = 0
        self._totals: dict[int, dict[int, MeteredTotal]] = {}
        self._done: dict[tuple[str, int], tuple[object, ...]] = {}

    def step(self) -> None:
        """Submit totals, publish prices, write statements: whatever follows from the chains and is not there yet."""
        if self._view.main is not self._region.main:
            # Keys were rotated, and all parts made anew.
            self._start()
        for name in self._region.masters:
            self._submit(self._region.masters[name], self._caught_up(name))
        agent = self._region.main.consortium.settlement_agent()
        for name, master in self._region.masters.items():
            if master.membership.master_id == agent:
                self._publish(master, self._caught_up(name))
        for name in self._region.masters:
            self._write(self._region.masters[name], self._caught_up(name))

    def _caught_up(self, name: str) -> Relay:
        """A relay and the view of the balance, both as of the same block."""
        relay = self._region.relays[name]
        relay.catch_up()
        self._view.catch_up(relay.market.height)
        return relay

    # Every master: its total

    def _submit(self, master: Master, relay: Relay) -> None:
        if not relay.metered:
            return
        agent = master.main.consortium.settlement_agent()
        for day in relay.metered:
            signature = relay.metered_count[day], _deals_of(relay.market, day), agent
            key = f"submit {master.membership.name}", day
            if self._done.get(key) == signature:
                continue
            total = _total(master, relay, day)
            if not self._is_submitted(master, total, agent):
                master.submit([total], agent)
            self._done[key] = signature

    def _is_submitted(self, master: Master, total: MeteredTotal, agent: int) -> bool:
        """Whether the newest total of these periods says the same, and the agent can open it."""
        reader = key_id(master.main.balancing.encryption_key(agent))
        for submission in reversed(self._view.submissions):
            record = submission.record
            if submission.master_id != master.membership.master_id or record.kind != MeteredTotal.KIND:
                continue
            stated = master.encryption_node.open_submitted(record)
            if isinstance(stated, MeteredTotal) and stated.first_period == total.first_period:
                return reader in recipients_of(record.content[HASH_BYTES:]) and _said(stated) == _said(total)
        return False

    # The settlement agent: the price

    def _publish(self, agent: Master, relay: Relay) -> None:
        self._open_totals(agent)
        stated = {period for totals in self._totals.values() for period in totals}
        if not stated:
            return
        settings, market = agent.main.consortium.settings(), relay.market

        def totals_of(period: int) -> dict[int, MeteredTotal]:
            return {master_id: own[period] for master_id, own in self._totals.items() if period in own}

        due_before = self._region.clock() - settings.metering_due_seconds - DUE_MARGIN_SECONDS
        for day in sorted({period // PERIODS_PER_DAY for period in stated}):
            is_due = (day + 1) * PERIODS_PER_DAY * PERIOD_SECONDS <= due_before
            signature = self._read, _deals_of(market, day), is_due, settings
            key = "publish", day
            if self._done.get(key) == signature:
                continue
            awaited = agent.main.consortium.active_masters_at(market.height) & set(market.master_of.values())
            periods = sorted(period for period in stated if period // PERIODS_PER_DAY == day)
            ready = [period for period in periods if is_due or awaited <= totals_of(period).keys()]
            prices = [
                imbalance_price(period, market.settled(period), market.master_of, totals_of(period), settings)
                for period in ready
            ]
            news = [price for price in prices if price != self._view.price(price.period)]
            if news:
                call = agent.main.balancing.publish_imbalance_prices(news, market.height)
                agent.main_wallet.send(call)
            self._done[key] = signature

    def _open_totals(self, agent: Master) -> None:
        for submission in self._view.submissions[self._read :]:
            self._read += 1
            if submission.record.kind != MeteredTotal.KIND:
                continue
            try:
                total = agent.encryption_node.open_submitted(submission.record)
            except EnvelopeError as error:
                logger.warning("a total of master %d does not count: %s", submission.master_id, error)
                continue
            if isinstance(total, MeteredTotal):
                self._totals.setdefault(submission.master_id, {}).update(dict.fromkeys(total.periods, total))

    # Every master: the statements

    def _write(self, master: Master, relay: Relay) -> None:
        for day, metered in relay.metered.items():
            published = map(self._view.price, _periods_of(day))
            prices = {price.period: price.price_ticks for price in published if price is not None}
            signature = relay.metered_count[day], _deals_of(relay.market, day), prices
            key = f"write {master.membership.name}", day
            if not prices or self._done.get(key) == signature:
                continue
            traded = {period: own_trades(master, relay.market, period) for period in prices}
            stated = [
                _statement(details, traded, prices)
                for details in metered.values()
                if all(period in prices for period in details.periods)
            ]
            known = relay.statements
            news = [details for details in stated if known.get((details.user_id, day)) != details]
            master.write([(details, (master.nodes[details.user_id].encryption_public,)) for details in news])
            self._done[key] = signature


def own_trades(master: Master, market: MarketView, period: int) -> dict[str, Traded]:
    """What a master's own nodes traded for a period, by node; others' under no name."""

    def name(trader: int) -> str:
        node = master.node_of(trader)
        return node.spec.node_id if node else ""

    return traded_by(settled_deals(market.settled(period), name))


def day_of(periods: range) -> int:
    """The delivery day of periods.

    Raises
    ------
    InvalidValue
        They are not of one day.
    """
    days = {periods[0] // PERIODS_PER_DAY, periods[-1] // PERIODS_PER_DAY} if periods else set()
    if len(days) != 1:
        raise InvalidValue("periods", periods, "delivery periods of one day")
    return days.pop()


def _require_meters(master: Master, market: MarketView, periods: range, metered_wh: Metered) -> None:
    for period in periods:
        for node_id in own_trades(master, market, period):
            if node_id and node_id not in metered_wh:
                raise InvalidValue("metered_wh", node_id, "energies, or None, of every node that traded")


def _deals_of(market: MarketView, day: int) -> int:
    """How many deals of a day were carried out: it tells whether there are new ones."""
    return sum(len(market.settled_numbers(period)) for period in _periods_of(day))


def _periods_of(day: int) -> range:
    return range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)


def _total(master: Master, relay: Relay, day: int) -> MeteredTotal:
    """Sum what is metered; a node without a reading is in it as if it had done what it traded."""
    metered = relay.metered[day]
    spans = [details.periods for details in metered.values()]
    periods = range(min(span.start for span in spans), max(span.stop for span in spans))
    balances, open_periods = [], []
    for period in periods:
        known = {node_id: details.metered_wh(period) for node_id, details in metered.items()}
        if None in known.values():
            open_periods.append(period)
        traded = own_trades(master, relay.market, period)
        balances.append(sum(_as_traded(known.get(node_id), traded.get(node_id, Traded())) for node_id in master.nodes))
    return MeteredTotal(
        first_period=periods.start,
        fed_in_wh=tuple(_above(balances)),
        drawn_wh=tuple(_above(-balance for balance in balances)),
        open_periods=tuple(open_periods),
        records=relay.record_count,
        as_of_block=relay.market.height,
    )


def _as_traded(metered_wh: int | None, traded: Traded) -> int:
    return traded.position_wh if metered_wh is None else metered_wh


def _said(total: MeteredTotal) -> tuple[object, ...]:
    """What a total says, apart from what it was made of."""
    return total.first_period, total.fed_in_wh, total.drawn_wh, total.open_periods


def _metered(node_id: str, periods: range, series: Sequence[int | None]) -> MeteredDetails:
    return MeteredDetails(
        user_id=node_id,
        first_period=periods.start,
        fed_in_wh=tuple(_above(wh or 0 for wh in series)),
        drawn_wh=tuple(_above(-(wh or 0) for wh in series)),
        open_periods=tuple(period for period, wh in zip(periods, series, strict=True) if wh is None),
    )


def _statement(
    metered: MeteredDetails, traded: Mapping[int, Mapping[str, Traded]], prices: Mapping[int, int]
) -> StatementDetails:
    own = [traded[period].get(metered.user_id, Traded()) for period in metered.periods]
    return StatementDetails(
        user_id=metered.user_id,
        first_period=metered.first_period,
        bought_wh=tuple(line.bought_wh for line in own),
        sold_wh=tuple(line.sold_wh for line in own),
        paid=tuple(line.paid for line in own),
        received=tuple(line.received for line in own),
        fed_in_wh=metered.fed_in_wh,
        drawn_wh=metered.drawn_wh,
        open_periods=metered.open_periods,
        price_ticks=tuple(prices[period] for period in metered.periods),
    )


def _above(values: Sequence[int] | Iterator[int]) -> Iterator[int]:
    return (max(value, 0) for value in values)
