"""What users recorded on the slave chains is taken up to the main chain."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from gridbourse.errors import GridbourseError
from gridbourse.node.jobs.job import REGION, Task
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay, submit

logger = logging.getLogger(__name__)


class Submit:
    """Every master takes up orders, changes and answers; all masters of a folder together, as long as that works.

    Attributes
    ----------
    heights : dict
        By master, the block of its slave chain up to which everything is taken up.
    """

    name = "submit"
    every_seconds = 0.0

    def __init__(self) -> None:
        self.heights: dict[str, int] = {}
        self._is_together = False

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for all; where that fails, one for each master, so that none waits for another."""
        yield Task(REGION, partial(self._submit_together, region))
        if not self._is_together:
            for name, relay in region.relays.items():
                yield Task(name, partial(self._submit, {name: relay}))

    def _submit_together(self, region: Region) -> None:
        self._is_together = False
        try:
            self._submit(region.relays)
        except GridbourseError as error:
            logger.debug("masters submit each by itself: %s", error)
        else:
            self._is_together = True

    def _submit(self, relays: dict[str, Relay]) -> None:
        submit(list(relays.values()))
        self.heights |= {name: relay.slave_height for name, relay in relays.items()}
