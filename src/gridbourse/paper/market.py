"""The paper's simulated market (section 4): ten users, four masters, six trades.

Three places of the paper contradict themselves; docs/paper.md says why we read them as we do: User 10 starts
published with its 300 kWh, Users 4 and 7 stay published at the end, and Users 8 and 9, who ask the same price,
are served in the order of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gridbourse.chain.clock import system_clock
from gridbourse.market.types import Deal, OrderId, Side
from gridbourse.node.folder.chains import Observe
from gridbourse.node.region import Region
from gridbourse.region.description import RegionSpec
from gridbourse.regulator.trace import Trace
from gridbourse.simulation.scenario.description import load_scenario
from gridbourse.simulation.scenario.shipped import shipped
from gridbourse.simulation.scenario.values import Want
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS

SCENARIO = load_scenario(shipped("paper"))
"""The paper's experiment, as its folder describes it: docs/paper.md says how we read the paper."""

DEPOSIT = SCENARIO.deposit

ORDERS = SCENARIO.wants
"""Table 2, in its order."""

ARRIVALS = tuple(sorted(ORDERS, key=lambda order: order.side))
"""The sellers' orders wait already when the buyers enter one after the other."""


def region_spec(*, single_chain: bool = False) -> RegionSpec:
    """The paper's region, or its counterpart with everything on one chain."""
    return replace(SCENARIO.region, single_chain=single_chain)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of Tables 2 and 3: `remaining_wh` is what waits in the market."""

    user: str
    side: Side
    offered_wh: int
    remaining_wh: int
    price_ticks: int

    @property
    def status(self) -> str:
        """``"published"`` while something waits, then ``"ended"``."""
        return "published" if self.remaining_wh else "ended"


@dataclass(frozen=True, slots=True)
class Trade:
    """One of the trades, in the order in which they came about."""

    deal_id: int
    buyer: str
    seller: str
    energy_wh: int
    price_ticks: int

    @property
    def money(self) -> int:
        """What the buyer paid, in 1e-7 yuan."""
        return self.energy_wh * self.price_ticks


class PaperMarket:
    """The paper's market on a region of real chains.

    Parameters
    ----------
    folder
        Where the region's chains go.
    single_chain
        Run the paper's counterpart instead: everything on one chain.
    clock
        Source of block times.
    observe
        Looks on at every chain.
    """

    def __init__(
        self,
        folder: Path,
        *,
        single_chain: bool = False,
        clock: Callable[[], int] = system_clock,
        observe: Observe = lambda _, chain: chain,
    ) -> None:
        spec = region_spec(single_chain=single_chain)
        self.region = Region.create(folder, spec, clock=clock, observe=observe)
        # A day ahead: the gate of this delivery period is open for the whole run.
        self.period = clock() // PERIOD_SECONDS + PERIODS_IN_24_HOURS
        self.day = self.region.calendar.day_of(self.period)
        self._order_ids: dict[str, OrderId] = {}
        self.region.open_day(self.day)
        buyers = [order.participant for order in ORDERS if order.side is Side.BID]
        self.region.deposit(dict.fromkeys(buyers, DEPOSIT), self.day, self.day.to_bytes(32, "big"))

    def __enter__(self) -> PaperMarket:
        return self

    def __exit__(self, *_: object) -> None:
        self.region.close()

    def enter(self, order: Want) -> OrderId:
        """Let a user sign its order; it lands on the slave chain and is taken up to the main chain."""
        (order_id,) = self.region.offer([(order.participant, order.offer(self.period))])
        assert order_id is not None, "the paper's orders are legal"
        self._order_ids[order.participant] = order_id
        return order_id

    def conclude(self) -> None:
        """Bring the deals down, let both sides confirm them, settle, and anchor every slave chain."""
        self.region.answer(self.region.deliver(), confirmed=True)
        self.region.settle()
        self.region.anchor()

    def table(self) -> list[Row]:
        """The orders as they stand on the main chain, in the order of Table 2."""
        rows = []
        for order in ORDERS:
            order_id = self._order_ids.get(order.participant)
            stored = order_id and self.region.main.market.order(order_id)
            remaining_wh = stored.open_wh if stored else order.energy_wh
            rows.append(Row(order.participant, order.side, order.energy_wh, remaining_wh, order.limit_ticks))
        return rows

    def deals(self) -> dict[int, Deal]:
        """The deals as they stand on the main chain."""
        market = self.region.main.market
        return {deal_id: market.deal(deal_id) for deal_id in range(1, market.deal_count() + 1)}

    def trades(self) -> list[Trade]:
        """The trades with the names of their parties, which only this table puts together."""
        names = {order_id: user for user, order_id in self._order_ids.items()}
        return [
            Trade(deal_id, names[deal.bid], names[deal.ask], deal.energy_wh, deal.price_ticks)
            for deal_id, deal in self.deals().items()
        ]

    def trace(self) -> list[Trace]:
        """Let the regulator find and prove the records behind every deal."""
        return [self.region.regulator.trace(deal_id) for deal_id in self.deals()]
