"""The grid's services report on every delivery day: efficiency analysis, monitoring, energy services, dispatch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from gridbourse.delivery import date_text
from gridbourse.ledger.records import NodeReport
from gridbourse.node.jobs.job import Task
from gridbourse.node.planning import power_network
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import GRACE_SECONDS
from gridbourse.region.description import NodeKind

HISTORY_DAYS = 7
REPORTING = (NodeKind.EFFICIENCY, NodeKind.MONITORING, NodeKind.SERVICES, NodeKind.DISPATCH)

Surpluses = Mapping[str, Sequence[int | None]]
"""By node, shape (periods,): fed in less drawn, in Wh; None where unknown."""


class Report:
    """Function nodes of the grid write their reports on yesterday when its readings have had their time.

    Parameters
    ----------
    readings
        What meters said.
    every_seconds
        Between two looks.
    """

    name = "report"

    def __init__(self, readings: Readings, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._readings = readings

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each service that has not reported on the last day whose readings have had their time."""
        day = region.calendar.day_at(region.clock() - GRACE_SECONDS) - 1
        reporters = [
            (relay, node.spec.node_id, node.spec.kind)
            for name, relay in region.relays.items()
            for node in region.masters[name].nodes.values()
            if node.spec.kind in REPORTING and node.spec.node_id not in region.masters[name].revoked
        ]
        for relay, node_id, kind in reporters:
            relay.catch_up()
            if (node_id, _title(kind, day)) not in relay.reported and region.calendar.periods(day):
                yield Task(f"{node_id}, {date_text(day)}", partial(self._report, region, node_id, kind, day))

    def _report(self, region: Region, node_id: str, kind: NodeKind, day: int) -> None:
        self._readings.catch_up(region)
        periods = region.calendar.periods(day)
        surpluses = self._surpluses(region, periods)
        if not surpluses:
            return
        body = self._body(region, kind, periods, surpluses)
        if body is not None:
            text = json.dumps(body, sort_keys=True, separators=(",", ":"))
            region.write([NodeReport(node_id, _title(kind, day), text)])

    def _surpluses(self, region: Region, periods: range) -> dict[str, list[int | None]]:
        found = {
            node_id: [self._readings.surplus_wh(node_id, period) for period in periods]
            for master in region.masters.values()
            for node_id in master.nodes
            if self._readings.has_meter(node_id)
        }
        return found if any(wh is not None for series in found.values() for wh in series) else {}

    def _body(self, region: Region, kind: NodeKind, periods: range, surpluses: Surpluses) -> Mapping[str, Any] | None:
        from gridbourse.grid.indicators import advise, analyse_efficiency, monitor  # noqa: PLC0415 - for who reports

        fed_in = {name: [_part(wh, 1) for wh in series] for name, series in surpluses.items()}
        drawn = {name: [_part(wh, -1) for wh in series] for name, series in surpluses.items()}
        match kind:
            case NodeKind.EFFICIENCY:
                return analyse_efficiency(periods.start, fed_in, drawn).report
            case NodeKind.MONITORING:
                before = range(periods.start - HISTORY_DAYS * len(periods), periods.start)
                through = {name: [_size(wh) for wh in series] for name, series in surpluses.items()}
                history = {
                    name: [_size(wh) for wh in series] for name, series in self._surpluses(region, before).items()
                }
                return monitor(periods.start, through, history).report
            case NodeKind.SERVICES:
                generated, consumed = _total(fed_in), _total(drawn)
                # A store for an hour of the mean need: what the community would gain from sharing one.
                hourly_wh = max(4 * sum(consumed) // len(consumed), 4)
                largest_wh = hourly_wh // 4
                return advise(periods.start, generated, consumed, store_wh=hourly_wh, largest_wh=largest_wh).report
            case _:
                return self._flows(region, periods)

    def _flows(self, region: Region, periods: range) -> Mapping[str, Any] | None:
        """How the day's deals loaded the lines, and what they left free; None in a region without zones."""
        grid = region.spec.grid
        if not grid.zones:
            return None
        from gridbourse.grid.dispatch import ZoneSchedule  # noqa: PLC0415 - for who reports

        market = next(iter(region.relays.values())).market
        injections = {zone: [0] * len(periods) for zone in grid.zones}
        for turn, period in enumerate(periods):
            for deal in market.settled(period):
                for account, sign in ((deal.seller, 1), (deal.buyer, -1)):
                    injections[grid.zones[region.main.market.trader(account).zone]][turn] += sign * deal.energy_wh
        schedules = [ZoneSchedule(zone, tuple(series)) for zone, series in injections.items()]
        found = power_network(grid).dispatch(schedules, len(periods))
        return {
            "first_period": periods.start,
            "injection_wh": found.injection_wh,
            "flow_wh": found.flow_wh,
            "overload_wh": {line: wh for line, wh in found.overload_wh.items() if any(wh)},
            "free_wh": {f"{start} to {end}": wh for (start, end), wh in found.free_wh.items()},
        }


def _title(kind: NodeKind, day: int) -> str:
    names = {
        NodeKind.EFFICIENCY: "energy efficiency",
        NodeKind.MONITORING: "monitoring",
        NodeKind.SERVICES: "energy services",
        NodeKind.DISPATCH: "free transfer capacity",
    }
    return f"{names[kind]} {date_text(day)}"


def _part(surplus_wh: int | None, sign: int) -> int | None:
    return None if surplus_wh is None else max(sign * surplus_wh, 0)


def _size(surplus_wh: int | None) -> int | None:
    return None if surplus_wh is None else abs(surplus_wh)


def _total(series: Surpluses) -> list[int]:
    """Sum over nodes per period; what is in doubt counts as nothing."""
    return [sum(wh or 0 for wh in column) for column in zip(*series.values(), strict=True)]
