"""Masters tell the dispatcher what their nodes will feed in and draw."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.dispatch import Scheduling
from gridbourse.node.jobs.job import Task
from gridbourse.node.planning import Planner
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.units import PERIOD_SECONDS

PERIODS_PER_HOUR = 3_600 // PERIOD_SECONDS


class Nominate:
    """Every master nominates each open day, and each hour again before its gates close, by what meters say then.

    Parameters
    ----------
    scheduling
        Brings nominations to the dispatcher.
    readings
        What meters said.
    every_seconds
        Between two looks.
    """

    name = "nominate"

    def __init__(self, scheduling: Scheduling, readings: Readings, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._scheduling = scheduling
        self._readings = readings

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master and stretch of periods that it has not nominated for."""
        planner = Planner(region, self._readings)
        for name in region.masters:
            due = [periods for periods in self._due(region, name) if periods not in self._scheduling.nominated(name)]
            for periods in due:
                yield Task(name, partial(self._nominate, region, planner, name, periods))

    def _due(self, region: Region, name: str) -> Iterator[range]:
        calendar, now = region.calendar, region.clock()
        today = calendar.day_at(now)
        for day in sorted({day for _, day in region.masters[name].traders if day >= today}):
            if calendar.periods(day):
                yield calendar.periods(day)
        # The next hour no gate of which has closed.
        lead_seconds = region.main.consortium.settings().gate_lead_seconds
        first = -(-(now + lead_seconds) // 3_600) * PERIODS_PER_HOUR
        if calendar.day_of(first) == calendar.day_of(first + PERIODS_PER_HOUR - 1):
            yield range(first, first + PERIODS_PER_HOUR)

    def _nominate(self, region: Region, planner: Planner, name: str, periods: range) -> None:
        energies = {
            node_id: [planner.expected_wh(node_id, period) or 0 for period in periods]
            for node_id in region.masters[name].nodes
            if self._readings.has_meter(node_id) or planner.is_planned(node_id, region.calendar.day_of(periods[0]))
        }
        if energies:
            self._scheduling.nominate_for(name, periods.start, energies)
