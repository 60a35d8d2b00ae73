"""A smart meter's reading: what its registers show at the end of a delivery period, signed by the meter."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from gridbourse.crypto.keys import Address, SigningKey, keccak256, recover
from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_PERIOD, PERIOD_SECONDS

_LAYOUT = struct.Struct(">20sIIQQQ")
ADDRESS_BYTES, _SIGNATURE_BYTES = 20, 65
_DOMAIN = b"gridbourse meter reading"

READING_BYTES = _LAYOUT.size + _SIGNATURE_BYTES
MAX_SEQUENCE = 2**32 - 1
MEMORY_READINGS = 60 * 96
"""How many readings a meter remembers, and can be asked for again: 60 days of quarter hours."""
MAX_REGISTER_WH = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """The registers of one meter at the end of one delivery period.

    Both registers count up for ever, as those of real meters do (OBIS 1.8.0 and 2.8.0, IEC 62056-6-1). The energy of
    a period is the difference of two readings, so a lost reading costs a division into periods, never energy.

    Parameters
    ----------
    meter
        Address of the meter's key.
    sequence
        Number of this reading, counted by the meter from 0 without gaps.
    period
        The delivery period that ended with this reading.
    imported_wh, exported_wh
        Energy drawn from and fed into the grid since the meter was made.
    taken_at
        When the registers were read, in Unix seconds: within the delivery period that follows.

    Raises
    ------
    InvalidValue
        A field is outside its range.
    """

    meter: Address
    sequence: int
    period: int
    imported_wh: int
    exported_wh: int
    taken_at: int

    def __post_init__(self) -> None:
        if len(self.meter) != 20:
            raise InvalidValue("meter", self.meter.hex(), "an address of 20 bytes")
        end = (self.period + 1) * PERIOD_SECONDS
        for field, lowest, highest in (
            ("sequence", 0, MAX_SEQUENCE),
            ("period", 0, MAX_PERIOD),
            ("imported_wh", 0, MAX_REGISTER_WH),
            ("exported_wh", 0, MAX_REGISTER_WH),
            ("taken_at", end, end + PERIOD_SECONDS - 1),
        ):
            value = getattr(self, field)
            if not lowest <= value <= highest:
                raise InvalidValue(field, value, f"a whole number from {lowest} to {highest}")

    def to_bytes(self) -> bytes:
        """Write the one encoding of this reading: 52 bytes, the fields in their order, big-endian."""
        return _LAYOUT.pack(self.meter, self.sequence, self.period, self.imported_wh, self.exported_wh, self.taken_at)

    def digest(self) -> bytes:
        """What the meter signs: Keccak-256 of a label and the encoding, so that it is no transaction of a chain."""
        return keccak256(_DOMAIN + self.to_bytes())

    def sign(self, key: SigningKey) -> SignedReading:
        """Sign with the meter's key."""
        return SignedReading(self, key.sign(self.digest()))


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A reading and a signature, ``r || s || parity``, that `is_genuine` tells to be the meter's or not."""

    reading: Reading
    signature: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        InvalidValue
            `data` is not 117 bytes long, or a field is outside its range.
        """
        if len(data) != READING_BYTES:
            raise InvalidValue("reading", f"{len(data)} bytes", f"{READING_BYTES} bytes")
        meter, *numbers = _LAYOUT.unpack_from(data)
        return cls(Reading(Address(meter), *numbers), data[_LAYOUT.size :])

    def to_bytes(self) -> bytes:
        """Write 117 bytes: the reading's 52, then the signature's 65."""
        return self.reading.to_bytes() + self.signature

    def is_genuine(self) -> bool:
        """Tell whether the meter's key made the signature."""
        try:
            return recover(self.reading.digest(), self.signature) == self.reading.meter
        except InvalidValue:
            return False
