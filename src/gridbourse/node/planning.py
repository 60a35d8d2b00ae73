"""What nodes are expected to do, and what plants that can be scheduled are to do so that they complement each other.

Of wind, sun, inflow and people, meters tell (`gridbourse.metering.forecast`); hydro, thermal and storage plants do what
their master's plan for the day says (`gridbourse.grid.complement`). A plan begins and ends with reservoirs and stores
half full, so that every day can be planned by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.region.description import NodeKind
from gridbourse.region.grid import GridSpec
from gridbourse.units import PERIODS_IN_24_HOURS

if TYPE_CHECKING:
    from gridbourse.grid.dispatch import PowerNetwork
    from gridbourse.grid.sub_nodes import SubNode

SCHEDULED = frozenset({NodeKind.HYDRO, NodeKind.THERMAL, NodeKind.STORAGE})
"""Kinds of plants whose master decides what they do."""

WEATHER = frozenset({NodeKind.WIND, NodeKind.PV})

RESERVOIR_PERIODS = 24
"""A reservoir holds so many periods of full output."""
STORE_PERIODS = 12
STORE_PERMILLE = 950
"""What a store keeps of what it draws, and gives of what it keeps."""
RAMP_PERIODS = 4
"""How long a thermal unit takes from nought to full output."""
CURTAILMENT_TICKS = 100
WEAR_TICKS = 200
"""What a store costs per kWh fed in."""


class Planner:
    """Expects what nodes will do, and plans what plants are to do.

    Parameters
    ----------
    region
        The region.
    readings
        What meters said.
    """

    def __init__(self, region: Region, readings: Readings) -> None:
        self._region = region
        self._readings = readings

    def is_planned(self, node_id: str, day: int) -> bool:
        """Whether a plant has a schedule for a day."""
        name = self._region.master_of(node_id).membership.name
        return (node_id, day) in self._region.relays[name].schedules

    def expected_wh(self, node_id: str, period: int) -> int | None:
        """What a node will feed in, negative for draw: as scheduled, or as its meter lets expect; None if unknown."""
        master = self._region.master_of(node_id)
        relay = self._region.relays[master.membership.name]
        known = relay.schedules.get((node_id, self._region.calendar.day_of(period)))
        if known is not None:
            turn = period - known[1].first_period
            if 0 <= turn < len(known[1].delivered_wh):
                return known[1].delivered_wh[turn] - known[1].drawn_wh[turn]
        last = self._readings.last_period(node_id)
        if last is None or period <= last:
            return None
        # What lies more than a day ahead is taken as what lies a day or less ahead at the same time.
        found = self._readings.expected(node_id, last + 1 + (period - last - 1) % PERIODS_IN_24_HOURS)
        return found.surplus_wh if found else None

    def plants(self, name: str) -> list[str]:
        """A master's plants that can be scheduled: those whose connection is known."""
        master = self._region.masters[name]
        return [
            node_id
            for node_id, node in master.nodes.items()
            if node.spec.kind in SCHEDULED and node_id not in master.revoked and self._largest_wh(name, node_id)
        ]

    def plan(self, name: str, periods: range) -> dict[str, list[int]] | None:
        """Let a master's plants cover its part of what the region's nodes here will need.

        Returns
        -------
        dict or None
            By plant, shape (periods,): fed in, negative for what is drawn to charge. None while too little is known.
        """
        from gridbourse.grid.complement import complement  # noqa: PLC0415 - it loads a solver, for those who plan

        needs = self._needs_wh(periods)
        if needs is None:
            return None
        sub_nodes = list(self._sub_nodes(name, periods))
        unserved_ticks = self._region.main.consortium.settings().cap_ticks
        sharers = sum(bool(self.plants(own)) for own in self._region.masters)
        commitments = [need // sharers for need in needs]
        plans = complement(commitments, sub_nodes, unserved_ticks=unserved_ticks).plans
        return {
            node_id: [
                out - drawn for out, drawn in zip(plans[node_id].delivered_wh, plans[node_id].charged_wh, strict=True)
            ]
            for node_id in self.plants(name)
        }

    def _needs_wh(self, periods: range) -> list[int] | None:
        """What all nodes here that are not scheduled will draw, less what they feed in."""
        nodes = [
            node_id
            for master in self._region.masters.values()
            for node_id, node in master.nodes.items()
            if node.spec.kind not in SCHEDULED and self._readings.has_meter(node_id)
        ]
        expected = [[self.expected_wh(node_id, period) for period in periods] for node_id in nodes]
        if not any(wh is not None for series in expected for wh in series):
            return None
        return [max(-sum(wh or 0 for wh in column), 0) for column in zip(*expected, strict=True)]

    def _sub_nodes(self, name: str, periods: range) -> Iterator[SubNode]:
        from gridbourse.grid.sub_nodes import Hydro, Storage, Thermal  # noqa: PLC0415 - as above

        limits = self._region.relays[name].limits
        for node_id in self.plants(name):
            largest_wh = self._largest_wh(name, node_id)
            price = limits[node_id].lowest_sell_ticks if node_id in limits else 0
            match self._region.masters[name].nodes[node_id].spec.kind:
                case NodeKind.HYDRO:
                    reservoir_wh = RESERVOIR_PERIODS * largest_wh
                    inflow = self._inflow_wh(node_id, periods, largest_wh)
                    yield Hydro(node_id, inflow, largest_wh, reservoir_wh, reservoir_wh // 2, reservoir_wh // 2, price)
                case NodeKind.THERMAL:
                    yield Thermal(node_id, 0, largest_wh, largest_wh // RAMP_PERIODS + 1, 0, price)
                case _:
                    capacity_wh, half_wh = STORE_PERIODS * largest_wh, STORE_PERIODS * largest_wh // 2
                    powers, kept = (largest_wh, largest_wh), (STORE_PERMILLE, STORE_PERMILLE)
                    yield Storage(node_id, *powers, *kept, capacity_wh, half_wh, half_wh, WEAR_TICKS)

    def _inflow_wh(self, node_id: str, periods: range, largest_wh: int) -> Sequence[int]:
        """Inflow of a hydro plant: what it gave on the day before at the same time, or half of what it can."""
        known = [self._readings.surplus_wh(node_id, period - PERIODS_IN_24_HOURS) for period in periods]
        return [largest_wh // 2 if wh is None else min(max(wh, 0), largest_wh) for wh in known]

    def _largest_wh(self, name: str, node_id: str) -> int:
        """What a plant's connection carries in a period; 0 while no meter stands there."""
        meters = self._region.relays[name].meters.values()
        limits_w = [meter.limit_w for meter in meters if meter.node_id == node_id]
        return limits_w[-1] // 4 if limits_w else 0


def power_network(grid: GridSpec) -> PowerNetwork:
    """Zones and lines as dispatch computes with them."""
    from gridbourse.grid.dispatch import Line, PowerNetwork  # noqa: PLC0415 - it loads a solver

    lines = [
        Line(line.name, line.from_zone, line.to_zone, line.limit_wh, line.reactance_milliohm) for line in grid.lines
    ]
    return PowerNetwork(grid.zones, lines)
