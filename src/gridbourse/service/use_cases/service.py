"""The exchange: one region, everything one may ask of it, and everything one may do.

The region and its chains are a node's, in a process of its own, which is commanded over its socket
(`gridbourse.node.commands`). It writes what the chains hold to the index; questions are answered from there, and so
never wait for a chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridbourse.api.chain_schema import Alarm
from gridbourse.chain.local import system_clock
from gridbourse.crypto.keys import Address
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import GridbourseError
from gridbourse.index.database import Database
from gridbourse.index.index import Notice
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.schema import MAIN
from gridbourse.market.types import Settings
from gridbourse.metering.mqtt import Broker
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.codec import decode
from gridbourse.node.commands.requests import Round
from gridbourse.node.folder.key_rotation import REGULATOR, RegionKeys
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.market.submit import Submit
from gridbourse.node.rules import RulesInForce
from gridbourse.region.description import RegionSpec
from gridbourse.region.description_file import read_region
from gridbourse.region.layout import DESCRIPTION_FILE, READINGS_FILE, SERVICE_FILE, SOCKET_FILE
from gridbourse.region.shown_names import ShownNames
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth.credentials import Credentials
from gridbourse.service.changes import Feed
from gridbourse.service.metering import Metering
from gridbourse.service.node_host import NodeHost
from gridbourse.service.rights import Kind
from gridbourse.service.signing import RecordSigner
from gridbourse.service.use_cases.administration import Administration
from gridbourse.service.use_cases.chains import ChainQueries
from gridbourse.service.use_cases.market import MarketQueries
from gridbourse.service.use_cases.offering import Offering
from gridbourse.service.use_cases.participants import NetworkQueries
from gridbourse.service.use_cases.payouts import PayoutDesk
from gridbourse.service.use_cases.regulation import Audit
from gridbourse.service.use_cases.search import Search
from gridbourse.service.use_cases.statements import Statements
from gridbourse.service.use_cases.trading import Trading
from gridbourse.text import LANGUAGES, Message

LATE_ANCHOR_ROUNDS = 5
"""Records are late when so many anchorings should have taken place."""
STALLED_SECONDS = 30


class Exchange:
    """A running exchange.

    Parameters
    ----------
    node
        The region's node.
    host
        Sees to it that there is one; None where that is somebody else's to do.
    rules_in_force
        What is in force there.
    folder
        The region's folder, where the service keeps its own file.
    database
        The index.
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
    shown_names
        What masters, nodes and the region are called, by language.
    calendar
        The region's delivery days and local time.
    metering, offering
        Meters' readings, and what nodes offer by themselves.
    chains, network
        What may be seen of the chains and of those who take part.
    search
        Finds what stands on the chains.
    administration
        What masters do for their users and the consortium.
    payouts
        Money that goes out.
    audit
        What the regulator does.
    credentials
        Who asks.
    index
        The index, from which all of them read.
    feed
        What happens.
    """

    def __init__(
        self,
        node: NodeClient,
        host: NodeHost | None,
        rules_in_force: RulesInForce,
        folder: Path,
        spec: RegionSpec,
        database: Database,
        *,
        job_schedule: JobSchedule,
        broker: Broker | None = None,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self.node = node
        self.host = host
        self._last_round = Round(0.0)
        self._refreshing: asyncio.Task[None] | None = None
        self._rules_in_force = rules_in_force
        self._job_schedule = job_schedule
        self._clock = clock
        self.folder = folder
        self.spec = spec
        self.shown_names = {language: ShownNames.of(spec, language) for language in LANGUAGES}
        self.calendar = DeliveryCalendar(spec.time_zone)
        names = {master_id: master.name for master_id, master in enumerate(spec.masters, start=1)}
        self.store = ServiceStore(folder / SERVICE_FILE)
        self.index = IndexReader(database)
        self.directory = self.index.participants
        self.feed = Feed(self.index)
        keys, chain_id = RegionKeys(folder), rules_in_force.kept_chain_ids[MAIN]
        self.market = MarketQueries(self.index, self.calendar, self._settings, spec, chain_id, clock)
        self._signer = RecordSigner(node)
        first_open_period = self.market.first_open_period
        self.trading = Trading(self.index, self.calendar, node, self._signer, first_open_period, clock)
        self.metering = Metering(folder / READINGS_FILE, spec.name, self.directory, broker, clock)
        self.offering = Offering(self.index, self.calendar, self.metering, node, self.store, self._settings, clock)
        self.statements = Statements(self.trading, self.index, self.calendar, spec)
        self.credentials = Credentials(self.store, self.directory, _members(rules_in_force, names), chain_id, clock)
        self.chains = ChainQueries(node, spec, rules_in_force.kept_chain_ids, self.index)
        self.search = Search(self.index, self.chains)
        self.network = NetworkQueries(
            node,
            self.index,
            spec,
            self._in_force,
            late_anchor_seconds=int(job_schedule.anchor_seconds * LATE_ANCHOR_ROUNDS),
            clock=clock,
        )
        self.administration = Administration(
            node,
            self.credentials,
            self.directory,
            self._in_force,
            names,
            keys.nodes.load_node,
            self._adopt,
        )
        self.payouts = PayoutDesk(node, self._signer, self.index.participants, self._in_force, names)
        self.audit = Audit(node, self.index, self.calendar, self.store, clock)

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        job_schedule: JobSchedule | None = None,
        broker: Broker | None = None,
        starts_node: bool = True,
        clock: Callable[[], int] = system_clock,
    ) -> Exchange:
        """Open the exchange of a region on disk.

        Parameters
        ----------
        folder
            The region's.
        job_schedule
            How often a node that is started here does what it does by itself.
        broker
            The MQTT broker that meters publish to.
        starts_node
            Whether a node is started where none listens; else one that somebody else runs is waited for.
        clock
            Seconds since the epoch, as the node's clock tells them.

        Raises
        ------
        GridbourseError
            Like `Region.open`; or no node is reached in time.
        """
        job_schedule = job_schedule or JobSchedule()
        spec = read_region(folder / DESCRIPTION_FILE)
        host = NodeHost(folder, job_schedule) if starts_node else None
        node = NodeClient(folder / SOCKET_FILE, host.ensure if host else None)
        try:
            rules_in_force = await node.wait_for(requests.ReadRules())
            database = Database.of(folder)
            return cls(
                node,
                host,
                rules_in_force,
                folder,
                spec,
                database,
                job_schedule=job_schedule,
                broker=broker,
                clock=clock,
            )
        except BaseException:
            if host is not None:
                await host.stop()
            raise

    async def start(self) -> None:
        """Follow the node, which has written to the index what the chains hold."""
        await self.node.start(self._take)
        # The first round is awaited from now on, not since 1970.
        self._last_round = replace(self._last_round, ended_at=max(self._last_round.ended_at, float(self._clock())))
        self.feed.start()
        await asyncio.to_thread(self.metering.start)
        self._offering = asyncio.create_task(self.offering.run(self._job_schedule.step_seconds))

    async def stop(self) -> None:
        """Finish what was taken, let go of the node, or let it end that was started here; close the service's file."""
        self.feed.close()
        self._offering.cancel()
        await asyncio.to_thread(self.metering.stop)
        await self.node.stop()
        if self.host is not None:
            await self.host.stop()
        self.store.close()
        self.index.database.close()

    async def back_up(self, archive: Path) -> None:
        """Write the region and the service's file into an archive; orders wait meanwhile. Raises like `back_up`."""
        await self.node.ask(requests.BackUp(archive.absolute()))

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
        found += [
            Alarm("failing_job", own.subject, Message("{job}: {reason}", job=own.job, reason=own.reason), own.since)
            for own in self._last_round.failures
        ]
        if not self.is_running:
            since = int(self._last_round.ended_at)
            found.append(
                Alarm("stalled", "region", Message("the masters' rounds do not take place; see the log"), since)
            )
        return found

    @property
    def now(self) -> int:
        """What time it is, in seconds since the epoch."""
        return self._clock()

    @property
    def today(self) -> int:
        """The delivery day that it is."""
        return self.calendar.day_at(self._clock())

    @property
    def is_running(self) -> bool:
        """Whether the node is reached, its rounds take place, and what users record gets to the market."""
        is_late = self._clock() - self._last_round.ended_at >= STALLED_SECONDS
        is_failing = any(own.job == Submit.name for own in self._last_round.failures)
        return self.node.is_connected and not is_failing and not is_late

    @property
    def last_round_at(self) -> float:
        """When the masters' last round ended, in seconds since the epoch; before the first, when the service began."""
        return self._last_round.ended_at

    # Events

    def _take(self, event: Mapping[str, Any]) -> None:
        """Take in what the node tells."""
        match event["event"]:
            case "index":
                self._notify(decode(Notice, event["notice"], "notice"))
            case "round":
                self._last_round = decode(Round, event["round"], "round")
            case "connected":
                self._signer.forget()
                self._refresh()
                self.metering.enter_meters()
                self.feed.notify()

    def _notify(self, notice: Notice) -> None:
        """Take note that the index has new blocks."""
        if notice.is_voted:
            self._refresh()
        if notice.heights.keys() - {MAIN}:
            self.metering.enter_meters()
        self.feed.notify()

    # What is in force

    def _refresh(self) -> None:
        """Ask what is in force: it may have changed."""
        if self.node.is_connected and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._ask_rules())

    async def _ask_rules(self) -> None:
        with suppress(GridbourseError):  # whoever is reached next is asked again
            self._adopt(await self.node.ask(requests.ReadRules()))

    def _adopt(self, rules_in_force: RulesInForce) -> None:
        self._rules_in_force = rules_in_force

    def _settings(self) -> Settings:
        return self._rules_in_force.settings

    def _in_force(self) -> RulesInForce:
        return self._rules_in_force


def _members(rules_in_force: RulesInForce, names: Mapping[int, str]) -> dict[Address, tuple[Kind, str]]:
    members = {rules_in_force.masters[number].account: (Kind.MASTER, name) for number, name in names.items()}
    return members | {rules_in_force.regulator: (Kind.REGULATOR, REGULATOR)}
