"""What function nodes do on the day besides trading: schedules before it, dispatch during it, reports after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridbourse.experiments.day_region import CAP_TICKS, LINES, ZONES, Prosumer
from gridbourse.grid.complement import complement
from gridbourse.grid.dispatch import PowerNetwork, ZoneSchedule
from gridbourse.grid.indicators import Readings, advise, analyse_efficiency, monitor
from gridbourse.grid.sub_nodes import Hydro, Renewable, Storage, SubNode, Thermal
from gridbourse.market.types import Role
from gridbourse.metering.forecast import History, forecast
from gridbourse.network.description import NodeKind

COMMITTED_PERMILLE = {Role.SOURCE: 750, Role.AGGREGATOR: 200}
"""What part of the region's expected need these masters plan to cover."""

CURTAILMENT_TICKS = 100
RESERVOIR_HOURS = 6
STORE_HOURS = 3

Report = tuple[str, str, str]
"""Node, title and body of a report."""


def schedule(
    role: Role, members: Sequence[Prosumer], forecasts_wh: Mapping[str, Sequence[int]], needs_wh: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """Let a master's plants complement each other.

    Parameters
    ----------
    role
        Of the master.
    members
        Its prosumers.
    forecasts_wh
        By node, shape (periods,): what wind, sun and inflow will give.
    needs_wh
        Shape (periods,): what the whole region will need.

    Returns
    -------
    dict
        By node that the master schedules, shape (periods,): what it feeds in, negative where it charges.
    """
    plants = [member for member in members if member.role is role and not member.load_w and member.source_w]
    if not any(plant.is_scheduled for plant in plants):
        return {}
    commitments = [need * COMMITTED_PERMILLE[role] // 1_000 for need in needs_wh]
    sub_nodes = [_sub_node(plant, forecasts_wh.get(plant.spec.node_id, ())) for plant in plants]
    planned = complement(commitments, sub_nodes, unserved_ticks=CAP_TICKS)
    return {
        plant.spec.node_id: tuple(out - drawn for out, drawn in zip(plan.delivered_wh, plan.charged_wh, strict=True))
        for plant in plants
        if plant.is_scheduled
        for plan in (planned.plans[plant.spec.node_id],)
    }


def day_ahead_wh(history: History, periods: int) -> list[int]:
    """Forecast generation for each of the coming periods, as it is known on the evening before."""
    expected = (forecast(history, ahead) for ahead in range(1, periods + 1))
    return [max(found.surplus_wh, 0) if found else 0 for found in expected]


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


def _sub_node(plant: Prosumer, forecast_wh: Sequence[int]) -> SubNode:
    name, largest_wh, price = plant.spec.node_id, plant.source_w // 4, plant.limits.lowest_sell_ticks
    match plant.spec.kind:
        case NodeKind.HYDRO:
            reservoir_wh = RESERVOIR_HOURS * plant.source_w
            half_wh = reservoir_wh // 2
            return Hydro(name, forecast_wh, largest_wh, reservoir_wh, half_wh, half_wh, price)
        case NodeKind.THERMAL:
            return Thermal(name, 0, largest_wh, ramp_wh=largest_wh // 8, before_wh=largest_wh // 4, price_ticks=price)
        case NodeKind.STORAGE:
            capacity_wh = STORE_HOURS * plant.source_w
            half_wh = capacity_wh // 2
            return Storage(name, largest_wh, largest_wh, 950, 950, capacity_wh, half_wh, half_wh, price)
        case _:
            return Renewable(name, forecast_wh, price, CURTAILMENT_TICKS)


def _part(surplus_wh: int | None, sign: int) -> int | None:
    return None if surplus_wh is None else max(sign * surplus_wh, 0)


def _total(series: Readings, names: Sequence[str]) -> list[int]:
    """Sum over metering points per period; what is in doubt counts as nothing."""
    return [sum(wh or 0 for wh in column) for column in zip(*(series[name] for name in names), strict=True)]


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))
