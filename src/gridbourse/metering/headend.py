"""The head-end: from what comes over MQTT, or is handed in, to readings that are accepted and safe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

from gridbourse.crypto.keys import Address
from gridbourse.errors import ReadingsNotKept
from gridbourse.metering.intake import Anomaly, Arrival, Finding, Intake, MeteringPoint
from gridbourse.metering.journal import Journal
from gridbourse.metering.mqtt import Subscriber
from gridbourse.metering.reading import ADDRESS_BYTES, MAX_SEQUENCE, MEMORY_READINGS

CLOCK_TOLERANCE_SECONDS = 60
"""How much a meter's clock may be fast."""
BURST_READINGS = 2 * MEMORY_READINGS
"""Readings of one meter at once: all that it remembers, and as much again."""
READINGS_PER_SECOND = 0.1
"""Readings of one meter, lasting: ninety times what it makes."""


class HeadEnd:
    """Collects the readings of a region (head-end system, IEC 61968-9).

    One thread at a time takes in; others may ask the intake meanwhile. Head-ends of several processes share a journal.

    Parameters
    ----------
    intake
        What accepts readings; what the journal holds is given to it first.
    journal
        Where accepted readings are kept.
    clock
        Seconds since the epoch, so that readings from the future are refused; None to believe every time.
    monotonic
        Seconds of any clock that only goes forward, by which the readings of one meter are limited in number.

    Attributes
    ----------
    intake : Intake
        What the readings say.
    received, accepted : int
        How many readings it has taken in so far, good and bad, and how many of them were good and new.
    faults : Counter
        What it found on arrival, how often.
    """

    def __init__(
        self,
        intake: Intake,
        journal: Journal,
        clock: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.intake = intake
        self.received = self.accepted = 0
        self.faults: Counter[Anomaly] = Counter()
        self._journal = journal
        self._clock = clock
        self._monotonic = monotonic
        self._allowances: dict[Address, tuple[float, float]] = {}
        """By meter, how many readings it may still send, and since when."""
        self._taking = Lock()
        self._failure: OSError | None = None
        self.catch_up()

    def enter(self, point: MeteringPoint) -> None:
        """Make a connection known while readings come in; see `Intake.enter`."""
        with self._taking:
            self.intake.enter(point)

    def catch_up(self) -> None:
        """Take in what other processes have accepted meanwhile."""
        with self._taking:
            self._read_on()

    def take(self, payloads: Sequence[bytes]) -> list[Arrival]:
        """Take in readings; those that were accepted are on disk when this returns.

        Raises
        ------
        ReadingsNotKept
            The disk does not take them. Nothing is taken from then on: what was accepted in memory only must not be
            confirmed later.
        """
        until = self._clock() + CLOCK_TOLERANCE_SECONDS if self._clock else None
        with self._taking:
            if self._failure is not None:
                raise ReadingsNotKept(f"readings cannot be kept: {self._failure}") from self._failure
            with self._journal.held():
                self._read_on()
                arrivals = [self._accept(payload, until) for payload in payloads]
                self._keep(arrivals)
            self.received += len(arrivals)
            self.accepted += sum(arrival.accepted is not None for arrival in arrivals)
            self.faults.update(arrival.finding.fault for arrival in arrivals if arrival.finding)
        return arrivals

    def collect(self, subscriber: Subscriber, timeout_seconds: float) -> list[Finding]:
        """Take in what has come, or what comes first within the timeout, and give what there is to report.

        The broker hears that a reading arrived when it is on disk, not earlier. Raises like `take`.
        """
        deliveries = subscriber.receive(timeout_seconds)
        arrivals = self.take([delivery.payload for delivery in deliveries])
        subscriber.acknowledge(deliveries)
        return [arrival.finding for arrival in arrivals if arrival.finding is not None]

    def request_missing(self, subscriber: Subscriber, period: int) -> int:
        """Ask every meter again for the readings it must have made by the end of `period` and that have not come.

        Returns
        -------
        int
            Meters asked.
        """
        missing = self._missing(period)
        for meter, gaps in missing.items():
            for first, last in gaps:
                subscriber.request(meter, first, last)
        return len(missing)

    def is_complete(self, period: int) -> bool:
        """Whether all readings have come that the meters must have made by the end of `period`."""
        return not self._missing(period)

    def close(self) -> None:
        """Let what is being taken in finish, and let go of the journal."""
        with self._taking:
            self._journal.close()

    def _read_on(self) -> None:
        # A reading that is damaged on disk is refused like any other, and its meter asked for it again.
        for data in self._journal.unread():
            self.intake.accept(data)

    def _accept(self, payload: bytes, until: int | None) -> Arrival:
        """Accept a reading, unless its meter has sent too many. What is not accepted costs a meter nothing."""
        meter, now = Address(payload[:ADDRESS_BYTES]), self._monotonic()
        left, since = self._allowances.get(meter, (float(BURST_READINGS), now))
        left = min(BURST_READINGS, left + (now - since) * READINGS_PER_SECOND)
        if left < 1:
            detail = f"meter 0x{meter.hex()} sends more readings than it can have made"
            return Arrival(None, Finding(Anomaly.TOO_MANY, detail))
        arrival = self.intake.accept(payload, until=until)
        if arrival.accepted is not None:
            self._allowances[meter] = left - 1, now
        return arrival

    def _keep(self, arrivals: Sequence[Arrival]) -> None:
        accepted = [arrival.accepted for arrival in arrivals if arrival.accepted is not None]
        try:
            for signed in accepted:
                self._journal.append(signed)
            if accepted:
                self._journal.sync()
        except OSError as error:
            self._failure = error
            raise ReadingsNotKept(f"readings cannot be kept: {error}") from error

    def _missing(self, period: int) -> dict[Address, list[tuple[int, int]]]:
        """First and last numbers of what must have been made and has not come; the last may be far off."""
        missing = {}
        for meter in self.intake.meters:
            gaps = [(gap.start, gap.stop - 1) for gap in self.intake.missing(meter)]
            latest = self.intake.latest(meter)
            if latest is None:
                gaps.append((0, MAX_SEQUENCE))
            elif latest.period < period:
                gaps.append((latest.sequence + 1, MAX_SEQUENCE))
            if gaps:
                missing[meter] = gaps
        return missing
