"""What the function nodes of the grid company report: free transfer capacity during the day, indicators after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridbourse.grid.dispatch import PowerNetwork, ZoneSchedule
from gridbourse.grid.indicators import Readings, advise, analyse_efficiency, monitor
from gridbourse.region.description import NodeKind
from gridbourse.simulation.day_region import LINES, ZONES

Report = tuple[str, str, str]
"""Node, title and body of a report."""


def dispatch_report(node_id: str, first_period: int, schedules: Iterable[ZoneSchedule], periods: int) -> Report:
    """Sum what was traded per zone, and publish what each pair of zones can still exchange."""
    found = PowerNetwork(ZONES, LINES).dispatch(schedules, periods)
    body = {
        "first_period": first_period,
        "injection_wh": found.injection_wh,
        "flow_wh": found.flow_wh,
        "overload_wh": {line: wh for line, wh in found.overload_wh.items() if any(wh)},
        "free_wh": {f"{start} to {end}": wh for (start, end), wh in found.free_wh.items()},
    }
    return node_id, "free transfer capacity", _json(body)


def evening_reports(
    nodes: Mapping[NodeKind, str],
    first_period: int,
    surpluses_wh: Mapping[str, Sequence[int | None]],
    history_wh: Mapping[str, Sequence[int]],
    members_of: Mapping[str, Sequence[str]],
) -> list[Report]:
    """Report on the day, as efficiency analysis, monitoring and energy services do.

    Parameters
    ----------
    nodes
        Who reports, by kind.
    first_period
        The first one of the day.
    surpluses_wh
        By metering point, shape (periods,): what its readings say.
    history_wh
        The same of the days before.
    members_of
        By master, its metering points: the community that energy services advise.
    """
    fed_in = {name: [_part(wh, 1) for wh in series] for name, series in surpluses_wh.items()}
    drawn = {name: [_part(wh, -1) for wh in series] for name, series in surpluses_wh.items()}
    through = {name: [None if wh is None else abs(wh) for wh in series] for name, series in surpluses_wh.items()}
    past = {name: [abs(wh) for wh in series] for name, series in history_wh.items()}
    efficiency = analyse_efficiency(first_period, fed_in, drawn)
    monitoring = monitor(first_period, through, past)
    reports = [
        (nodes[NodeKind.EFFICIENCY], efficiency.KIND, _json(efficiency.report)),
        (nodes[NodeKind.MONITORING], monitoring.KIND, _json(monitoring.report)),
    ]
    for master, names in members_of.items():
        generated, consumed = (_total(series, names) for series in (fed_in, drawn))
        # A store for an hour of the mean need: what the community would gain from sharing one.
        hourly_wh = 4 * sum(consumed) // len(consumed)
        advice = advise(first_period, generated, consumed, store_wh=hourly_wh, largest_wh=hourly_wh // 4)
        reports.append((nodes[NodeKind.SERVICES], f"{advice.KIND} for {master}", _json(advice.report)))
    return reports


def _part(surplus_wh: int | None, sign: int) -> int | None:
    return None if surplus_wh is None else max(sign * surplus_wh, 0)


def _total(series: Readings, names: Sequence[str]) -> list[int]:
    """Sum over metering points per period; what is in doubt counts as nothing."""
    return [sum(wh or 0 for wh in column) for column in zip(*(series[name] for name in names), strict=True)]


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))
