"""Deals end: those that nobody answered in time expire, and the confirmed ones are settled."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.node.jobs.job import REGION, Task
from gridbourse.node.region import Region


class Settle:
    """The settlement agent ends deals."""

    name = "settle deals"
    every_seconds = 0.0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, where the settlement agent's keys lie and a deal is to be ended."""
        if region.has_deals_to_end() and region.settles:
            yield Task(REGION, region.end_deals)
