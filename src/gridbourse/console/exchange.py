"""The exchange: one region, everything one may ask of it, and everything one may do.

The region and its chains belong to one thread (`worker`). What it reads from the chains goes to the event loop as news,
which folds it into the market state; questions are answered from there, and so never wait for a chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gridbourse.client.chain_values import Alarm
from gridbourse.console.administration import Administration
from gridbourse.console.audit import Audit
from gridbourse.console.backup import back_up
from gridbourse.console.chain_queries import ChainQueries
from gridbourse.console.chain_state import ChainState
from gridbourse.console.directory import Directory
from gridbourse.console.feed import Feed
from gridbourse.console.local_time import LocalTime
from gridbourse.console.market_queries import MarketQueries
from gridbourse.console.market_state import MarketState
from gridbourse.console.metering import READINGS_FILE, Metering
from gridbourse.console.network_queries import Members, NetworkQueries
from gridbourse.console.news import MainBlock, News
from gridbourse.console.node_records import NodeRecord
from gridbourse.console.offering import Offering
from gridbourse.console.rights import Kind
from gridbourse.console.search import Search
from gridbourse.console.shelf import Shelf
from gridbourse.console.signin.credentials import Credentials
from gridbourse.console.statements import Statements
from gridbourse.console.store import SERVICE_FILE, ServiceStore
from gridbourse.console.trading import Trading
from gridbourse.console.worker import RegionWorker
from gridbourse.crypto.keys import Address
from gridbourse.market.types import Settings
from gridbourse.metering.mqtt import Broker
from gridbourse.network.finding import Finding
from gridbourse.network.loop import Pace
from gridbourse.network.region import Region
from gridbourse.network.rotation import REGULATOR, RegionKeys

LATE_ANCHOR_ROUNDS = 5
"""Records are late when so many anchorings should have taken place."""
STALLED_SECONDS = 30
KEYS_KEPT_SECONDS = 7 * 86_400
"""How long it is remembered under which idempotency key an order was placed."""


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
    broker
        The MQTT broker that meters publish to; None to take readings over the API only.
    clock
        Seconds since the epoch.

    Attributes
    ----------
    market
        What everybody may ask of the market.
    trading
        What function nodes do and own.
    statements
        What they paid and received.
    local
        The region's local time.
    metering, offering
        Meters' readings, and what nodes offer by themselves.
    chains, network
        What may be seen of the chains and of those who take part.
    search
        Finds what stands on the chains.
    administration
        What masters do for their users and the consortium.
    audit
        What the regulator does.
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
        broker: Broker | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._pace = pace = pace or Pace()
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self.folder = folder
        self.spec = region.spec
        self.local = LocalTime(region.spec.time_zone)
        names = {master_id: master.name for master_id, master in enumerate(region.spec.masters, start=1)}
        self.store = ServiceStore(folder / SERVICE_FILE)
        self.directory = Directory()
        self._shelf = Shelf(folder)
        self.state = MarketState(self.directory, self._shelf)
        self.chain_state = ChainState(names, self._shelf)
        self.feed = Feed(self.state, self.directory, names)
        self.worker = RegionWorker(region, self._publish, self._remember, pace)
        self._refresh(region)
        keys, chain_id = RegionKeys(folder), region.main.chain.chain_id
        self.market = MarketQueries(self.state, self.directory, self._settings, region.spec, chain_id, clock)
        self.trading = Trading(self.state, self.directory, self.worker, self.store, clock)
        self.metering = Metering(folder / READINGS_FILE, region.spec.name, self.directory, broker, clock)
        self.offering = Offering(
            self.state, self.directory, self.metering, self.worker, self.store, self._settings, clock
        )
        self.statements = Statements(self.trading, self.state)
        self.credentials = Credentials(self.store, self.directory, _members(region, names), chain_id, clock)
        opening = keys.regulator.load_node(REGULATOR).opening if keys.regulator.holds(REGULATOR) else ()
        self.chains = ChainQueries(region, self.chain_state, opening)
        self.search = Search(self.state, self.chain_state, self.directory, self.chains)
        self.network = NetworkQueries(
            self.chain_state,
            self.state,
            self.directory,
            names,
            self._member_list,
            late_anchor_seconds=int(pace.anchor_seconds * LATE_ANCHOR_ROUNDS),
            clock=clock,
        )
        self.administration = Administration(
            self.worker,
            self.credentials,
            self.directory,
            self._member_list,
            names,
            keys.nodes.load_node,
            self._refresh,
        )
        self.audit = Audit(region, self.state, self.chain_state, self.directory, clock)

    @classmethod
    def open(cls, folder: Path, *, pace: Pace | None = None, broker: Broker | None = None) -> Exchange:
        """Open the exchange of a region on disk. Raises like `Region.open`."""
        region = Region.open(folder)
        try:
            return cls(region, folder, pace=pace, broker=broker)
        except BaseException:
            region.close()
            raise

    async def start(self) -> None:
        """Read the chains, then run."""
        self._loop = asyncio.get_running_loop()
        self.store.change("DELETE FROM idempotency WHERE created_at < ?", self._clock() - KEYS_KEPT_SECONDS)
        await asyncio.to_thread(self.worker.start)
        await asyncio.sleep(0)  # what was published before is folded now
        self.feed.forget()
        await asyncio.to_thread(self.metering.start)
        self._offering = asyncio.create_task(self.offering.run(self._pace.step_seconds))

    async def stop(self) -> None:
        """Finish what was taken, close the region and the service's file."""
        self.feed.close()
        self._offering.cancel()
        await asyncio.to_thread(self.metering.stop)
        await asyncio.to_thread(self.audit.close)
        await asyncio.to_thread(self.worker.stop)
        await asyncio.sleep(0)
        self._shelf.close()
        self.store.close()

    async def back_up(self, archive: Path) -> None:
        """Write the region and the service's file into an archive; orders wait meanwhile. Raises like `back_up`."""
        await asyncio.wrap_future(self.worker.run(lambda region: back_up(region, self.folder, self.store, archive)))

    def alarms(self) -> list[Alarm]:
        """What asks for attention."""
        settled = (alarm for alarm in self.network.silent_meters() if not self.metering.has_meter(alarm.subject))
        found = [*self.network.late_anchors(), *self.metering.deafness(), *self.metering.silent_meters(), *settled]
        if report := self.audit.last_report:
            found += [Alarm("broken_proof", "region", finding, report.checked_at) for finding in report.findings]
        if not self.is_running:
            since = int(self.worker.last_round_at)
            found.append(
                Alarm("stalled", "region", Finding("the masters' rounds do not take place; see the log"), since)
            )
        return found

    @property
    def is_running(self) -> bool:
        """Whether the masters' rounds take place."""
        return self.worker.is_alive and self._clock() - self.worker.last_round_at < STALLED_SECONDS

    # News

    def _publish(self, news: Sequence[News]) -> None:
        if news and self._loop is not None:
            self._loop.call_soon_threadsafe(self._fold, news)

    def _fold(self, news: Sequence[News]) -> None:
        for block in news:
            if isinstance(block, MainBlock):
                changes = self.state.note_main_block(block)
                self.chain_state.note_main_block(block)
                self.feed.note_main_block(block, changes)
            else:
                self.directory.note_slave_block(block)
                self.state.note_slave_block(block)
                self.chain_state.note_slave_block(block)
                self.metering.note_slave_block(block)
                self.offering.note_slave_block(block)
                self.feed.note_slave_block(block)

    def _remember(self, records: Sequence[tuple[NodeRecord, bytes]]) -> None:
        """Keep under which keys records are about to be written: durable before they are."""
        rows = [
            (*record.idempotency, leaf, self._clock()) for record, leaf in records if record.idempotency is not None
        ]
        if rows:
            self.store.change_many("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", rows)

    # The rules in force

    def _refresh(self, region: Region) -> None:
        """Read the market settings and the members anew."""
        consortium = region.main.consortium
        self._rules = consortium.settings()
        slaves = {number: consortium.slave_chain(number) for number in consortium.masters()}
        self._known_members = Members(
            consortium.masters(),
            consortium.settlement_agent(),
            {number: slave.chain_id for number, slave in slaves.items() if slave},
        )

    def _settings(self) -> Settings:
        return self._rules

    def _member_list(self) -> Members:
        return self._known_members


def _members(region: Region, names: Mapping[int, str]) -> dict[Address, tuple[Kind, str]]:
    consortium = region.main.consortium
    members = {consortium.master(number).account: (Kind.MASTER, name) for number, name in names.items()}
    return members | {consortium.regulator().account: (Kind.REGULATOR, REGULATOR)}
