"""A scenario on chains: the region of the folder, built in a folder of its own, and every order a signed record in it.

At level ``full-chains`` the region has its main chain and a slave chain for each master; at ``one-chain`` all of it
lies on one chain. Everything else is the region's own: records, relays, deals that both parties confirm, settlement,
anchors, and the regulator's audit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.market.types import OrderId, Role
from gridbourse.node.dispatch import Scheduling
from gridbourse.node.region import Region
from gridbourse.region.description import NodeKind
from gridbourse.simulation.experiment.venue import QUOTA_WH, batches, expected_wh
from gridbourse.simulation.scenario.description import Scenario
from gridbourse.simulation.scenario.values import ChainWork, Level, Order, RunRecord, Trade
from gridbourse.simulation.stopwatch import Stopwatch
from gridbourse.units import PERIOD_SECONDS

PERIODS_PER_ANCHOR = 4


class _Clock:
    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class ChainVenue:
    """The region's own nodes, on chains in a folder that ends with the run.

    Parameters
    ----------
    scenario
        What is run.

    Raises
    ------
    InvalidValue
        The region has zones and no dispatch node.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._is_single = scenario.level is Level.ONE_CHAIN
        self._clock = _Clock(self._before(scenario.periods.start) - PERIOD_SECONDS)
        if scenario.network is not None:
            _require_dispatcher(scenario)
        self._folder = tempfile.TemporaryDirectory()
        self._watch = Stopwatch()
        spec = replace(scenario.region, single_chain=self._is_single)
        self._region = Region.create(
            Path(self._folder.name) / "region", spec, clock=self._clock, observe=self._watch.observe
        )
        network = scenario.network
        margin = scenario.region.grid.margin_permille
        self._scheduling = Scheduling(self._region, network, margin_permille=margin) if network else None
        self._day: int | None = None
        self._deals = 0
        self._watch.take()

    def trade(self, period: int, orders: Sequence[Order]) -> list[Trade]:
        """Let nodes sign the orders; deals are confirmed by both sides and settled."""
        region = self._region
        self._clock.now = self._before(period)
        self._open_day(region.calendar.day_of(period))
        if self._scheduling is not None:
            self._scheduling.nominate(period, {name: [wh] for name, wh in expected_wh(orders).items()})
            self._scheduling.publish(range(period, period + 1))
        placed: dict[OrderId, Order] = {}
        for batch in batches(self._scenario.mechanism, orders):
            offers = [(order.want.participant, order.offer()) for order in batch]
            order_ids = region.offer(offers, energy_quota_wh=QUOTA_WH)
            placed.update((order_id, order) for order_id, order in zip(order_ids, batch, strict=True) if order_id)
        region.answer(region.deliver(), confirmed=True)
        region.settle()
        if not self._is_single and (period + 1) % PERIODS_PER_ANCHOR == 0:
            region.anchor()
        market = region.main.market
        fresh = range(self._deals + 1, market.deal_count() + 1)
        self._deals = fresh.stop - 1
        deals = [market.deal(number) for number in fresh]
        return [Trade.between(placed[deal.ask], placed[deal.bid], deal.energy_wh, deal.price_ticks) for deal in deals]

    def record(self, orders: Sequence[Order], trades: Sequence[Trade]) -> RunRecord:
        """Anchor what is left, let the regulator audit everything, and tell what the run was for each chain."""
        if not self._is_single:
            self._region.anchor()
        watch = self._watch
        work = {
            name: ChainWork(seconds, watch.gas[name], watch.transaction_bytes[name])
            for name, seconds in watch.seconds.items()
        }
        return RunRecord(tuple(orders), tuple(trades), work, self._audit())

    def _audit(self) -> tuple[str, ...] | None:
        return tuple(self._region.regulator.audit()) if self._scenario.is_audited else None

    def close(self) -> None:
        """Close the region, and throw it away."""
        self._region.close()
        self._folder.cleanup()

    def _before(self, period: int) -> int:
        """When the orders of a period come, and are confirmed: just before its gate closes, when all may trade."""
        return self._scenario.region.settings.gate_closes_at(period) - 1

    def _open_day(self, day: int) -> None:
        if day == self._day:
            return
        self._day = day
        self._region.open_day(day)
        deposits = {one.name: self._scenario.deposit for one in self._scenario.participants}
        self._region.deposit(deposits, day, day.to_bytes(32, "big"))


def _require_dispatcher(scenario: Scenario) -> None:
    grid = next(master for master in scenario.region.masters if master.role is Role.GRID)
    if not any(node.kind is NodeKind.DISPATCH for node in grid.nodes):
        remedy = f"a [[master.node]] of kind dispatch below {grid.name}, which publishes what lines carry between zones"
        raise InvalidValue(f"region.toml, master {grid.name}", "no dispatch node", remedy)
