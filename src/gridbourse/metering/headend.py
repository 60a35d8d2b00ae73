"""The head-end: from what comes over MQTT to readings that are accepted and safe."""

from __future__ import annotations

from gridbourse.crypto.keys import Address
from gridbourse.metering.intake import Finding, Intake
from gridbourse.metering.journal import Journal
from gridbourse.metering.mqtt import Subscriber
from gridbourse.metering.reading import MAX_SEQUENCE


class HeadEnd:
    """Collects the readings of a region (head-end system, IEC 61968-9).

    Parameters
    ----------
    intake
        What accepts readings; what the journal holds is given to it first.
    journal
        Where accepted readings are kept.
    subscriber
        Where readings come from.

    Attributes
    ----------
    intake : Intake
        What the readings say.
    received : int
        How many deliveries it has taken in so far, good and bad.
    """

    def __init__(self, intake: Intake, journal: Journal, subscriber: Subscriber) -> None:
        self.intake = intake
        self.received = 0
        self._journal = journal
        self._subscriber = subscriber
        # A reading that is damaged on disk is refused like any other, and its meter asked for it again.
        for data in journal:
            intake.accept(data)

    def collect(self, timeout_seconds: float) -> list[Finding]:
        """Take in what has come, or what comes first within the timeout, and give what there is to report.

        The broker hears that a reading arrived when it is on disk, not earlier.
        """
        deliveries = self._subscriber.receive(timeout_seconds)
        arrivals = [self.intake.accept(delivery.payload) for delivery in deliveries]
        for arrival in arrivals:
            if arrival.accepted is not None:
                self._journal.append(arrival.accepted)
        if deliveries:
            self._journal.sync()
        self._subscriber.acknowledge(deliveries)
        self.received += len(deliveries)
        return [arrival.finding for arrival in arrivals if arrival.finding is not None]

    def request_missing(self, period: int) -> int:
        """Ask every meter again for the readings it must have made by the end of `period` and that have not come.

        Returns
        -------
        int
            Meters asked.
        """
        missing = self._missing(period)
        for meter, gaps in missing.items():
            for first, last in gaps:
                self._subscriber.request(meter, first, last)
        return len(missing)

    def is_complete(self, period: int) -> bool:
        """Whether all readings have come that the meters must have made by the end of `period`."""
        return not self._missing(period)

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
