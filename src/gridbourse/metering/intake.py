"""What accepts readings, and what the accepted readings say.

A reading is accepted if a known meter made it and nothing else under that number. Whether it is *plausible* is a
property of two neighbours, not of one reading, and is judged when asked. So everything below `accept` is a function
of the set of accepted readings: the order in which they came, and how often, leaves no trace.

============== ======================== ==================================================================
fault          found                    what follows
============== ======================== ==================================================================
UNREADABLE     on arrival               refused
UNKNOWN_METER  on arrival               refused
WRONGLY_SIGNED on arrival               refused
PREMATURE      on arrival               refused: it says to be taken later than it is now
TOO_MANY       on arrival               refused: more than a meter has to say (`gridbourse.metering.headend`)
CONFLICTING    on arrival               refused: the reading accepted first stands; both are evidence
REPEATED       on arrival               nothing: it is the reading already accepted
OUT_OF_ORDER   on arrival               accepted like any other
MISSING        between two neighbours   periods without a reading have no energy yet; the meter is asked again
BACKWARDS      between two neighbours   the periods between them have no energy
ABSURD         between two neighbours   the periods between them have no energy
============== ======================== ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue
from gridbourse.metering.reading import MEMORY_READINGS, Reading, SignedReading
from gridbourse.units import PERIOD_SECONDS


class Anomaly(StrEnum):
    """What can be wrong with readings."""

    UNREADABLE = "unreadable"
    UNKNOWN_METER = "unknown meter"
    WRONGLY_SIGNED = "wrongly signed"
    PREMATURE = "premature"
    TOO_MANY = "too many"
    CONFLICTING = "conflicting"
    REPEATED = "repeated"
    OUT_OF_ORDER = "out of order"
    MISSING = "missing"
    BACKWARDS = "backwards"
    ABSURD = "absurd"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and its evidence.

    Parameters
    ----------
    fault
        What is wrong.
    detail
        The same for a person to read.
    evidence
        The readings that show it: the one that came, the two that conflict, or the two neighbours.
    """

    fault: Anomaly
    detail: str
    evidence: tuple[SignedReading, ...] = ()


class Arrival(NamedTuple):
    """What became of bytes that came in: a reading if they were accepted, a finding if there is one to report."""

    accepted: SignedReading | None
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class MeteringPoint:
    """A connection to the grid and the meter that stands there.

    Parameters
    ----------
    meter
        Address of the meter's key.
    limit_w
        The most that the connection carries, in either direction, in W.
    """

    meter: Address
    limit_w: int


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """What went through a meter in one delivery period."""

    imported_wh: int
    exported_wh: int

    @property
    def surplus_wh(self) -> int:
        """Fed in less drawn, in Wh; negative when there was need."""
        return self.exported_wh - self.imported_wh


class _Stream:
    """The accepted readings of one meter, and the energy between those that follow each other."""

    def __init__(self, point: MeteringPoint) -> None:
        self.point = point
        self.by_sequence: dict[int, SignedReading] = {}
        self.next_sequence = 0
        self.energies: dict[int, tuple[int, MeteredEnergy]] = {}

    def add(self, signed: SignedReading) -> None:
        sequence = signed.reading.sequence
        self.by_sequence[sequence] = signed
        self.next_sequence = max(self.next_sequence, sequence + 1)
        for number in (sequence, sequence + 1):
            before, after = self.by_sequence.get(number - 1), self.by_sequence.get(number)
            if before is not None and after is not None and _judge(self.point, before, after) is None:
                # A faulty meter may read a period twice: what it read first counts, whatever came first.
                period, energy = after.reading.period, _between(before.reading, after.reading)
                known = self.energies.get(period)
                self.energies[period] = (number, energy) if known is None or number < known[0] else known


