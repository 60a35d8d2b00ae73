"""Delivery days are opened for orders, today's and some after it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay


class OpenDays:
    """Every master names its function nodes on the main chain for the days to come.

    Parameters
    ----------
    days_ahead
        How many days after today.
    """

    name = "open days"
    every_seconds = 0.0

    def __init__(self, days_ahead: int) -> None:
        self._days_ahead = days_ahead
        self._opened: dict[str, set[int]] = {}

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master that has not opened one of the days."""
        today = region.calendar.day_at(region.clock())
        days = range(today, today + self._days_ahead + 1)
        for name, relay in region.relays.items():
            if missing := [day for day in days if day not in self._opened.setdefault(name, set())]:
                yield Task(name, partial(self._open, name, relay, missing))

    def _open(self, name: str, relay: Relay, days: list[int]) -> None:
        for day in days:
            relay.open_day(day)
            self._opened[name].add(day)
