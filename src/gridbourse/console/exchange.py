"""The exchange: one region, everything one may ask of it, and everything one may do.

The region and its chains belong to one thread (`worker`). What it reads from the chains goes to the event loop as news,
which folds it into the market state; questions are answered from there, and so never wait for a chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbourse.console.directory import Directory
from gridbourse.console.feed import Feed
from gridbourse.console.market_queries import MarketQueries
from gridbourse.console.market_state import MarketState
from gridbourse.console.news import MainBlock, News
from gridbourse.console.node_records import NodeRecord
from gridbourse.console.rights import Kind
from gridbourse.console.signin.credentials import Credentials
from gridbourse.console.store import ServiceStore
from gridbourse.console.trading import Trading
from gridbourse.console.worker import Pace, RegionWorker
from gridbourse.crypto.keys import Address
from gridbourse.market.types import Settings
from gridbourse.network.region import Region

SERVICE_FILE = "service.sqlite"


@dataclass(slots=True)
class _Rules:
    """The market settings in force."""

    settings: Settings
    changed_at: int = field(default=0)


class Exchange:
    """A running exchange.

    Parameters
    ----------
    region
        The open region; the exchange closes it.
    folder
        The region's folder, where the service keeps its own file.
    pace
        How often the region does what masters do.
    clock
        Seconds since the epoch.

    Attributes
    ----------
    market
        What everybody may ask of the market.
    trading
        What function nodes do and own.
    credentials
        Who asks.
    feed
        What happens.
    """

    def __init__(
        self,
        region: Region,
        folder: Path,
        *,
        pace: Pace | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._clock = clock
        self._region = region
        self.spec = region.spec
        self.store = ServiceStore(folder / SERVICE_FILE)
        self.directory = Directory()
        self.state = MarketState(self.directory)
        self._rules = _Rules(region.main.consortium.settings())
        names = {master.membership.master_id: name for name, master in region.masters.items()}
        self.feed = Feed(self.state, self.directory, lambda number: names.get(number, str(number)))
        self.worker = RegionWorker(region, self._publish, self._remember, pace or Pace())
        chain_id = region.main.chain.chain_id
        self.market = MarketQueries(
            self.state, self.directory, lambda: self._rules.settings, region.spec.name, chain_id, clock
        )
        self.trading = Trading(self.state, self.directory, self.worker, self.store, clock)
        self.credentials = Credentials(self.store, self.directory, _members(region), chain_id, clock)
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def open(cls, folder: Path, *, pace: Pace | None = None) -> Exchange:
        """Open the exchange of a region on disk. Raises like `Region.open`."""
        region = Region.open(folder)
        try:
            return cls(region, folder, pace=pace)
        except BaseException:
            region.close()
            raise

    async def start(self) -> None:
        """Read the chains, then run."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.worker.start)
        await asyncio.sleep(0)  # what was published before is folded now
        self.feed.forget()

    async def stop(self) -> None:
        """Finish what was taken, close the region and the service's file."""
        self.feed.close()
        await asyncio.to_thread(self.worker.stop)
        await asyncio.sleep(0)
        self.store.close()

    def _publish(self, news: Sequence[News]) -> None:
        if news and self._loop is not None:
            self._loop.call_soon_threadsafe(self._fold, news)

    def _fold(self, news: Sequence[News]) -> None:
        for block in news:
            if isinstance(block, MainBlock):
                self.feed.note_main_block(block, self.state.note_main_block(block))
            else:
                self.directory.note_slave_block(block)
                self.state.note_slave_block(block)
                self.feed.note_slave_block(block)

    def _remember(self, records: Sequence[tuple[NodeRecord, bytes]]) -> None:
        """Keep under which keys records are about to be written: durable before they are."""
        rows = [
            (*record.idempotency, leaf, self._clock()) for record, leaf in records if record.idempotency is not None
        ]
        if rows:
            self.store.change_many("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", rows)


def _members(region: Region) -> dict[Address, tuple[Kind, str]]:
    consortium = region.main.consortium
    members = {
        consortium.master(master.membership.master_id).account: (Kind.MASTER, name)
        for name, master in region.masters.items()
    }
    return members | {consortium.regulator().account: (Kind.REGULATOR, "regulator")}
