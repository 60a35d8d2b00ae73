"""Fields of a region's TOML file, read one by one, so that a misspelt one is noticed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from gridbourse.chain.interface import Confirmations
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue
from gridbourse.text import LANGUAGES, DisplayName
from gridbourse.units import price_ticks

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")

_Value = TypeVar("_Value")


def require_confirmations(field: str, value: object) -> Confirmations:
    """Whether a value says when a block counts as final; raises `InvalidValue`."""
    if value == "finalized":
        return "finalized"
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidValue(field, value, 'a number of blocks from 0 on, or "finalized"')
    return value


class Fields:
    """The fields of a TOML table, taken one by one, so that a misspelt one is noticed."""

    def __init__(self, prefix: str, values: Mapping[str, Any]) -> None:
        self._prefix = prefix
        self._values = dict(values)

    def take(self, name: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        """A field's value; raises `InvalidValue` if it is missing and has no default, or is of another type."""
        value = self._values.pop(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidValue(self._prefix + name, value, f"a value of type {kind.__name__}")
        return value

    def price(self, name: str, default: str | None = None) -> int:
        """A price in yuan/kWh, in ticks."""
        text = self.take(name, str, default)
        try:
            return price_ticks(text)
        except InvalidValue as error:
            raise InvalidValue(self._prefix + name, text, error.remedy) from error

    def day(self, name: str) -> date:
        """A day, written without quotes."""
        value = self._values.pop(name, None)
        if type(value) is not date:
            raise InvalidValue(self._prefix + name, value, "a day like 2026-01-01, without quotes")
        return value

    def word(self, name: str, members: Iterable[_Value]) -> _Value | None:
        """One of some words; None where the field is left out."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        known = {str(member): member for member in members}
        if value not in known:
            raise InvalidValue(self._prefix + name, value, "one of " + ", ".join(known))
        return known[value]

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers; empty if it is left out."""
        values = self.take(name, list, [])
        if not all(type(value) is int for value in values):
            raise InvalidValue(self._prefix + name, values, "a list of whole numbers")
        return tuple(values)

    def address(self, name: str) -> Address:
        """An account or contract."""
        text = self.take(name, str)
        if not _ADDRESS.fullmatch(text):
            raise InvalidValue(self._prefix + name, text, "an address: 0x and 40 hexadecimal digits")
        return Address(bytes.fromhex(text.removeprefix("0x")))

    def confirmations(self, name: str) -> Confirmations:
        """When a block counts as final."""
        value = self._values.pop(name, 0)
        return require_confirmations(self._prefix + name, value)

    def display_name(self) -> DisplayName:
        """What people call something, in each language."""
        names = Fields(f"{self._prefix}display_name.", self.take("display_name", dict, {}))
        name = DisplayName(**{language: names.take(language, str, "") for language in LANGUAGES})
        names.require_empty()
        return name

    def tables(self, name: str) -> list[Fields]:
        """The tables of an array, none if it is left out."""
        entries = self.take(name, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise InvalidValue(self._prefix + name, entries, f"[[{self._prefix}{name}]] tables")
        return [Fields(f"{self._prefix}{name}.", entry) for entry in entries]

    def require_empty(self) -> None:
        """Refuse what nobody took."""
        if self._values:
            raise InvalidValue(self._prefix + next(iter(self._values)), "present", "no such field: it is unknown")


def toml_text(value: str) -> str:
    """A TOML basic string: its escapes are those of JSON, and it does without the delete character."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def member_named(field: str, members: Mapping[str, _Value], name: str) -> _Value:
    """A member by its name; raises `InvalidValue` that lists them."""
    if name not in members:
        raise InvalidValue(field, name.lower(), "one of " + ", ".join(member.lower() for member in members))
    return members[name]
