"""The blocks of the slave chains are anchored on the main chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class Anchor:
    """Every master anchors what it has taken up, as often as its block settings say.

    What users wrote since is not anchored before it is taken up: that would be keeping it back.

    Parameters
    ----------
    heights
        By master, the block up to which everything is taken up.
    usual_seconds
        Between two anchorings of a master that has not said how often.
    monotonic
        Seconds since any moment.
    """

    name = "anchor"
    every_seconds = 0.0

    def __init__(self, heights: Mapping[str, int], usual_seconds: float, monotonic: Callable[[], float]) -> None:
        self._heights = heights
        self._usual_seconds = usual_seconds
        self._monotonic = monotonic
        self._anchored_at: dict[str, float] = {}

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master whose time has come."""
        for name in region.relays:
            if name in self._heights and self._is_due(region, name):
                yield Task(name, partial(self._anchor, region, name))

    def _is_due(self, region: Region, name: str) -> bool:
        before = self._anchored_at.get(name)
        every_seconds = region.relays[name].block_settings.anchor_seconds or self._usual_seconds
        return before is None or self._monotonic() - before >= every_seconds

    def _anchor(self, region: Region, name: str) -> None:
        region.relays[name].anchor(self._heights[name])
        self._anchored_at[name] = self._monotonic()
