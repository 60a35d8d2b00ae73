"""Plants sign what their master planned for them, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.delivery import date_text
from gridbourse.ledger.balancing_records import ScheduleDetails
from gridbourse.node.jobs.job import Task
from gridbourse.node.planning import Planner
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.region.grid import GridSpec


class PlanSchedules:
    """Every master plans its hydro, thermal and storage plants for the days that are open, once meters say enough.

    Parameters
    ----------
    readings
        What meters said.
    every_seconds
        Between two looks.
    """

    name = "plan schedules"

    def __init__(self, readings: Readings, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._readings = readings

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master and open day without schedules."""
        self._readings.catch_up(region)
        planner = Planner(region, self._readings)
        today = region.calendar.day_at(region.clock())
        for name, relay in region.relays.items():
            relay.catch_up()
            plants = planner.plants(name)
            for day in sorted({day for _, day in region.masters[name].traders if day >= today}):
                if any(not planner.is_planned(node_id, day) for node_id in plants):
                    yield Task(f"{name}, {date_text(day)}", partial(_plan, region, planner, name, day))


def _plan(region: Region, planner: Planner, name: str, day: int) -> None:
    periods = region.calendar.periods(day)
    plans = planner.plan(name, periods)
    if plans is None:
        return
    nodes = region.masters[name].nodes
    region.write(
        [
            ScheduleDetails(
                node_id,
                zone_name(region.spec.grid, nodes[node_id].spec.zone),
                periods.start,
                tuple(max(wh, 0) for wh in series),
                tuple(max(-wh, 0) for wh in series),
            )
            for node_id, series in plans.items()
        ]
    )


def zone_name(grid: GridSpec, zone: int) -> str:
    """What a zone is called; in a region without names for its zones, by its number."""
    return grid.zones[zone] if grid.zones else str(zone)
