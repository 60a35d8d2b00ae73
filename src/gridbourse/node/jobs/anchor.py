"""The blocks of the slave chains are anchored on the main chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class Anchor:
    """Every master anchors what it has taken up.

    What users wrote since is not anchored before it is taken up: that would be keeping it back.

    Parameters
    ----------
    heights
        By master, the block up to which everything is taken up.
    every_seconds
        Between two anchorings.
    """

    name = "anchor"

    def __init__(self, heights: Mapping[str, int], every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._heights = heights

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master."""
        for name, relay in region.relays.items():
            if name in self._heights:
                yield Task(name, partial(relay.anchor, self._heights[name]))
