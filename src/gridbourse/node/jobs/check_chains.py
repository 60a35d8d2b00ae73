"""The files of the chains are read again, a little at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.local import ScrubPlace
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region

PAGES_AT_ONCE = 256
BLOCKS_AT_ONCE = 8


class CheckChains:
    """Keeps the files' records of each other's heads up to date, and goes round all their pages and blocks.

    What is damaged keeps failing, and so raises an alarm that names file, place and remedy, until it is mended.

    Parameters
    ----------
    every_seconds
        Between two parts of each file.
    """

    name = "check-chains"

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._places: dict[str, ScrubPlace] = {}

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each chain that lies in the region's folder."""
        for name, chain in region.parts.engines.files.items():
            yield Task(name, partial(self._go_on, name, chain))

    def _go_on(self, name: str, chain: EmbeddedChain) -> None:
        chain.keep_heads()
        place = self._places.get(name, ScrubPlace())
        self._places[name] = chain.scrub(place, pages=PAGES_AT_ONCE, blocks=BLOCKS_AT_ONCE)
