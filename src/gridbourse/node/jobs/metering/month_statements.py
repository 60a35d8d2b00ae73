"""Months are settled: every master writes the monthly statements of its users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.settling.month import MonthSettlement


class MonthStatements:
    """Every master settles every month that is over (`gridbourse.node.settling.month`).

    Parameters
    ----------
    every_seconds
        Between two looks at what is due.
    """

    name = "settle months"

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._settlement: MonthSettlement | None = None

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master and month; a month that cannot be settled holds up no other."""
        settlement = self._settlement
        if settlement is None or not settlement.is_of(region):
            # Keys were rotated, and all parts made anew.
            settlement = self._settlement = MonthSettlement(region)
        for name, month in settlement.due():
            yield Task(f"{name}, {month // 100}-{month % 100:02}", partial(settlement.settle, name, month))
