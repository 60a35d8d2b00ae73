"""The paper's simulated market (section 4): ten users, four masters, six trades.

Three places of the paper contradict themselves; docs/paper.md says why we read them as we do: User 10 starts
published with its 300 kWh, Users 4 and 7 stay published at the end, and Users 8 and 9, who ask the same price,
are served in the order of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gridbourse.chain.local import system_clock
from gridbourse.market.types import Deal, EnergyType, Offer, OrderId, Role, Settings, Side
from gridbourse.node.folder.chains import Observe
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.regulator.trace import Trace
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS, energy_wh, money_units, price_ticks

SETTINGS = Settings(
    cooling_off_seconds=300, floor_ticks=0, cap_ticks=15_000, gate_lead_seconds=PERIOD_SECONDS, max_candidates=64
)
DEPOSIT = money_units(1_000)


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """A row of Table 2."""

    user: str
    side: Side
    energy_type: EnergyType
    energy_wh: int
    price_ticks: int

    def offer(self, period: int) -> Offer:
        """The order for a delivery period."""
        return Offer(self.side, self.energy_type, period, self.energy_wh, self.price_ticks)


def _row(user: int, side: Side, kwh: int, price: str, energy_type: EnergyType) -> PaperOrder:
    return PaperOrder(f"User {user}", side, energy_type, energy_wh(kwh), price_ticks(price))


# The table has no energy types: buyers take any, and what the sellers sell is our choice.
ORDERS = (
    _row(1, Side.BID, 600, "0.37", EnergyType.any()),
    _row(2, Side.BID, 360, "0.40", EnergyType.any()),
    _row(3, Side.BID, 240, "0.41", EnergyType.any()),
    _row(4, Side.BID, 350, "0.33", EnergyType.any()),
    _row(5, Side.ASK, 240, "0.41", EnergyType.STORAGE),
    _row(6, Side.ASK, 280, "0.39", EnergyType.WIND),
    _row(7, Side.ASK, 700, "0.43", EnergyType.THERMAL),
    _row(8, Side.ASK, 230, "0.37", EnergyType.PV),
    _row(9, Side.ASK, 150, "0.37", EnergyType.PV),
    _row(10, Side.ASK, 300, "0.36", EnergyType.HYDRO),
)
"""Table 2, in its order."""

ARRIVALS = tuple(order for order in ORDERS if order.side is Side.ASK) + tuple(
    order for order in ORDERS if order.side is Side.BID
)
"""The sellers' orders wait already when the buyers enter one after the other."""

# The paper names four kinds of masters and ten users, but not who is below whom: this is our choice.
MASTERS = (
    MasterSpec(
        "source",
        Role.SOURCE,
        (
            NodeSpec("User 6", NodeKind.WIND, "Jiangyou wind farm"),
            NodeSpec("User 10", NodeKind.HYDRO, "Fu river hydro plant"),
        ),
    ),
    MasterSpec(
        "grid",
        Role.GRID,
        (
            NodeSpec("User 4", NodeKind.COMMERCIAL, "Mianyang substation 3"),
            NodeSpec("User 7", NodeKind.THERMAL, "Mianyang thermal plant"),
        ),
    ),
    MasterSpec(
        "aggregator",
        Role.AGGREGATOR,
        (
            NodeSpec("User 5", NodeKind.STORAGE, "Youxian storage"),
            NodeSpec("User 8", NodeKind.PV, "Santai PV"),
            NodeSpec("User 9", NodeKind.PV, "Anzhou PV"),
        ),
    ),
    MasterSpec(
        "user",
        Role.USER,
        (
            NodeSpec("User 1", NodeKind.INDUSTRIAL, "Fucheng works"),
            NodeSpec("User 2", NodeKind.COMMERCIAL, "Linyuan mall"),
            NodeSpec("User 3", NodeKind.RESIDENTIAL, "Jinhai homes"),
        ),
    ),
)


def region_spec(*, single_chain: bool = False) -> RegionSpec:
    """The paper's region, or its counterpart with everything on one chain."""
    return RegionSpec("paper", 20_210, SETTINGS, MASTERS, single_chain)


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
        buyers = [order.user for order in ORDERS if order.side is Side.BID]
        self.region.deposit(dict.fromkeys(buyers, DEPOSIT), self.day, self.day.to_bytes(32, "big"))

    def __enter__(self) -> PaperMarket:
        return self

    def __exit__(self, *_: object) -> None:
        self.region.close()

    def enter(self, order: PaperOrder) -> OrderId:
        """Let a user sign its order; it lands on the slave chain and is taken up to the main chain."""
        (order_id,) = self.region.offer([(order.user, order.offer(self.period))])
        assert order_id is not None, "the paper's orders are legal"
        self._order_ids[order.user] = order_id
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
            order_id = self._order_ids.get(order.user)
            stored = order_id and self.region.main.market.order(order_id)
            remaining_wh = stored.open_wh if stored else order.energy_wh
            rows.append(Row(order.user, order.side, order.energy_wh, remaining_wh, order.price_ticks))
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
