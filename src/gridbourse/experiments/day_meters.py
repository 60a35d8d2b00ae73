"""The meters of the day: what flows through them, what they sign, and what gets lost or spoilt on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gridbourse.crypto.keys import SigningKey
from gridbourse.metering.intake import Fault, Finding, Intake, MeteringPoint
from gridbourse.metering.meter import Meter
from gridbourse.metering.reading import SignedReading

FAULTY_PERMILLE = 2
"""Share of readings that are spoilt, though never less than one for every way of spoiling."""

SPOILT = (
    Fault.REPEATED,
    Fault.OUT_OF_ORDER,
    Fault.MISSING,
    Fault.UNREADABLE,
    Fault.WRONGLY_SIGNED,
    Fault.CONFLICTING,
    Fault.ABSURD,
    Fault.UNKNOWN_METER,
)
"""What is done to readings. A reading that runs backwards comes by itself, after an absurd one."""

_ABSURD_WH = 10**9


class Meters:
    """A smart meter for every metering point, and the intake of their readings.

    Parameters
    ----------
    flow_wh
        Tells what is fed in at a metering point in a period; negative where energy is drawn.
    limits_w
        By metering point: what its connection carries.
    periods
        The periods that will be read; the reading before them says where counting begins.
    seed
        Decides which readings are spoilt, and how.

    Attributes
    ----------
    findings : list of Finding
        What the intake reported so far.
    """

    def __init__(
        self, flow_wh: Callable[[str, int], int], limits_w: Mapping[str, int], periods: range, seed: int
    ) -> None:
        self._flow_wh = flow_wh
        self._keys = {name: SigningKey.generate() for name in limits_w}
        self._meters = {name: Meter(key) for name, key in self._keys.items()}
        self.intake = Intake(MeteringPoint(meter.address, limits_w[name]) for name, meter in self._meters.items())
        self._stranger = SigningKey.generate()
        self._spoilt = self._choose(periods[:-2], random.Random(seed))  # noqa: S311 - a day to repeat, not a secret
        self._held: list[bytes] = []
        self.readings = 0
        self.findings: list[Finding] = []
        for meter in self._meters.values():
            self._take_in(meter.read(periods[0] - 1).to_bytes())

    def read(self, period: int) -> None:
        """Let a period's energy flow, and take in what the meters then send."""
        late, self._held = self._held, []
        for name, meter in self._meters.items():
            flow_wh = self._flow_wh(name, period)
            meter.count(imported_wh=max(-flow_wh, 0), exported_wh=max(flow_wh, 0))
            for data in self._sent(name, period, meter.read(period)):
                self._take_in(data)
        for data in late:
            self._take_in(data)

    def ask_again(self) -> None:
        """Report what is missing, and ask the meters for it; they remember."""
        for meter in self._meters.values():
            gaps = self.intake.missing(meter.address)
            if gaps:
                self.findings += (
                    finding for finding in self.intake.findings(meter.address) if finding.fault is Fault.MISSING
                )
            for gap in gaps:
                for signed in meter.recall(gap.start, gap.stop - 1):
                    self.intake.accept(signed.to_bytes())

    def report_doubts(self) -> None:
        """Report what is implausible between neighbouring readings; once, at the end."""
        for meter in self._meters.values():
            self.findings += self.intake.findings(meter.address)

    def surpluses_wh(self, name: str, first: int, last: int) -> list[int | None]:
        """What the readings say of a metering point; see `Intake.surpluses_wh`."""
        return self.intake.surpluses_wh(self._meters[name].address, first, last)

    def _take_in(self, data: bytes) -> None:
        self.readings += 1
        _, finding = self.intake.accept(data)
        if finding is not None:
            self.findings.append(finding)

    def _choose(self, periods: range, draw: random.Random) -> dict[tuple[str, int], Fault]:
        """Choose readings to spoil; of the last periods none, after which nothing comes that would show a gap."""
        places = [(name, period) for name in self._meters for period in periods]
        count = max(len(places) * FAULTY_PERMILLE // 1_000, len(SPOILT))
        chosen = draw.sample(places, min(count, len(places)))
        return {place: SPOILT[turn % len(SPOILT)] for turn, place in enumerate(chosen)}

    def _sent(self, name: str, period: int, signed: SignedReading) -> Iterator[bytes]:
        """What arrives of a reading."""
        data, reading = signed.to_bytes(), signed.reading
        match self._spoilt.get((name, period)):
            case Fault.REPEATED:
                yield from (data, data)
            case Fault.OUT_OF_ORDER:
                self._held.append(data)
            case Fault.MISSING:
                pass
            case Fault.UNREADABLE:
                yield data[:-1]
            case Fault.WRONGLY_SIGNED:
                yield reading.sign(self._stranger).to_bytes()
            case Fault.CONFLICTING:
                yield data
                yield replace(reading, imported_wh=reading.imported_wh + 1).sign(self._keys[name]).to_bytes()
            case Fault.ABSURD:
                yield replace(reading, imported_wh=_ABSURD_WH).sign(self._keys[name]).to_bytes()
            case Fault.UNKNOWN_METER:
                yield data
                yield replace(reading, meter=self._stranger.address).sign(self._stranger).to_bytes()
            case _:
                yield data
