"""What happened to deals on the main chain is written to the slave chains of their parties."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class Deliver:
    """Every master tells its users what became of their deals."""

    name = "deliver"
    every_seconds = 0.0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master."""
        for name, relay in region.relays.items():
            yield Task(name, relay.deliver)
