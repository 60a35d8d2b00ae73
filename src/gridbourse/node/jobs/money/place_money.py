"""Money in a purse is put on its users' accounts of the delivery days to come."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.ledger.purse import leading_digit
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class PlaceMoney:
    """Every master carries its users' money to the days that are open, in amounts that many have in common.

    Each day's account gets its share once; what is over stays in the purse, with what the days leave.

    Parameters
    ----------
    every_seconds
        Between two looks.
    """

    name = "place money"

    def __init__(self, every_seconds: float = 0.0) -> None:
        self.every_seconds = every_seconds

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master whose users have money to place."""
        for name in region.relays:
            if due := self._due(region, name):
                yield Task(name, partial(region.purses[name].place, due))

    def _due(self, region: Region, name: str) -> dict[tuple[str, int], int]:
        master, purse = region.masters[name], region.purses[name]
        today = region.calendar.day_at(region.clock())
        due: dict[tuple[str, int], int] = {}
        for node_id, available in purse.available().items():
            if available <= 0 or node_id in master.revoked:
                continue
            days = [
                day
                for own, day in master.traders
                if own == node_id and day >= today and not purse.is_placed(node_id, day)
            ]
            for day in days:
                if money := leading_digit(available // len(days)):
                    due[node_id, day] = money
        return due
