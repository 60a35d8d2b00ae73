"""Money that is left on the accounts of a delivery day that is over goes into its master's purse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from gridbourse.delivery import date_text
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class CollectMoney:
    """Every master collects its users' money, each day's together, so that no move tells whose accounts are one user's.

    Parameters
    ----------
    every_seconds
        Between two looks.

    Attributes
    ----------
    collected : dict
        By master, the days on whose accounts nothing is left.
    """

    name = "collect money"

    def __init__(self, every_seconds: float = 0.0) -> None:
        self.every_seconds = every_seconds
        self.collected: dict[str, set[int]] = defaultdict(set)

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master and day; what open deals hold is waited for."""
        today = region.calendar.day_at(region.clock())
        for name, master in region.masters.items():
            days = {day for _, day in master.traders if day < today} - self.collected[name]
            for day in sorted(days):
                yield Task(f"{name}, {date_text(day)}", partial(self._collect, region, name, day))

    def _collect(self, region: Region, name: str, day: int) -> None:
        if region.purses[name].collect(day):
            self.collected[name].add(day)
