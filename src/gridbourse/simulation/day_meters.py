"""The meters of the day: what flows through them, what they sign, and what gets lost or spoilt on the way."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.metering.headend import HeadEnd
from gridbourse.metering.intake import Anomaly, Finding, Intake, MeteringPoint
from gridbourse.metering.journal import Journal
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Broker, Concentrator, Subscriber
from gridbourse.metering.reading import SignedReading

FAULTY_PERMILLE = 2
"""Share of readings that are spoilt, though never less than one for every way of spoiling."""

SPOILT = (
    Anomaly.REPEATED,
    Anomaly.OUT_OF_ORDER,
    Anomaly.MISSING,
    Anomaly.UNREADABLE,
    Anomaly.WRONGLY_SIGNED,
    Anomaly.CONFLICTING,
    Anomaly.ABSURD,
    Anomaly.UNKNOWN_METER,
)
"""What is done to readings. A reading that runs backwards comes by itself, after an absurd one."""

_ABSURD_WH = 10**9
_PATIENCE_SECONDS = 30
_LOOK_SECONDS = 0.2


class Meters:
    """A smart meter for every metering point; its readings go over the broker to the head-end of its master.

    Parameters
    ----------
    flow_wh
        Tells what is fed in at a metering point in a period; negative where energy is drawn.
    limits_w
        By metering point: what its connection carries.
    points_of
        By master: its metering points.
    periods
        The periods that will be read; the reading before them says where counting begins.
    seed
        Decides which readings are spoilt, and how.
    broker
        Where the readings go over.
    folder
        Where the head-ends keep what they accept; made if it is not there.

    Attributes
    ----------
    findings : list of Finding
        What the head-ends reported so far.
    """

    def __init__(
        self,
        flow_wh: Callable[[str, int], int],
        limits_w: Mapping[str, int],
        points_of: Mapping[str, Sequence[str]],
        periods: range,
        seed: int,
        broker: Broker,
        folder: Path,
    ) -> None:
        self._flow_wh = flow_wh
        self._keys = {name: SigningKey.generate() for name in limits_w}
        self._meters = {name: Meter(key) for name, key in self._keys.items()}
        self._stranger = SigningKey.generate()
        self._spoilt = self._choose(periods[:-2], random.Random(seed))  # noqa: S311 - a day to repeat, not a secret
        self._held: list[tuple[_Line, Address, bytes]] = []
        self.findings: list[Finding] = []
        folder.mkdir(exist_ok=True)
        self._line_of: dict[str, _Line] = {}
        self._lines: list[_Line] = []
        try:
            for master, names in points_of.items():
                meters = {self._meters[name]: limits_w[name] for name in names}
                line = _Line(broker, master, meters, Meter(self._stranger), folder / f"{master}.readings")
                self._lines.append(line)
                self._line_of.update(dict.fromkeys(names, line))
            for line in self._lines:
                line.await_broker()
        except BaseException:
            self.close()
            raise
        for name, meter in self._meters.items():
            self._line_of[name].forward(meter.address, meter.read(periods[0] - 1).to_bytes())
        self._collect()

    @property
    def readings(self) -> int:
        """How many readings came, good and bad."""
        return sum(line.head_end.received for line in self._lines)

    def read(self, period: int) -> None:
        """Let a period's energy flow, and take in what the meters then send."""
        late, self._held = self._held, []
        for name, meter in self._meters.items():
            flow_wh = self._flow_wh(name, period)
            meter.count(imported_wh=max(-flow_wh, 0), exported_wh=max(flow_wh, 0))
            for address, data in self._sent(name, period, meter.read(period)):
                self._line_of[name].forward(address, data)
        for line, address, data in late:
            line.forward(address, data)
        self._collect()

    def ask_again(self, period: int) -> None:
        """Report what is missing up to the end of a period, and ask the meters for it; they remember."""
        for line in self._lines:
            intake = line.head_end.intake
            for meter in intake.meters:
                if intake.missing(meter):
                    self.findings += (found for found in intake.findings(meter) if found.fault is Anomaly.MISSING)
            line.ask_again(period)

    def report_doubts(self) -> None:
        """Report what is implausible between neighbouring readings; once, at the end."""
        for name, meter in self._meters.items():
            self.findings += self._line_of[name].head_end.intake.findings(meter.address)

    def close(self) -> None:
        """Disconnect."""
        for line in self._lines:
            line.close()

    def surpluses_wh(self, name: str, first: int, last: int) -> list[int | None]:
        """What the readings say of a metering point; see `Intake.surpluses_wh`."""
        return self._line_of[name].head_end.intake.surpluses_wh(self._meters[name].address, first, last)

    def _collect(self) -> None:
        for line in self._lines:
            self.findings += line.collect()

    def _choose(self, periods: range, draw: random.Random) -> dict[tuple[str, int], Anomaly]:
        """Choose readings to spoil; of the last periods none, after which nothing comes that would show a gap."""
        places = [(name, period) for name in self._meters for period in periods]
        count = max(len(places) * FAULTY_PERMILLE // 1_000, len(SPOILT))
        chosen = draw.sample(places, min(count, len(places)))
        return {place: SPOILT[turn % len(SPOILT)] for turn, place in enumerate(chosen)}

    def _sent(self, name: str, period: int, signed: SignedReading) -> Iterator[tuple[Address, bytes]]:
        """What is sent of a reading, and as whose."""
        data, reading = signed.to_bytes(), signed.reading
        own, stranger = reading.meter, self._stranger.address
        match self._spoilt.get((name, period)):
            case Anomaly.REPEATED:
                yield from ((own, data), (own, data))
            case Anomaly.OUT_OF_ORDER:
                self._held.append((self._line_of[name], own, data))
            case Anomaly.MISSING:
                pass
            case Anomaly.UNREADABLE:
                yield own, data[:-1]
            case Anomaly.WRONGLY_SIGNED:
                yield own, reading.sign(self._stranger).to_bytes()
            case Anomaly.CONFLICTING:
                yield own, data
                yield own, replace(reading, imported_wh=reading.imported_wh + 1).sign(self._keys[name]).to_bytes()
            case Anomaly.ABSURD:
                yield own, replace(reading, imported_wh=_ABSURD_WH).sign(self._keys[name]).to_bytes()
            case Anomaly.UNKNOWN_METER:
                yield own, data
                yield stranger, replace(reading, meter=stranger).sign(self._stranger).to_bytes()
            case _:
                yield own, data


class _Line:
    """The way of one master's readings: its data concentrator, the broker, its head-end."""

    def __init__(
        self, broker: Broker, master: str, limits_w: Mapping[Meter, int], stranger: Meter, journal: Path
    ) -> None:
        self._broker = broker
        # Every master has topics of its own; the second part keeps two days on one broker apart.
        region = f"{master}-{secrets.token_hex(4)}"
        self._journal = Journal(journal)
        self._subscriber = Subscriber(broker, region, secrets.token_hex(8))
        self._concentrator = Concentrator(broker, region, "concentrator", [*limits_w, stranger])
        intake = Intake(MeteringPoint(meter.address, limit_w) for meter, limit_w in limits_w.items())
        self.head_end = HeadEnd(intake, self._journal)

    def await_broker(self) -> None:
        if not (
            self._subscriber.await_broker(_PATIENCE_SECONDS) and self._concentrator.await_broker(_PATIENCE_SECONDS)
        ):
            raise self._silent("that takes subscriptions")

    def forward(self, meter: Address, data: bytes) -> None:
        self._concentrator.forward(meter, data)

    def collect(self) -> list[Finding]:
        """Take in all that was sent."""
        findings = []
        while (received := self.head_end.received) < self._concentrator.forwarded:
            findings += self.head_end.collect(self._subscriber, _PATIENCE_SECONDS)
            if self.head_end.received == received:
                raise self._silent(f"that delivers: {received} of {self._concentrator.forwarded} readings came")
        return findings

    def ask_again(self, period: int) -> None:
        """Ask for what is missing, and take in what comes; that it comes late is no finding."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        self.head_end.request_missing(self._subscriber, period)
        while not self.head_end.is_complete(period):
            self.head_end.collect(self._subscriber, _LOOK_SECONDS)
            if time.monotonic() > deadline:
                raise self._silent("that delivers requests to resend")
        self.collect()

    def close(self) -> None:
        self._concentrator.close()
        self._subscriber.close()
        self._journal.close()

    def _silent(self, remedy: str) -> InvalidValue:
        return InvalidValue("broker", f"{self._broker.host}:{self._broker.port}", f"a broker {remedy}")
