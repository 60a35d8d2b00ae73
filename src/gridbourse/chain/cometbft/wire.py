"""The part of ABCI 2.0 that is used here, in the bytes of its socket protocol.

A message is a Protocol Buffers message behind its length. Field numbers are those of the ABCI specification
(CometBFT v0.38, ``abci/types.proto``). A decoded message is a dictionary from field numbers to values, read by the
classes below; an encoded one is made of (field number, value) pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias

from gridbourse.errors import InvalidValue

Value: TypeAlias = "int | bytes"
Field: TypeAlias = "tuple[int, int | bytes | str | None]"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_WORD = 1 << 64


class Message:
    """A decoded message.

    Parameters
    ----------
    data
        Its bytes.

    Raises
    ------
    InvalidValue
        `data` is no message.
    """

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[Value]] = {}
        position = 0
        while position < len(data):
            tag, position = read_varint(data, position)
            value, position = _read_value(data, position, tag & 7)
            self._fields.setdefault(tag >> 3, []).append(value)

    def number(self, field: int) -> int:
        """Signed 64-bit number; 0 if the field is missing."""
        value = self._fields.get(field, [0])[-1]
        if not isinstance(value, int):
            raise _malformed("a number")
        return value - _WORD if value >> 63 else value

    def content(self, field: int) -> bytes:
        """Bytes; empty if the field is missing."""
        value = self._fields.get(field, [b""])[-1]
        if not isinstance(value, bytes):
            raise _malformed("bytes")
        return value

    def text(self, field: int) -> str:
        """UTF-8 text; empty if the field is missing."""
        return self.content(field).decode(errors="replace")

    def message(self, field: int) -> Message:
        """Message inside; an empty one if the field is missing."""
        return Message(self.content(field))

    def contents(self, field: int) -> list[bytes]:
        """All values of a repeated field."""
        values = self._fields.get(field, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise _malformed("bytes")
        return found

    def only_field(self) -> tuple[int, Message]:
        """Number and message of the one field there is: how requests say what they are."""
        if len(self._fields) != 1:
            raise _malformed("one request")
        field = next(iter(self._fields))
        return field, self.message(field)


def encode(*fields: Field) -> bytes:
    """Encode a message from its fields in rising order; zero and None are left out, as Protocol Buffers does."""
    parts: list[bytes] = []
    for number, value in fields:
        if value is None or value == 0:
            continue
        if isinstance(value, int):
            parts += [varint(number << 3 | _VARINT), varint(value % _WORD)]
        else:
            content = value.encode() if isinstance(value, str) else value
            parts += [varint(number << 3 | _LENGTH), varint(len(content)), content]
    return b"".join(parts)


def repeated(number: int, values: Iterable[bytes]) -> list[Field]:
    """Fields of a repeated one."""
    return [(number, value) for value in values]


def varint(value: int) -> bytes:
    """Encode a non-negative number, seven bits to a byte, lowest first."""
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Number at `position`, and the position behind it."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value % _WORD, position
        shift += 7
    raise _malformed("a number of at most 64 bits")


def _read_value(data: bytes, position: int, wire_type: int) -> tuple[Value, int]:
    if wire_type == _VARINT:
        return read_varint(data, position)
    if wire_type == _LENGTH:
        size, position = read_varint(data, position)
    elif wire_type in _FIXED_SIZES:
        size = _FIXED_SIZES[wire_type]
    else:
        raise _malformed("a field of a known kind")
    if position + size > len(data):
        raise _malformed(f"the {size} bytes that a field announces")
    return data[position : position + size], position + size


def _malformed(remedy: str) -> InvalidValue:
    return InvalidValue("abci", "malformed message", remedy)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What CometBFT proves against a validator.

    Parameters
    ----------
    kind
        1 for two votes of one height and round, 2 for an attack on light clients.
    validator
        The validator's CometBFT address: the first 20 bytes of the SHA-256 hash of its public key.
    height, timestamp
        CometBFT's height at which it happened, and that block's time in seconds since the epoch.
    """

    kind: int
    validator: bytes
    height: int
    timestamp: int

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read ``Misbehavior``."""
        return cls(message.number(1), message.message(2).content(1), message.number(3), message.message(4).number(1))


@dataclass(frozen=True, slots=True)
class OrderedBlock:
    """A block that is proposed or decided.

    Parameters
    ----------
    height
        CometBFT's height.
    timestamp
        CometBFT's time of the block, in whole seconds since the epoch.
    transactions
        CometBFT's transactions.
    misbehaviours
        What CometBFT proves in this block.
    """

    height: int
    timestamp: int
    transactions: tuple[bytes, ...]
    misbehaviours: tuple[Misbehaviour, ...]

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read ``RequestProcessProposal`` or ``RequestFinalizeBlock``."""
        return cls(
            height=message.number(5),
            timestamp=message.message(6).number(1),
            transactions=tuple(message.contents(1)),
            misbehaviours=tuple(Misbehaviour.read(Message(data)) for data in message.contents(3)),
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state that can be fetched in chunks.

    Parameters
    ----------
    height
        CometBFT's height behind which this is the state.
    format
        Version of the chunks' encoding.
    chunks
        How many there are.
    hash
        Hash of the newest block in it: the application hash of `height`.
    """

    height: int
    format: int
    chunks: int
    hash: bytes

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read ``Snapshot``."""
        return cls(message.number(1), message.number(2), message.number(3), message.content(4))

    def encode(self) -> bytes:
        """Write ``Snapshot``."""
        return encode((1, self.height), (2, self.format), (3, self.chunks), (4, self.hash))
