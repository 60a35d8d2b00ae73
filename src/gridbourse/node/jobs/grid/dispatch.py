"""Dispatch sums what masters nominated, and publishes what every pair of zones may exchange."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.dispatch import Scheduling
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.region.description import NodeKind


class Dispatch:
    """The dispatcher publishes transfer capacities whenever there are new nominations of periods to come.

    Parameters
    ----------
    scheduling
        Knows the nominations.
    every_seconds
        Between two looks.
    """

    name = "dispatch"

    def __init__(self, scheduling: Scheduling, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._scheduling = scheduling

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each stretch of periods with news."""
        named = region.main.consortium.dispatcher()
        dispatches = any(
            master.membership.master_id == named
            and any(node.spec.kind is NodeKind.DISPATCH for node in master.nodes.values())
            for master in region.masters.values()
        )
        if dispatches:
            for periods in self._scheduling.stale:
                if region.calendar.ends_at(region.calendar.day_of(periods[0])) > region.clock():
                    yield Task(region.calendar.dated_span(periods[0]), partial(self._scheduling.publish, periods))
