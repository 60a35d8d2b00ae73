"""What the meters of a region's nodes said, read from the file in which a head-end keeps accepted readings.

Whoever runs the head-end, the file is what it accepted (`gridbourse.metering.journal`); meters are those that masters
entered on their slave chains. Both only grow, so each look takes in what is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gridbourse.crypto.keys import Address
from gridbourse.ledger.records import MeterRegistered
from gridbourse.metering.intake import Intake, MeteredEnergy
from gridbourse.metering.journal import JournalReader
from gridbourse.node.offering import HISTORY_PERIODS
from gridbourse.node.region import Region
from gridbourse.units import PERIODS_IN_24_HOURS

if TYPE_CHECKING:
    from gridbourse.metering.forecast import Forecast


class Readings:
    """The readings of all nodes whose masters' keys lie in a region's folder.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._journal = JournalReader(path)
        self._intake = Intake(())
        self._entered: dict[str, MeterRegistered] = {}
        self._of_node: dict[str, list[Address]] = defaultdict(list)
        self._touched: list[Callable[[str, int], None]] = []

    def follow(self, touched: Callable[[str, int], None]) -> None:
        """Have somebody told of the nodes and periods of which readings came; before any of them is read."""
        self._touched.append(touched)

    def catch_up(self, region: Region) -> None:
        """Take in new meters, then new readings."""
        for relay in region.relays.values():
            for meter_hex, registered in relay.meters.items():
                if self._entered.get(meter_hex) != registered:
                    self._enter(meter_hex, registered)
        for data in self._journal.unread():
            accepted = self._intake.accept(data).accepted
            if accepted is not None:
                node_id = self._entered[accepted.reading.meter.hex()].node_id
                for touched in self._touched:
                    touched(node_id, accepted.reading.period)

    def has_meter(self, node_id: str) -> bool:
        """Whether a meter stands at a node's connection."""
        return bool(self._of_node.get(node_id))

    def energy(self, node_id: str, period: int) -> MeteredEnergy | None:
        """What went through a node's meter, or the one before it, in a period; None while unknown or in doubt."""
        energies = (self._intake.energy(meter, period) for meter in reversed(self._of_node.get(node_id, [])))
        return next((energy for energy in energies if energy is not None), None)

    def surplus_wh(self, node_id: str, period: int) -> int | None:
        """Fed in less drawn; None while unknown or in doubt."""
        energy = self.energy(node_id, period)
        return None if energy is None else energy.surplus_wh

    def last_period(self, node_id: str) -> int | None:
        """The newest delivery period that a node's meter has reported."""
        readings = [self._intake.latest(meter) for meter in self._of_node.get(node_id, [])]
        return max((reading.period for reading in readings if reading is not None), default=None)

    def expected(self, node_id: str, period: int) -> Forecast | None:
        """What a node's readings let expect in a period up to a day after the newest; None if they say too little."""
        from gridbourse.metering.forecast import forecast  # noqa: PLC0415 - it loads numpy, for those who expect anything

        last = self.last_period(node_id)
        if last is None or not 1 <= period - last <= PERIODS_IN_24_HOURS:
            return None
        history = [self.surplus_wh(node_id, known) for known in range(last - HISTORY_PERIODS + 1, last + 1)]
        return forecast(history, period - last)

    def _enter(self, meter_hex: str, registered: MeterRegistered) -> None:
        point, own = registered.point, self._of_node[registered.node_id]
        self._intake.enter(point)
        if point.meter in own:
            own.remove(point.meter)
        own.append(point.meter)
        self._entered[meter_hex] = registered
