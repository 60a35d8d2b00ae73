"""Orders that got energy back from deals that ended are matched again."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class Rematch:
    """Every master looks after its own nodes' orders."""

    name = "rematch"
    every_seconds = 0.0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master."""
        for name, relay in region.relays.items():
            yield Task(name, relay.rematch)
