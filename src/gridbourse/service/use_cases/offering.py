"""Automatic offering: what nodes offer by themselves, from their meters' readings and within their owners' limits.

A node decides when a reading comes: about the delivery periods whose gates close next, each once. Its decision is
durable before the order is placed, and whether it was placed is told by the slave chain; so whoever is killed in
between and started again offers nothing twice, and knows what was the node's own doing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Row

from gridbourse.api.meter_schema import AutomaticOffer, OfferOutcome, PeriodReading
from gridbourse.api.schema import Order
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import GridbourseError, NotFound
from gridbourse.index.naming import side_of
from gridbourse.index.queries.reader import IndexReader
from gridbourse.market.types import Offer, Settings
from gridbourse.metering.forecast import Forecast
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.requests import NodeOffer, OfferOnce
from gridbourse.node.offering import decide
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.metering import Metering
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Message
from gridbourse.units import PERIOD_SECONDS

logger = logging.getLogger(__name__)

PERIODS_OFFERED = 4
"""A node decides about so many delivery periods after each reading: the hour whose gates close next."""
MOST_ORDERS = 100
"""Among so many of a node's newest orders for a period its own offer is looked for."""
KEPT_DAYS = 60
"""How long decisions are remembered."""


@dataclass(frozen=True, slots=True)
class _Confirmation:
    """What a node made of a delivery period, from what it expected."""

    node_id: str
    period: int
    outcome: OfferOutcome
    expected: Forecast | None = None
    offer: Offer | None = None

    def row(self, now: int) -> tuple[object, ...]:
        expected, offer = self.expected, self.offer
        return (
            *(self.node_id, self.period, self.outcome, now),
            *((expected.surplus_wh, expected.error_wh) if expected else (None, None)),
            *((int(offer.side), offer.energy_wh, offer.price_ticks) if offer else (None, None, None)),
        )


