"""Quantities and data as Ethereum's JSON-RPC writes them: hexadecimal, with ``0x`` in front (EIP-1474).

Each reader takes whatever JSON can hold, and nothing but the kind it is named for passes: 0, ``""``, ``false`` and an
empty list are values like any other, never "nothing was given". Only ``null`` means that, and is the caller's affair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue

_QUANTITY = re.compile("0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_SLOT = re.compile("0x[0-9a-fA-F]{0,64}")
_DATA = re.compile("0x(?:[0-9a-fA-F]{2})*")
_SHOWN_CHARS = 80


def quantity(value: int) -> str:
    """Write a number."""
    return hex(value)


def data(value: bytes) -> str:
    """Write bytes."""
    return "0x" + value.hex()


def read_quantity(value: object, field: str, *, bits: int = 256) -> int:
    """Read a number.

    Raises
    ------
    InvalidValue
        It is no hexadecimal number of at most so many bits without leading zeros.
    """
    if isinstance(value, str) and _QUANTITY.fullmatch(value) and (number := int(value, 16)).bit_length() <= bits:
        return number
    remedy = f'a number of at most {bits} bits in hexadecimal without leading zeros, as "0x1f"'
    raise InvalidValue(field, shown(value), remedy)


def read_data(value: object, field: str, *, size: int | None = None) -> bytes:
    """Read bytes, of exactly `size` where given.

    Raises
    ------
    InvalidValue
        It is not an even number of hexadecimal digits, or has another size.
    """
    wanted = "bytes" if size is None else f"{size} bytes"
    if not isinstance(value, str) or not _DATA.fullmatch(value) or (size is not None and len(value) != 2 + 2 * size):
        raise InvalidValue(field, shown(value), f"{wanted} in hexadecimal, two digits each, after 0x")
    return bytes.fromhex(value[2:])


def read_slot(value: object, field: str) -> int:
    """Read a storage slot, which some write as a quantity and some as 32 bytes.

    Raises
    ------
    InvalidValue
        It is neither.
    """
    if isinstance(value, str) and _SLOT.fullmatch(value):
        return int(value[2:] or "0", 16)
    raise InvalidValue(field, shown(value), "a number of at most 256 bits in hexadecimal")


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


def read_flag(value: object, field: str) -> bool:
    """Read ``true`` or ``false``.

    Raises
    ------
    InvalidValue
        It is neither.
    """
    if not isinstance(value, bool):
        raise InvalidValue(field, shown(value), "true or false")
    return value


def read_whole(value: object, field: str, most: int) -> int:
    """Read a whole number from 0 on that callers write in decimal, as JSON has it, or as a quantity.

    Raises
    ------
    InvalidValue
        It is neither, or above `most`.
    """
    number = value if isinstance(value, int) and not isinstance(value, bool) else read_quantity(value, field)
    if not 0 <= number <= most:
        raise InvalidValue(field, shown(value), f"a whole number from 0 to {most}")
    return number


def read_number(value: object, field: str) -> float:
    """Read a JSON number.

    Raises
    ------
    InvalidValue
        It is none, or too large for a float.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise InvalidValue(field, shown(value), "a number")


def read_list(value: object, field: str, most: int) -> Sequence[object]:
    """Read a list of at most so many entries.

    Raises
    ------
    InvalidValue
        It is none, or longer.
    """
    if not isinstance(value, list) or len(value) > most:
        raise InvalidValue(field, shown(value), f"a list of at most {most}")
    return value


def read_object(value: object, field: str) -> Mapping[str, object]:
    """Read an object.

    Raises
    ------
    InvalidValue
        It is none.
    """
    if not isinstance(value, Mapping):
        raise InvalidValue(field, shown(value), "an object")
    return value


def shown(value: object) -> object:
    """Keep a long input out of the error that names it."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    text = value if isinstance(value, str) else str(value)
    return text[:_SHOWN_CHARS] + "..." if len(text) > _SHOWN_CHARS else value
