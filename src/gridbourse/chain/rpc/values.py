"""Quantities and data as Ethereum's JSON-RPC writes them: hexadecimal, with ``0x`` in front (EIP-1474)."""

from __future__ import annotations

import re

from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue

_QUANTITY = re.compile("0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_WITH_LEADING_ZEROS = re.compile("0x0[0-9a-fA-F]{1,63}")
_DATA = re.compile("0x(?:[0-9a-fA-F]{2})*")


def quantity(value: int) -> str:
    """Write a number."""
    return hex(value)


def data(value: bytes) -> str:
    """Write bytes."""
    return "0x" + value.hex()


def read_quantity(value: object, field: str) -> int:
    """Read a number.

    Raises
    ------
    InvalidValue
        It is no hexadecimal number of at most 256 bits without leading zeros.
    """
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise InvalidValue(field, _shown(value), 'a number in hexadecimal without leading zeros, as "0x1f"')
    return int(value, 16)


def read_data(value: object, field: str, *, size: int | None = None) -> bytes:
    """Read bytes, of exactly `size` where given.

    Raises
    ------
    InvalidValue
        It is not an even number of hexadecimal digits, or has another size.
    """
    wanted = "bytes" if size is None else f"{size} bytes"
    if not isinstance(value, str) or not _DATA.fullmatch(value) or (size is not None and len(value) != 2 + 2 * size):
        raise InvalidValue(field, _shown(value), f"{wanted} in hexadecimal, two digits each, after 0x")
    return bytes.fromhex(value[2:])


def read_word(value: object, field: str) -> int:
    """Read a storage slot, which some write as a quantity and some as 32 bytes.

    Raises
    ------
    InvalidValue
        It is neither.
    """
    if isinstance(value, str) and (_QUANTITY.fullmatch(value) or _WITH_LEADING_ZEROS.fullmatch(value)):
        return int(value, 16)
    raise InvalidValue(field, _shown(value), "a number of at most 256 bits in hexadecimal")


def read_address(value: object, field: str) -> Address:
    """Read an address; upper and lower case make no difference.

    Raises
    ------
    InvalidValue
        It is not 20 bytes.
    """
    return Address(read_data(value, field, size=20))


def read_hash(value: object, field: str) -> bytes:
    """Read a hash of 32 bytes.

    Raises
    ------
    InvalidValue
        It is not 32 bytes.
    """
    return read_data(value, field, size=32)


def _shown(value: object) -> object:
    """Keep a long input out of the error that names it."""
    return value[:80] + "..." if isinstance(value, str) and len(value) > 80 else value
