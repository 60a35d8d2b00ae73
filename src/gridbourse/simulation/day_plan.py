"""How a master plans its plants on the day: complementary schedules, made anew as the weather turns out otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbourse.grid.complement import complement
from gridbourse.grid.sub_nodes import Hydro, Renewable, Storage, SubNode, Thermal
from gridbourse.market.types import Role
from gridbourse.metering.forecast import History, forecast
from gridbourse.region.description import NodeKind
from gridbourse.simulation.day_region import CAP_TICKS, Prosumer
from gridbourse.units import PERIODS_IN_24_HOURS

COMMITTED_PERMILLE = {Role.SOURCE: 800, Role.AGGREGATOR: 200}
"""What part of the region's expected need these masters plan to cover."""

CURTAILMENT_TICKS = 100
RESERVOIR_HOURS = 6
STORE_HOURS = 3
STORE_PERMILLE = 950
WEAR_TICKS = 200
"""What a store costs per kWh fed in; what it paid for the energy is not in its plan, only in its lowest price."""

RAMP_PERIODS = 4
"""How long a thermal unit takes from nought to full output."""


class Planner:
    """Schedules the plants of one master for the periods of a day.

    Parameters
    ----------
    role
        Of the master.
    members
        All prosumers of the region.
    periods
        Length of the day.
    """

    def __init__(self, role: Role, members: Sequence[Prosumer], periods: int) -> None:
        plants = [member for member in members if member.role is role and member.source and not member.load]
        self._plants = plants if any(plant.is_scheduled for plant in plants) else []
        self._share_permille = COMMITTED_PERMILLE[role]
        self._periods = periods
        self._flows_wh: dict[str, list[int]] = {}
        self._levels_wh: dict[str, list[int]] = {}
        for plant in self._plants:
            if plant.is_scheduled:
                self._flows_wh[plant.spec.node_id] = [0] * periods
                self._levels_wh[plant.spec.node_id] = [0] * periods

    def flow_wh(self, name: str, turn: int) -> int:
        """What a scheduled plant feeds in, negative where it charges, in the day's period number `turn`."""
        return self._flows_wh[name][turn]

    def plan(self, turn: int, forecasts_wh: Mapping[str, Sequence[int]], needs_wh: Sequence[int]) -> None:
        """Let the plants complement each other from period number `turn` on; what was before stands.

        Parameters
        ----------
        turn
            The first period to plan.
        forecasts_wh
            By wind, PV and hydro plant, shape (periods left,): what wind, sun and inflow will give.
        needs_wh
            Shape (periods left,): what the whole region will need.
        """
        if not self._plants:
            return
        sub_nodes = [self._sub_node(plant, turn, forecasts_wh) for plant in self._plants]
        commitments = [
            max(need * self._share_permille // 1_000, _running_wh(sub_nodes, place))
            for place, need in enumerate(needs_wh)
        ]
        plans = complement(commitments, sub_nodes, unserved_ticks=CAP_TICKS).plans
        for name, flows in self._flows_wh.items():
            plan = plans[name]
            flows[turn:] = (out - drawn for out, drawn in zip(plan.delivered_wh, plan.charged_wh, strict=True))
            self._levels_wh[name][turn:] = plan.level_wh

    def _sub_node(self, plant: Prosumer, turn: int, forecasts_wh: Mapping[str, Sequence[int]]) -> SubNode:
        """What a plant can do from now on. A store is not made to end fuller than it is: others may be short."""
        name, largest_wh, price = plant.spec.node_id, plant.source_w // 4, plant.limits.lowest_sell_ticks
        match plant.spec.kind:
            case NodeKind.HYDRO:
                reservoir_wh = RESERVOIR_HOURS * plant.source_w
                level_wh = self._levels_wh[name][turn - 1] if turn else reservoir_wh // 2
                end_wh = min(level_wh, reservoir_wh // 2)
                return Hydro(name, forecasts_wh[name], largest_wh, reservoir_wh, level_wh, end_wh, price)
            case NodeKind.THERMAL:
                before_wh = self._flows_wh[name][turn - 1] if turn else 0
                ramp_wh = largest_wh // RAMP_PERIODS
                return Thermal(name, 0, largest_wh, ramp_wh=ramp_wh, before_wh=before_wh, price_ticks=price)
            case NodeKind.STORAGE:
                capacity_wh = STORE_HOURS * plant.source_w
                level_wh = self._levels_wh[name][turn - 1] if turn else capacity_wh // 2
                end_wh = min(level_wh, capacity_wh // 2)
                stored, given = STORE_PERMILLE, STORE_PERMILLE
                return Storage(name, largest_wh, largest_wh, stored, given, capacity_wh, level_wh, end_wh, WEAR_TICKS)
            case _:
                return Renewable(name, forecasts_wh[name], price, CURTAILMENT_TICKS)


def expected_wh(history: History, ahead: int, periods: int) -> list[int]:
    """Forecast generation, or need, for `periods` periods, of which the first lies `ahead` after the newest reading.

    What lies more than a day ahead is taken as what lies a day ahead.
    """
    found = (forecast(history, min(ahead + place, PERIODS_IN_24_HOURS)) for place in range(periods))
    return [max(expected.surplus_wh, 0) if expected else 0 for expected in found]


def _running_wh(sub_nodes: Sequence[SubNode], place: int) -> int:
    """What thermal units that run now still have to give by then: they cannot be shut down faster."""
    units = (node for node in sub_nodes if isinstance(node, Thermal))
    return sum(max(unit.before_wh - (place + 1) * unit.ramp_wh, 0) for unit in units)
