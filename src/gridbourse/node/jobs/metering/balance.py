"""Delivery days are settled against the meters: totals go up, prices are published, statements written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.delivery import date_text
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import DaySettlement


class Balance:
    """Every master does its part in the settlement of every day (`gridbourse.node.settling.balancing`).

    Parameters
    ----------
    every_seconds
        Between two looks at what is due.
    """

    name = "settle days"

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._settlement: DaySettlement | None = None

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master, day and step; a day that cannot be settled holds up no other."""
        settlement = self._settlement
        if settlement is None or not settlement.is_of(region):
            # Keys were rotated, and all parts made anew.
            settlement = self._settlement = DaySettlement(region)
        for step, name, day in settlement.steps():
            yield Task(f"{name}, {date_text(day)}", partial(step, name, day))
