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
from collections.abc import Callable, Iterator, Mapping, Sequence

from gridbourse.crypto.envelope import key_id, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import EnvelopeError
from gridbourse.index.relaying import MarketReader
from gridbourse.ledger.balancing_records import MeteredDetails, MeteredTotal, StatementDetails
from gridbourse.node.master import Master
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay
from gridbourse.regulator.balance_view import imbalance_price, settled_deals
from gridbourse.settlement.imbalance import Traded, traded_by

logger = logging.getLogger(__name__)

GRACE_SECONDS = 3_600
"""So long after a day its last readings may take; then it is settled with what is there."""

LOOK_BACK_DAYS = 7
"""So many days before today are looked at for masters that have nothing to meter."""

DUE_MARGIN_SECONDS = 60
"""Clocks differ: the settlement agent waits a little longer than the block that it publishes in has to be late."""

Metered = Mapping[str, Mapping[int, int | None]]
"""By node and period, in Wh: fed in less drawn, None where a reading is missing or in doubt."""

Step = Callable[[str, int], None]
"""What a master does for a day: its name, and the day."""


def record_metered(region: Region, metered_wh: Metered) -> None:
    """Let masters write what the meters of their nodes say to their slave chains, where it is new.

    What was recorded of a day before still counts for the periods that nothing is said of.

    Parameters
    ----------
    region
        With the masters of the nodes.
    metered_wh
        Of nodes of these masters, in periods of one delivery day.

    Raises
    ------
    InvalidValue
        The periods are not of one day, or a node is not known here.
    """
    said = [period for own in metered_wh.values() for period in own]
    if not said:
        return
    day = region.calendar.one_day(range(min(said), max(said) + 1))
    for node_id in metered_wh:
        region.master_of(node_id)
    for name, master in region.masters.items():
        relay = region.relays[name]
        relay.catch_up()
        known = relay.metered.get(day, {})
        news = []
        for node_id, own in metered_wh.items():
            if node_id in master.nodes and own:
                details = _metered(node_id, own, known.get(node_id))
                if details != known.get(node_id):
                    news.append((details, (master.nodes[node_id].encryption_public,)))
        master.write(news)


