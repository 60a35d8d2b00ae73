"""Recursive Length Prefix, the canonical encoding of Ethereum (Yellow Paper, appendix B).

Encoding takes bytes, non-negative integers (big-endian without leading zeros) and sequences of these.
Decoding is strict: a value has exactly one encoding, and every other one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from gridbourse.errors import InvalidValue

Item: TypeAlias = "bytes | int | Sequence[Item]"
Decoded: TypeAlias = "bytes | list[Decoded]"

MAX_DEPTH = 8
"""Lists may be nested this deep; nothing the chain stores comes near."""

_STRING, _LIST = 0x80, 0xC0
_LONGEST_SHORT = 55
_BYTES = [bytes([value]) for value in range(256)]


def encode(item: Item) -> bytes:
    """Encode bytes, a non-negative integer, or a sequence of items."""
    if isinstance(item, bytes):
        string = item
    elif isinstance(item, int):
        string = item.to_bytes((item.bit_length() + 7) // 8, "big")
    else:
        return list_of(map(encode, item))
    size = len(string)
    if size == 1 and string[0] < _STRING:
        return string
    if size <= _LONGEST_SHORT:
        return _BYTES[_STRING + size] + string
    return _prefix(_STRING, size) + string


def list_of(encoded: Iterable[bytes]) -> bytes:
    """Encode a list from items that are encoded already."""
    body = b"".join(encoded)
    return _prefix(_LIST, len(body)) + body


def decode(data: bytes) -> Decoded:
    """Decode exactly one item.

    Raises
    ------
    InvalidValue
        `data` is not the canonical encoding of one item.
    """
    items = _decode_items(data, 0, len(data), depth=0)
    if len(items) != 1:
        raise InvalidValue("rlp", f"{len(items)} items", "exactly one item")
    return items[0]


def decode_list(data: bytes, size: int) -> list[Decoded]:
    """Decode exactly one list of `size` items.

    Raises
    ------
    InvalidValue
        `data` is not the canonical encoding of such a list.
    """
    item = decode(data)
    if not isinstance(item, list) or len(item) != size:
        raise InvalidValue("rlp", "another shape", f"a list of {size} items")
    return item


def to_bytes(item: Decoded, size: int | None = None) -> bytes:
    """Take a decoded item as bytes, of exactly `size` bytes where given.

    Raises
    ------
    InvalidValue
        The item is a list or has another size.
    """
    if not isinstance(item, bytes) or (size is not None and len(item) != size):
        raise InvalidValue("rlp", item, f"a string of {'any' if size is None else size} bytes")
    return item


def to_int(item: Decoded, bits: int = 64) -> int:
    """Take a decoded item as an integer below ``2**bits``.

    Raises
    ------
    InvalidValue
        The item is a list, has a leading zero, or is too large.
    """
    if not isinstance(item, bytes) or len(item) * 8 > bits or item[:1] == b"\x00":
        raise InvalidValue("rlp", item, f"an integer below 2**{bits} without leading zeros")
    return int.from_bytes(item, "big")


def to_list(item: Decoded) -> list[Decoded]:
    """Take a decoded item as a list.

    Raises
    ------
    InvalidValue
        The item is a string.
    """
    if not isinstance(item, list):
        raise InvalidValue("rlp", item, "a list")
    return item


def _prefix(kind: int, size: int) -> bytes:
    if size <= _LONGEST_SHORT:
        return _BYTES[kind + size]
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return _BYTES[kind + _LONGEST_SHORT + len(length)] + length


def _decode_items(data: bytes, position: int, end: int, depth: int) -> list[Decoded]:
    """Decode all items in ``data[position:end]``."""
    if depth > MAX_DEPTH:
        raise InvalidValue("rlp", "deeper lists", f"lists nested at most {MAX_DEPTH} deep")
    items: list[Decoded] = []
    while position < end:
        prefix = data[position]
        if prefix < _STRING:
            items.append(data[position : position + 1])
            position += 1
            continue
        kind = _STRING if prefix < _LIST else _LIST
        start, stop = _body(data, position, end, prefix - kind)
        if kind == _LIST:
            items.append(_decode_items(data, start, stop, depth + 1))
        elif stop - start == 1 and data[start] < _STRING:
            raise InvalidValue("rlp", data[position:stop].hex(), "a byte below 0x80 without a prefix")
        else:
            items.append(data[start:stop])
        position = stop
    return items


def _body(data: bytes, position: int, end: int, size: int) -> tuple[int, int]:
    """Where the content of the string or list at `position` starts and stops."""
    start = position + 1
    if size > _LONGEST_SHORT:
        length = data[start : start + size - _LONGEST_SHORT]
        start += len(length)
        size = int.from_bytes(length, "big")
        if size <= _LONGEST_SHORT or length[0] == 0:
            raise InvalidValue("rlp", data[position:start].hex(), "the shortest form of a length")
    if start + size > end:
        raise InvalidValue("rlp", f"{end - start} bytes", f"the {size} bytes that the prefix announces")
    return start, start + size
