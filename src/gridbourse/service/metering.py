"""The head-end in the service: readings come over MQTT and over the API; those that are accepted are on disk first.

Which meters there are is recorded on the slave chains. What was accepted lies in one file in the region's folder
(`gridbourse.metering.journal`), from which everything here is read again at the start.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gridbourse.api.chain_schema import Alarm
from gridbourse.api.meter_schema import MeterView, ReadingReceipt
from gridbourse.crypto.keys import Address
from gridbourse.errors import ReadingsNotKept, ReadingsRefused
from gridbourse.index.participants import Meter, ParticipantRegistry
from gridbourse.metering import intake
from gridbourse.metering.forecast import Forecast, forecast
from gridbourse.metering.headend import HeadEnd
from gridbourse.metering.intake import Anomaly, Intake, MeteredEnergy, MeteringPoint
from gridbourse.metering.journal import Journal
from gridbourse.metering.mqtt import Broker, Subscriber, require_topic_name
from gridbourse.node.offering import HISTORY_PERIODS
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Message
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS

logger = logging.getLogger(__name__)

OVERDUE_SECONDS = 600
"""So long after a delivery period its reading may take to come."""

_WAIT_SECONDS = 0.5
_DUE_SECONDS = 60
_ASK_AGAIN_SECONDS = 300
_ASK_ON_SECONDS = 3


class Metering:
    """Takes readings in, and tells what they say.

    Parameters
    ----------
    path
        Where accepted readings are kept.
    region
        The region's name, which is part of its topics.
    directory
        Who is who.
    broker
        The MQTT broker to listen to; None to take readings over the API only.
    clock
        Seconds since the epoch.

    Raises
    ------
    InvalidValue
        With a broker: the region's name has characters that mean something in a topic.

    Attributes
    ----------
    simulated : frozenset of Address
        Meters that are no real ones, as whoever simulates them says.
    """

    def __init__(
        self, path: Path, region: str, directory: ParticipantRegistry, broker: Broker | None, clock: Callable[[], int]
    ) -> None:
        if broker is not None:
            require_topic_name(region)
        self.broker = broker
        self.simulated: frozenset[Address] = frozenset()
        self._path = path
        self._region = region
        self._directory = directory
        self._clock = clock
        self._intake = Intake(())
        self._meters: dict[Address, Meter] = {}
        self._of_node: dict[str, list[Address]] = {}
        self._head_end: HeadEnd | None = None
        self._subscriber: Subscriber | None = None
        self._next_request = 0.0
        self._stopping = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="head-end", daemon=True)

    def enter_meters(self) -> None:
        """Take note of which meters masters have entered since the last time."""
        meters = {Address(found.meter): found for found in self._directory.meters()}
        for meter, found in meters.items():
            if self._meters.get(meter) != found:
                (self._head_end or self._intake).enter(MeteringPoint(meter, found.limit_w))
                self.ask_again()  # it may have much to tell
        of_node: dict[str, list[Address]] = defaultdict(list)
        for meter, found in meters.items():
            of_node[found.node_id].append(meter)
        self._meters, self._of_node = meters, dict(of_node)

    def start(self) -> None:
        """Read what was accepted before, once all meters are known; then listen."""
        self._head_end = HeadEnd(self._intake, Journal(self._path), self._clock)
        if self.broker is not None:
            self._subscriber = Subscriber(self.broker, self._region, _session(self._path.with_suffix(".session")))
            self._listener.start()

    def catch_up(self) -> None:
        """Take in what other web servers have accepted; whatever lies on the disk is known here afterwards."""
        self._open.catch_up()

    def stop(self) -> None:
        """Let go of the broker, finish what was taken, and close the file."""
        self._stopping.set()
        if self._subscriber is not None:
            self._listener.join()
            self._subscriber.close()
        if self._head_end is not None:
            self._head_end.close()

    def ask_again(self) -> None:
        """Ask all meters at the broker for what has not come, now instead of when it is due."""
        self._next_request = 0.0

    async def hand_in(self, principal: Principal, payloads: Sequence[bytes]) -> ReadingReceipt:
        """Take in readings that somebody hands in; what says whose they are is their meters' signatures.

        Raises
        ------
        ReadingsRefused
            Some of them are not taken; the others are.
        ReadingsNotKept
            None of them is, for want of a disk.
        """
        require(principal, Right.HAND_IN_READINGS)
        arrivals = await asyncio.to_thread(self._open.take, payloads)
        _log(finding for _, finding in arrivals if finding is not None)
        refused = tuple(
            (f"body.readings.{place}", finding.detail)
            for place, (accepted, finding) in enumerate(arrivals)
            if accepted is None and finding is not None and finding.fault is not Anomaly.REPEATED
        )
        if refused:
            text = "readings: {refused} of {count} are refused, first {fault}; the others are taken"
            told = Message(text, refused=len(refused), count=len(arrivals), fault=refused[0][1])
            raise ReadingsRefused(told, refused)
        new = sum(arrival.accepted is not None for arrival in arrivals)
        return ReadingReceipt(new, len(arrivals) - new)

    # What is known

    def meters(self, principal: Principal) -> list[MeterView]:
        """Meters of the nodes that the caller reaches."""
        require(principal, Right.READ_NODE)
        return [
            self._view(meter)
            for node_id, own in self._of_node.items()
            if principal.reaches(node_id, self._meters[own[0]].master)
            for meter in own
        ]

    def overdue_meters(self) -> list[Alarm]:
        """Meters of which a reading is overdue."""
        revoked = {node.node_id for node in self._directory.nodes() if node.is_revoked}
        views = [self._view(own[-1]) for node_id, own in self._of_node.items() if node_id not in revoked]
        return [
            Alarm(
                "silent_meter",
                view.node_id,
                Message("meter {meter} is not heard", meter=view.meter),
                view.heard_at or view.registered_at,
            )
            for view in views
            if view.is_silent
        ]

    def broker_disconnected(self) -> list[Alarm]:
        """That the head-end does not hear its broker, if it has one."""
        if self.broker is None or self.is_listening:
            return []
        text = "the MQTT broker {broker} is not reached; readings over the API are taken"
        return [Alarm("deaf_head_end", self._region, Message(text, broker=self.broker.host), None)]

    def has_meter(self, node_id: str) -> bool:
        """Whether a node has a meter that is known here."""
        return bool(self._of_node.get(node_id))

    def energy(self, node_id: str, period: int) -> MeteredEnergy | None:
        """What went through a node's meter, or the one before it, in a period; None while unknown or in doubt."""
        energies = (self._intake.energy(meter, period) for meter in reversed(self._of_node.get(node_id, [])))
        return next((energy for energy in energies if energy is not None), None)

    def last_period(self, node_id: str) -> int | None:
        """The newest delivery period that a node's meter has reported."""
        readings = [self._intake.latest(meter) for meter in self._of_node.get(node_id, [])]
        return max((reading.period for reading in readings if reading is not None), default=None)

    def reading_count(self, node_id: str) -> int:
        """How many readings of a node are accepted: as long as it is the same, they say the same."""
        return sum(self._intake.count(meter) for meter in self._of_node.get(node_id, []))

    def expected(self, node_id: str, period: int) -> Forecast | None:
        """What a node's readings let expect in a period up to a day after the newest; None if they say too little."""
        last = self.last_period(node_id)
        if last is None or not 1 <= period - last <= PERIODS_IN_24_HOURS:
            return None
        energies = (self.energy(node_id, known) for known in range(last - HISTORY_PERIODS + 1, last + 1))
        history = [None if energy is None else energy.surplus_wh for energy in energies]
        return forecast(history, period - last)

    @property
    def is_listening(self) -> bool:
        """Whether the broker can be reached."""
        return self._subscriber is not None and self._subscriber.is_connected and self._listener.is_alive()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many readings came since the start, by what became of them."""
        return {"accepted": self._open.accepted, **{fault.name.lower(): self._open.faults[fault] for fault in Anomaly}}

    @property
    def _open(self) -> HeadEnd:
        if self._head_end is None:
            raise ReadingsNotKept(Message("the head-end is starting; try again when it is there"))
        return self._head_end

    def _view(self, meter: Address) -> MeterView:
        registered, latest = self._meters[meter], self._intake.latest(meter)
        node_id, is_current = registered.node_id, self._of_node[registered.node_id][-1] == meter
        due = registered.registered_at if latest is None else (latest.period + 2) * PERIOD_SECONDS
        return MeterView(
            meter=f"0x{meter.hex()}",
            node_id=node_id,
            master=registered.master,
            limit_w=registered.limit_w,
            is_current=is_current,
            registered_at=registered.registered_at,
            reading_count=self._intake.count(meter),
            missing_count=sum(map(len, self._intake.missing(meter))),
            last_period=None if latest is None else latest.period,
            heard_at=None if latest is None else latest.taken_at,
            is_silent=is_current and self._clock() > due + OVERDUE_SECONDS,
            is_simulated=meter in self.simulated,
        )

    # Over MQTT

    def _listen(self) -> None:
        assert self._subscriber is not None, "the thread runs where there is a broker"
        accepted = 0
        while not self._stopping.is_set():
            received = self._open.received
            try:
                _log(self._open.collect(self._subscriber, _WAIT_SECONDS))
            except ReadingsNotKept:
                logger.exception("the head-end stops listening; what was not confirmed comes again after a restart")
                return
            # A broker drops what does not fit its queue: while asking brings readings, the rest is asked for at once.
            brought = self._open.received == received and self._open.accepted > accepted
            pause_seconds = _ASK_AGAIN_SECONDS - _ASK_ON_SECONDS if brought else 0
            if time.monotonic() >= self._next_request - pause_seconds and self._subscriber.is_connected:
                due = (self._clock() - _DUE_SECONDS) // PERIOD_SECONDS - 1
                self._next_request = time.monotonic() + _ASK_AGAIN_SECONDS
                accepted = self._open.accepted
                self._open.request_missing(self._subscriber, due)


def _session(path: Path) -> str:
    """What makes the head-end's client id unguessable: made once, and readable by the owner of the folder only."""
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(16), "utf-8")
        draft.replace(path)
    return path.read_text("utf-8").strip()


def _log(findings: Iterable[intake.Finding]) -> None:
    for finding in findings:
        if finding.fault not in {Anomaly.REPEATED, Anomaly.OUT_OF_ORDER}:
            logger.warning("%s: %s", finding.fault, finding.detail)