class DaySettlement:
    """Does what the members of this folder have to do for the settlement of any day, as far as it can be done now.

    Parameters
    ----------
    region
        The open region.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self._calendar = region.calendar
        self._view = region.balance
        self._read = 0
        self._totals: dict[int, dict[int, MeteredTotal]] = {}
        self._done: dict[tuple[Step, str, int], object] = {}

    def is_of(self, region: Region) -> bool:
        """Whether the region's parts are still those that it began with."""
        return self._region is region and self._view is region.balance

    def step(self) -> None:
        """Submit totals, publish prices, write statements: whatever follows from the chains and is not there yet."""
        for step, name, day in self.steps():
            step(name, day)

    def steps(self) -> Iterator[tuple[Step, str, int]]:
        """The same one by one, each to be taken before the next one is asked for."""
        masters = self._region.masters
        for name in masters:
            relay = self._caught_up(name)
            days = sorted({*relay.metered, *self._idle_days(name)})
            yield from ((self._submit, name, day) for day in days if self._is_due(self._submit, name, day))
        agent = self._region.main.consortium.settlement_agent()
        for name, master in masters.items():
            if master.membership.master_id == agent:
                self._caught_up(name)
                self._open_totals(master)
                stated = {self._calendar.day_of(period) for totals in self._totals.values() for period in totals}
                yield from (
                    (self._publish, name, day) for day in sorted(stated) if self._is_due(self._publish, name, day)
                )
        for name in masters:
            relay = self._caught_up(name)
            yield from ((self._write, name, day) for day in list(relay.metered) if self._is_due(self._write, name, day))

    def _idle_days(self, name: str) -> Iterator[int]:
        """Days that are over, on which a master's nodes traded nothing and of which nothing is metered.

        It says so, or everybody would wait for it.
        """
        master, relay = self._region.masters[name], self._region.relays[name]
        today = self._calendar.day_at(self._region.clock())
        for day in range(today - LOOK_BACK_DAYS, today):
            is_over = self._calendar.ends_at(day) + GRACE_SECONDS <= self._region.clock()
            is_named = any(master.is_named(node_id, day) for node_id in master.nodes)
            if is_over and is_named and day not in relay.metered:
                periods = self._calendar.periods(day)
                if not any(node_id for period in periods for node_id in own_trades(master, relay.market, period)):
                    yield day

    def _is_due(self, step: Step, name: str, day: int) -> bool:
        return self._done.get((step, name, day)) != self._basis(step, name, day)

    def _basis(self, step: Step, name: str, day: int) -> object:
        """What a step follows from; as long as it stays the same, the step need not be taken again."""
        relay, main = self._region.relays[name], self._region.main
        deals = relay.market.settled_count(self._calendar.periods(day))
        if step == self._publish:
            settings = main.consortium.settings()
            return self._read, deals, self._is_over(day, settings.metering_due_seconds), settings
        if step == self._submit:
            return relay.metered_count.get(day, 0), deals, main.consortium.settlement_agent()
        return relay.metered_count.get(day, 0), deals, self._prices(day)

    def _is_over(self, day: int, due_seconds: int) -> bool:
        """Whether masters have had their time to submit what was metered on a day."""
        return self._calendar.ends_at(day) + due_seconds + DUE_MARGIN_SECONDS <= self._region.clock()

    def _prices(self, day: int) -> dict[int, int]:
        published = map(self._view.price, self._calendar.periods(day))
        return {price.period: price.price_ticks for price in published if price is not None}

    def _caught_up(self, name: str) -> Relay:
        """A relay and the view of the balance, both as of the same block."""
        relay = self._region.relays[name]
        relay.catch_up()
        return relay

    # Every master: its total

    def _submit(self, name: str, day: int) -> None:
        master, relay = self._region.masters[name], self._region.relays[name]
        basis, agent = self._basis(self._submit, name, day), master.main.consortium.settlement_agent()
        total = _total(master, relay, day, self._calendar.periods(day))
        if not self._is_submitted(master, total, agent):
            master.submit([total], agent)
        self._done[self._submit, name, day] = basis

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

    def _publish(self, name: str, day: int) -> None:
        agent, market = self._region.masters[name], self._region.relays[name].market
        basis, settings = self._basis(self._publish, name, day), agent.main.consortium.settings()

        def totals_of(period: int) -> dict[int, MeteredTotal]:
            return {master_id: own[period] for master_id, own in self._totals.items() if period in own}

        awaited = agent.main.consortium.active_masters_at(market.height) & set(market.master_of.values())
        is_over = self._is_over(day, settings.metering_due_seconds)
        stated = {period: totals for period in self._calendar.periods(day) if (totals := totals_of(period))}
        prices = [
            imbalance_price(period, market.settled(period), market.master_of, totals, settings)
            for period, totals in stated.items()
            if is_over or awaited <= totals.keys()
        ]
        if news := [price for price in prices if price != self._view.price(price.period)]:
            agent.main_wallet.send(agent.main.balancing.publish_imbalance_prices(news, market.height))
        self._done[self._publish, name, day] = basis

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

    def _write(self, name: str, day: int) -> None:
        master, relay = self._region.masters[name], self._region.relays[name]
        basis, prices = self._basis(self._write, name, day), self._prices(day)
        traded = {period: own_trades(master, relay.market, period) for period in prices}
        stated = [
            _statement(details, traded, prices)
            for details in relay.metered[day].values()
            if all(period in prices for period in details.periods)
        ]
        news = [details for details in stated if relay.statements.get((details.user_id, day)) != details]
        master.write([(details, (master.nodes[details.user_id].encryption_public,)) for details in news])
        self._done[self._write, name, day] = basis


def own_trades(master: Master, market: MarketReader, period: int) -> dict[str, Traded]:
    """What a master's own nodes traded for a period, by node; others' under no name."""

    def name(trader: int) -> str:
        node = master.node_of(trader)
        return node.spec.node_id if node else ""

    return traded_by(settled_deals(market.settled(period), name))


def _total(master: Master, relay: Relay, day: int, whole_day: range) -> MeteredTotal:
    """Sum what is metered; a node without a reading is in it as if it had done what it traded."""
    metered = relay.metered.get(day, {})
    spans = [details.periods for details in metered.values()] or [whole_day]
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


def _metered(node_id: str, said: Mapping[int, int | None], known: MeteredDetails | None) -> MeteredDetails:
    """What is said of a node, over what was known of the same day."""
    merged = {period: known.metered_wh(period) for period in known.periods} if known else {}
    merged |= said
    periods = range(min(merged), max(merged) + 1)
    series = [merged.get(period) for period in periods]
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