class Intake:
    """Accepts the readings of a region's meters.

    Parameters
    ----------
    points
        The connections whose meters are known; asking about another meter is an `InvalidValue`.
    """

    def __init__(self, points: Iterable[MeteringPoint]) -> None:
        self._streams = {point.meter: _Stream(point) for point in points}

    @property
    def meters(self) -> tuple[Address, ...]:
        """All meters known."""
        return tuple(self._streams)

    def enter(self, point: MeteringPoint) -> None:
        """Make a connection known, or change what a known one carries: its readings are judged again by that."""
        known, stream = self._streams.get(point.meter), _Stream(point)
        for signed in known.by_sequence.values() if known else ():
            stream.add(signed)
        self._streams[point.meter] = stream

    def accept(self, data: bytes, *, until: int | None = None) -> Arrival:
        """Take in what came from a meter, whatever it is.

        Parameters
        ----------
        data
            What came.
        until
            Seconds since the epoch: no reading was taken later than that. None to believe every time.
        """
        try:
            signed = SignedReading.from_bytes(data)
        except InvalidValue as error:
            return Arrival(None, Finding(Anomaly.UNREADABLE, str(error)))
        reading = signed.reading
        stream = self._streams.get(reading.meter)
        name = f"meter 0x{reading.meter.hex()}, reading {reading.sequence}"
        if stream is None:
            return _refused(Anomaly.UNKNOWN_METER, f"{name}: no such meter", signed)
        if not signed.is_genuine():
            return _refused(Anomaly.WRONGLY_SIGNED, f"{name}: not signed by this meter", signed)
        if until is not None and reading.taken_at > until:
            return _refused(Anomaly.PREMATURE, f"{name}: taken at {reading.taken_at}, which is still to come", signed)
        held = stream.by_sequence.get(reading.sequence)
        if held is None:
            late = reading.sequence < stream.next_sequence
            stream.add(signed)
            detail = f"{name} came after reading {stream.next_sequence - 1}"
            return Arrival(signed, Finding(Anomaly.OUT_OF_ORDER, detail, (signed,)) if late else None)
        if held.reading == reading:
            return _refused(Anomaly.REPEATED, f"{name} came before", signed)
        return _refused(Anomaly.CONFLICTING, f"{name}: the meter signed two", held, signed)

    def readings(self, meter: Address) -> tuple[SignedReading, ...]:
        """All accepted readings of a meter, in the meter's order."""
        by_sequence = self._stream(meter).by_sequence
        return tuple(by_sequence[sequence] for sequence in sorted(by_sequence))

    def count(self, meter: Address) -> int:
        """How many readings of a meter are accepted."""
        return len(self._stream(meter).by_sequence)

    def latest(self, meter: Address) -> Reading | None:
        """The accepted reading with the highest number."""
        stream = self._stream(meter)
        signed = stream.by_sequence.get(stream.next_sequence - 1)
        return None if signed is None else signed.reading

    def energy(self, meter: Address, period: int) -> MeteredEnergy | None:
        """What went through a meter in a period; None while that is unknown or in doubt."""
        _, energy = self._stream(meter).energies.get(period, (0, None))
        return energy

    def surpluses_wh(self, meter: Address, first: int, last: int) -> list[int | None]:
        """Surplus of each period from `first` to `last`, in Wh; negative for need, None where it is unknown."""
        energies = (self.energy(meter, period) for period in range(first, last + 1))
        return [None if energy is None else energy.surplus_wh for energy in energies]

    def findings(self, meter: Address) -> tuple[Finding, ...]:
        """What is wrong between a meter's accepted readings, in the meter's order."""
        stream = self._stream(meter)
        readings = self.readings(meter)
        judged = [_judge(stream.point, before, after) for before, after in pairwise(readings)]
        if readings and readings[0].reading.sequence > 0:
            detail = f"meter 0x{meter.hex()}: nothing before reading {readings[0].reading.sequence}"
            judged.insert(0, Finding(Anomaly.MISSING, detail, readings[:1]))
        return tuple(finding for finding in judged if finding is not None)

    def missing(self, meter: Address) -> list[range]:
        """Numbers of the readings that are missing below the latest one accepted, as far back as a meter remembers."""
        stream = self._stream(meter)
        if len(stream.by_sequence) == stream.next_sequence:
            return []
        oldest = max(0, stream.next_sequence - MEMORY_READINGS)
        held = [oldest - 1, *sorted(number for number in stream.by_sequence if number >= oldest)]
        return [range(before + 1, after) for before, after in pairwise(held) if after > before + 1]

    def _stream(self, meter: Address) -> _Stream:
        if meter not in self._streams:
            raise InvalidValue("meter", meter.hex(), "the address of a meter at a known metering point")
        return self._streams[meter]


def _refused(fault: Anomaly, detail: str, *evidence: SignedReading) -> Arrival:
    return Arrival(None, Finding(fault, detail, evidence))


def _between(before: Reading, after: Reading) -> MeteredEnergy:
    return MeteredEnergy(after.imported_wh - before.imported_wh, after.exported_wh - before.exported_wh)


def _judge(point: MeteringPoint, before: SignedReading, after: SignedReading) -> Finding | None:
    """Find what is wrong between neighbours; the gravest, if several things are."""
    old, new = before.reading, after.reading
    energy, periods = _between(old, new), new.period - old.period
    name = f"meter 0x{new.meter.hex()}, readings {old.sequence} to {new.sequence}"
    if periods <= 0 or energy.imported_wh < 0 or energy.exported_wh < 0:
        detail = f"{name}: period, import or export runs backwards"
        return Finding(Anomaly.BACKWARDS, detail, (before, after))
    # One Wh more than the connection carries: a register shows whole Wh, so a difference may be 1 Wh high.
    most_wh = point.limit_w * PERIOD_SECONDS * periods // 3600 + 1
    if max(energy.imported_wh, energy.exported_wh) > most_wh:
        detail = f"{name}: {energy.imported_wh} Wh in, {energy.exported_wh} Wh out; at most {most_wh} Wh can be"
        return Finding(Anomaly.ABSURD, detail, (before, after))
    if periods > 1 or new.sequence > old.sequence + 1:
        detail = f"{name}: {periods} periods, {energy.imported_wh} Wh in, {energy.exported_wh} Wh out together"
        return Finding(Anomaly.MISSING, detail, (before, after))
    return None
