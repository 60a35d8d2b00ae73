"""A smart meter: two registers, a key, and a memory of its latest readings."""

from __future__ import annotations

from collections.abc import Iterable

from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.metering.access import connection_digest
from gridbourse.metering.reading import MEMORY_READINGS, Reading, SignedReading
from gridbourse.units import PERIOD_SECONDS


class Meter:
    """Counts energy and signs readings.

    Its memory is what a real meter calls its load profile (DLMS/COSEM, "profile generic"): 60 days of readings that
    it can be asked for again.

    Parameters
    ----------
    key
        The meter's own key.
    history
        Its earlier readings, oldest first; it counts on from the last one.
    """

    def __init__(self, key: SigningKey, history: Iterable[SignedReading] = ()) -> None:
        self.address = key.address
        self._key = key
        self._memory: dict[int, SignedReading] = {}
        self._sequence = self._imported_wh = self._exported_wh = 0
        for signed in history:
            self._remember(signed)

    def count(self, *, imported_wh: int = 0, exported_wh: int = 0) -> None:
        """Let energy flow through the meter."""
        self._imported_wh += imported_wh
        self._exported_wh += exported_wh

    def read(self, period: int) -> SignedReading:
        """Sign what the registers show at the end of a delivery period.

        The first reading only says where counting begins: the energy of a period needs a reading before it.

        Raises
        ------
        InvalidValue
            `period` is no delivery period.
        """
        taken_at = (period + 1) * PERIOD_SECONDS
        reading = Reading(self.address, self._sequence, period, self._imported_wh, self._exported_wh, taken_at)
        signed = reading.sign(self._key)
        self._remember(signed)
        return signed

    def recall(self, first: int, last: int) -> list[SignedReading]:
        """Give again the readings numbered `first` to `last`, as far as they are remembered."""
        oldest = max(0, self._sequence - MEMORY_READINGS)
        wanted = range(max(first, oldest), min(last + 1, self._sequence))
        return [signed for sequence in wanted if (signed := self._memory.get(sequence))]

    def prove(self, client_id: str, hour: int) -> tuple[Address, bytes]:
        """Sign that the meter is behind a client of a broker; see `gridbourse.metering.access`."""
        return self.address, self._key.sign(connection_digest(client_id, hour))

    def _remember(self, signed: SignedReading) -> None:
        reading = signed.reading
        self._memory[reading.sequence] = signed
        self._memory.pop(reading.sequence - MEMORY_READINGS, None)
        self._sequence = reading.sequence + 1
        self._imported_wh, self._exported_wh = reading.imported_wh, reading.exported_wh
