"""The exchange: one region, everything one may ask of it, and everything one may do.

The region and its chains have a process of their own (`region_process`). What that reads from the chains comes here as
news, which is folded into the market state; questions are answered from there, and so never wait for a chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gridbourse.api.chain_schema import Alarm
from gridbourse.crypto.keys import Address
from gridbourse.index.chain_state import MAIN, ChainState
from gridbourse.index.news import MainBlock, News
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.shelf import Shelf
from gridbourse.market.types import Settings
from gridbourse.metering.mqtt import Broker
from gridbourse.node.jobs import JobSchedule
from gridbourse.node.key_rotation import REGULATOR, RegionKeys
from gridbourse.node.rules import RulesInForce, read_rules_in_force
from gridbourse.region.description import RegionSpec, read_region
from gridbourse.service.accounts import SERVICE_FILE, ServiceStore
from gridbourse.service.administration import Administration
from gridbourse.service.auth.credentials import Credentials
from gridbourse.service.backup import back_up
from gridbourse.service.chains import ChainQueries
from gridbourse.service.changes import Feed
from gridbourse.service.local_time import LocalTime
from gridbourse.service.market import MarketQueries
from gridbourse.service.market_state import MarketState
from gridbourse.service.metering import READINGS_FILE, Metering
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.offering import Offering
from gridbourse.service.participants import NetworkQueries
from gridbourse.service.regulation import Audit
from gridbourse.service.rights import Kind
from gridbourse.service.search import Search
from gridbourse.service.statements import Statements
from gridbourse.service.trading import Trading
from gridbourse.text import Message

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
        Runs the region.
    rules_in_force
        What is in force there.
    folder
        The region's folder, where the service keeps its own file.
    job_schedule
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
        region: RegionProcess,
        rules_in_force: RulesInForce,
        folder: Path,
        spec: RegionSpec,
        *,
        job_schedule: JobSchedule,
        broker: Broker | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self.region = region
        self._rules_in_force = rules_in_force
        self._job_schedule = job_schedule
        self._clock = clock
        self.folder = folder
        self.spec = spec
        self.local = LocalTime(spec.time_zone)
        names = {master_id: master.name for master_id, master in enumerate(spec.masters, start=1)}
        self.store = ServiceStore(folder / SERVICE_FILE)
        self.directory = ParticipantRegistry(list(names.values()))
        shelf = Shelf(folder)
        self.state = MarketState(self.directory, shelf)
        self.chain_state = ChainState(names, shelf)
        self.feed = Feed(self.state, self.directory, names)
        keys, chain_id = RegionKeys(folder), rules_in_force.kept_chain_ids[MAIN]
        self.market = MarketQueries(self.state, self.directory, self._settings, spec, chain_id, clock)
        self.trading = Trading(self.state, self.directory, region, self.store, clock)
        self.metering = Metering(folder / READINGS_FILE, spec.name, self.directory, broker, clock)
        self.offering = Offering(self.state, self.directory, self.metering, region, self.store, self._settings, clock)
        self.statements = Statements(self.trading, self.state)
        self.credentials = Credentials(self.store, self.directory, _members(rules_in_force, names), chain_id, clock)
        opening = keys.regulator.load_node(REGULATOR).opening if keys.regulator.holds(REGULATOR) else ()
        self.chains = ChainQueries(region, spec, rules_in_force.kept_chain_ids, self.chain_state, opening)
        self.search = Search(self.state, self.chain_state, self.directory, self.chains)
        self.network = NetworkQueries(
            self.chain_state,
            self.state,
            self.directory,
            names,
            self._in_force,
            late_anchor_seconds=int(job_schedule.anchor_seconds * LATE_ANCHOR_ROUNDS),
            clock=clock,
        )
        self.administration = Administration(
            region,
            self.credentials,
            self.directory,
            self._in_force,
            names,
            keys.nodes.load_node,
            self._adopt,
        )
        self.audit = Audit(region, self.state, self.chain_state, self.directory, clock)

    @classmethod
    async def open(
        cls, folder: Path, *, job_schedule: JobSchedule | None = None, broker: Broker | None = None
    ) -> Exchange:
        """Open the exchange of a region on disk. Raises like `Region.open`."""
        job_schedule = job_schedule or JobSchedule()
        region = await RegionProcess.open(folder, job_schedule)
        try:
            rules_in_force = await region.read(read_rules_in_force)
            spec = read_region(folder / "region.toml")
            return cls(region, rules_in_force, folder, spec, job_schedule=job_schedule, broker=broker)
        except BaseException:
            await region.stop()
            raise

    async def start(self) -> None:
        """Read the chains, then run."""
        self.store.change("DELETE FROM idempotency WHERE created_at < ?", self._clock() - KEYS_KEPT_SECONDS)
        await self.region.start(self._fold)
        self.feed.forget()
        await asyncio.to_thread(self.metering.start)
        self._offering = asyncio.create_task(self.offering.run(self._job_schedule.step_seconds))

    async def stop(self) -> None:
        """Finish what was taken, close the region and the service's file."""
        self.feed.close()
        self._offering.cancel()
        await asyncio.to_thread(self.metering.stop)
        await self.region.stop()
        self.store.close()

    async def back_up(self, archive: Path) -> None:
        """Write the region and the service's file into an archive; orders wait meanwhile. Raises like `back_up`."""
        await self.region.run(back_up, self.folder, archive)

    def alarms(self) -> list[Alarm]:
        """What asks for attention."""
        settled = (alarm for alarm in self.network.overdue_meters() if not self.metering.has_meter(alarm.subject))
        found = [
            *self.network.late_anchors(),
            *self.metering.broker_disconnected(),
            *self.metering.overdue_meters(),
            *settled,
        ]
        if report := self.audit.last_report:
            found += [Alarm("broken_proof", "region", finding, report.checked_at) for finding in report.findings]
        if not self.is_running:
            since = int(self.region.last_round_at)
            found.append(
                Alarm("stalled", "region", Message("the masters' rounds do not take place; see the log"), since)
            )
        return found

    @property
    def is_running(self) -> bool:
        """Whether the masters' rounds take place."""
        return self.region.is_alive and self._clock() - self.region.last_round_at < STALLED_SECONDS

    # News

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
                self.feed.note_slave_block(block)

    # What is in force

    def _adopt(self, rules_in_force: RulesInForce) -> None:
        self._rules_in_force = rules_in_force

    def _settings(self) -> Settings:
        return self._rules_in_force.settings

    def _in_force(self) -> RulesInForce:
        return self._rules_in_force


def _members(rules_in_force: RulesInForce, names: Mapping[int, str]) -> dict[Address, tuple[Kind, str]]:
    members = {rules_in_force.masters[number].account: (Kind.MASTER, name) for number, name in names.items()}
    return members | {rules_in_force.regulator: (Kind.REGULATOR, REGULATOR)}