class Offering:
    """Lets nodes offer by themselves, and tells what they did.

    Parameters
    ----------
    index
        The index.
    calendar
        The region's delivery days.
    metering
        The readings.
    node
        The region's node, which offers.
    store
        Remembers decisions.
    rules
        The market's settings in force.
    clock
        Seconds since the epoch.

    Attributes
    ----------
    made : int
        Orders that nodes placed by themselves since the start.
    """

    def __init__(
        self,
        index: IndexReader,
        calendar: DeliveryCalendar,
        metering: Metering,
        node: NodeClient,
        store: ServiceStore,
        rules: Callable[[], Settings],
        clock: Callable[[], int],
    ) -> None:
        self.made = 0
        self._index = index
        self._calendar = calendar
        self._metering = metering
        self._node = node
        self._store = store
        self._rules = rules
        self._clock = clock
        self._seen: dict[str, tuple[int, AutoTradingLimits, Settings]] = {}

    async def run(self, pause_seconds: float) -> None:
        """Decide and offer, again and again; what fails is decided anew."""
        forgotten = 0
        while True:
            today = self._calendar.day_at(self._clock())
            if forgotten < today:
                self._store.change(
                    "DELETE FROM decisions WHERE period < ?", self._calendar.periods(today - KEPT_DAYS).start
                )
                forgotten = today
            try:
                self._metering.catch_up()
                await self.act()
            except GridbourseError as error:
                logger.warning("nodes did not offer, and will try again: %s", error)
            except Exception:  # automatic offering never ends unseen
                logger.exception("nodes did not offer, and will try again")
            await asyncio.sleep(pause_seconds)

    async def act(self) -> None:
        """Let every node decide that has new readings or new limits, then place what they offer."""
        decisions: list[_Confirmation] = []
        seen = {}
        revoked = {node.node_id for node in self._index.participants.nodes() if node.is_revoked}
        for node_id, limits in self._index.participants.all_limits().items():
            looked_at = self._metering.reading_count(node_id), limits, self._rules()
            if self._seen.get(node_id) == looked_at or node_id in revoked or not limits.active:
                continue
            decisions += self._decide(node_id, limits)
            seen[node_id] = looked_at
            await asyncio.sleep(0)  # a forecast takes its time, and others wait
        await self._carry_out(decisions)
        self._seen |= seen

    # What nodes expect and did

    def readings(self, principal: Principal, node_id: str, day: int) -> list[PeriodReading]:
        """What a node's meter counted on a day, and what it lets expect of the periods next to be traded.

        Raises
        ------
        NotFound
            The caller reaches no such node.
        """
        self._require_reach(principal, node_id)
        views = (self._reading(node_id, period) for period in self._calendar.periods(day))
        return [view for view in views if view.surplus_wh is not None or view.expected_wh is not None]

    def automatic_offers(self, principal: Principal, node_id: str, day: int) -> list[AutomaticOffer]:
        """What a node offered by itself on a day, and why nothing where it thought of it. Raises like `readings`."""
        self._require_reach(principal, node_id)
        periods = self._calendar.periods(day)
        decided = self._decided(node_id, periods)
        found = {period: self._told(node_id, row) for period, row in decided.items()}
        for period in self._next_periods():
            if found.get(period) is None and period in periods:
                found[period] = self._waiting(node_id, period)
        return [view for _, view in sorted(found.items()) if view is not None]

    def _require_reach(self, principal: Principal, node_id: str) -> None:
        require(principal, Right.READ_NODE)
        master = self._index.participants.master_of(node_id)
        if master is None or not principal.reaches(node_id, master):
            raise NotFound(Message("there is no node {name!r} of yours", name=node_id))

    def _reading(self, node_id: str, period: int) -> PeriodReading:
        energy = self._metering.energy(node_id, period)
        is_next = period in self._tradable(node_id) and period * PERIOD_SECONDS > self._clock()
        expected = self._metering.expected(node_id, period) if is_next else None
        return PeriodReading(
            node_id=node_id,
            period=period,
            imported_wh=energy.imported_wh if energy else None,
            exported_wh=energy.exported_wh if energy else None,
            surplus_wh=energy.surplus_wh if energy else None,
            expected_wh=expected.surplus_wh if expected else None,
            expected_error_wh=expected.error_wh if expected else None,
        )

    def _told(self, node_id: str, row: Row) -> AutomaticOffer | None:
        """A decision as it turned out; None of an offer that did not get to the chain: it will be decided anew."""
        period, outcome = row["period"], OfferOutcome(row["outcome"])
        open_from = self._next_periods().start
        entries = self._index.orders.newest(node_id=node_id, period=period, open_from=open_from, limit=MOST_ORDERS)
        orders = [entry.order for entry in reversed(entries) if entry.order]
        own = next((order for order in orders if _is_of(order, row)), None)
        if outcome is OfferOutcome.OFFERED and own is None:
            if not orders:
                return None
            outcome = OfferOutcome.ORDERED
        order = own or (orders[0] if orders else None)
        expected = row["expected_wh"], row["error_wh"]
        return AutomaticOffer(node_id, period, outcome, *expected, row["decided_at"], order)

    def _waiting(self, node_id: str, period: int) -> AutomaticOffer | None:
        """Why a node has not decided about one of the periods that are traded next."""
        limits = self._index.participants.limits(node_id)
        if limits is None or not limits.active:
            outcome = OfferOutcome.OFF
        elif self._has_ordered(node_id, period):
            return None
        elif not self._metering.has_meter(node_id):
            outcome = OfferOutcome.NO_METER
        else:
            outcome = OfferOutcome.NO_READING
        return AutomaticOffer(node_id, period, outcome, None, None, self._clock(), None)

    # Deciding

    def _decide(self, node_id: str, limits: AutoTradingLimits) -> list[_Confirmation]:
        """What a node makes of the periods that are traded next and about which it may still decide."""
        tradable = self._tradable(node_id)
        decided = self._decided(node_id, tradable)
        now, rules, found = self._clock(), self._rules(), []
        for period in tradable:
            if period * PERIOD_SECONDS <= now:
                continue  # a reading that comes so late says nothing about what is to be traded
            if self._has_ordered(node_id, period):
                if period not in decided:
                    found.append(_Confirmation(node_id, period, OfferOutcome.ORDERED))
                continue
            expected = self._metering.expected(node_id, period) if now < rules.gate_closes_at(period) else None
            made = decide(limits, rules, period, now, expected.surplus_wh if expected else None)
            if isinstance(made, Offer):
                found.append(_Confirmation(node_id, period, OfferOutcome.OFFERED, expected, made))
            elif now < rules.gate_closes_at(period) or period not in decided:
                found.append(_Confirmation(node_id, period, OfferOutcome(made.value), expected))
        return found

    async def _carry_out(self, decisions: Sequence[_Confirmation]) -> None:
        """Keep decisions, then place what is to be offered; the region has the last look at its chains."""
        if not decisions:
            return
        self._keep(decisions)
        offered = [decision for decision in decisions if decision.offer]
        offers = [NodeOffer(decision.node_id, decision.offer) for decision in offered if decision.offer]
        if not offers:
            return
        made: list[bool] = await self._node.ask(OfferOnce(offers))
        self.made += sum(made)
        late = [decision for decision, is_made in zip(offered, made, strict=True) if not is_made]
        self._keep([replace(decision, outcome=self._why_not(decision), offer=None) for decision in late])

    def _why_not(self, decision: _Confirmation) -> OfferOutcome:
        """What came between a decision and its offer."""
        has_ordered = self._has_ordered(decision.node_id, decision.period)
        return OfferOutcome.ORDERED if has_ordered else OfferOutcome.OFF

    def _has_ordered(self, node_id: str, period: int) -> bool:
        return self._index.orders.has_ordered(node_id, period)

    def _tradable(self, node_id: str) -> range:
        """The periods whose gates close next after a node's newest reading was taken: of later ones little is known."""
        last = self._metering.last_period(node_id)
        return range(0) if last is None else self._next_periods((last + 1) * PERIOD_SECONDS)

    def _next_periods(self, now: int | None = None) -> range:
        first = self._rules().first_open_period(self._clock() if now is None else now)
        return range(first, first + PERIODS_OFFERED)

    # What is remembered

    def _keep(self, decisions: Sequence[_Confirmation]) -> None:
        now = self._clock()
        rows = [decision.row(now) for decision in decisions]
        self._store.change_many("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _decided(self, node_id: str, periods: range) -> dict[int, Row]:
        query = "SELECT * FROM decisions WHERE node_id = ? AND period >= ? AND period < ?"
        return {row["period"]: row for row in self._store.rows(query, node_id, periods.start, periods.stop)}


def _is_of(order: Order, row: Row) -> bool:
    """Whether a recorded order is the one that was decided on."""
    decided = row["side"], row["energy_wh"], row["price_ticks"]
    return decided == (int(side_of(order.side)), order.energy_wh, order.price_ticks)
