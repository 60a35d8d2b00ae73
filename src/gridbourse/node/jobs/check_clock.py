"""The machine's clock is watched, also where there is nothing to seal."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.node.jobs.job import REGION, Task
from gridbourse.node.region import Region


class CheckClock:
    """Fails as long as the clock is not to be believed: nothing is sealed meanwhile, and the alarm says why."""

    name = "check-clock"
    every_seconds = 0.0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One."""
        yield Task(REGION, region.clock)
