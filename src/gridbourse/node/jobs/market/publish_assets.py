"""Masters publish what they have to trade, and again when it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.assets import publish_assets
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region


class PublishAssets:
    """Every master publishes its trade assets to all masters.

    Parameters
    ----------
    every_seconds
        Between two looks.
    """

    name = "publish assets"

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master."""
        for name, relay in region.relays.items():
            relay.catch_up()
            yield Task(name, partial(publish_assets, region, name))
