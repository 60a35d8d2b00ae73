"""A scenario's TOML file, read so that an error names file, line, field and remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from gridbourse.errors import InvalidValue
from gridbourse.units import price_ticks

_HEADER = re.compile(r"\s*\[\[?\s*(?P<name>[^\[\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<name>"[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)


class TomlFile:
    """The text of a file and what it says.

    Parameters
    ----------
    path
        The file.
    overrides
        By dotted field: what takes the place of what the file says, e.g. ``{"market.mechanism": "uniform"}``.

    Raises
    ------
    InvalidValue
        The file is missing or is no TOML, or an override leads through a field that is no table.
    """

    def __init__(self, path: Path, overrides: Mapping[str, object] | None = None) -> None:
        self.name = path.name
        try:
            text = path.read_text("utf-8-sig")
            document = tomllib.loads(text)
        except OSError as error:
            raise InvalidValue("scenario", str(path), "a file that can be read") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidValue(path.name, str(error), "TOML (https://toml.io) in UTF-8") from error
        self._lines = _lines(text)
        for field, value in (overrides or {}).items():
            _override(document, field, value)
        self.root = Fields(self, "", document)

    def where(self, field: str) -> str:
        """Names a field with its file, and its line if it stands there."""
        line = self._lines.get(field)
        return f"{self.name}, line {line}, {field}" if line else f"{self.name}, {field}"


class Fields:
    """The fields of a table, taken one by one, so that a misspelt one is noticed."""

    def __init__(self, file: TomlFile, prefix: str, values: Mapping[str, Any]) -> None:
        self._file = file
        self._prefix = prefix
        self._values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def names(self) -> Sequence[str]:
        """The fields that were not taken yet."""
        return tuple(self._values)

    def take(self, name: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        """A value of a kind. Raises `InvalidValue`."""
        value = self._values.pop(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, value, f"a value of type {_KINDS.get(kind, kind.__name__)}")
        return value

    def integer(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number of a range. Raises `InvalidValue`."""
        value = self.take(name, int, default)
        if not least <= value <= most:
            raise self.wrong(name, value, f"a whole number from {least} to {most}")
        return value

    def choice(self, name: str, kind: type[_Choice], default: _Choice | None = None) -> _Choice:
        """One of a few words. Raises `InvalidValue`."""
        text = self.take(name, str, None if default is None else str(default))
        found = {str(member): member for member in kind}.get(text)
        if found is None:
            raise self.wrong(name, text, "one of " + ", ".join(kind))
        return found

    def price(self, name: str, default: str | None = None) -> int:
        """A price in ticks, from text in yuan/kWh. Raises `InvalidValue`."""
        text = self.take(name, str, default)
        try:
            return price_ticks(text)
        except InvalidValue as error:
            raise self.wrong(name, text, error.remedy + ", in quotes") from error

    def table(self, name: str) -> Fields:
        """The fields of a table below this one; none if it is not there. Raises `InvalidValue`."""
        return Fields(self._file, f"{self._prefix}{name}.", self.take(name, dict, {}))

    def rest(self) -> dict[str, Any]:
        """All fields that were not taken, as they stand."""
        values, self._values = self._values, {}
        return values

    def require_empty(self) -> None:
        """Refuse what nobody took. Raises `InvalidValue`."""
        for name, value in self._values.items():
            raise self.wrong(name, value, "no such field: its name is misspelt, or it belongs into another table")

    def wrong(self, name: str, value: object, remedy: str) -> InvalidValue:
        """The error that names one of these fields."""
        return InvalidValue(self._file.where(self._prefix + name), value, remedy)


_KINDS: Mapping[type, str] = {str: "text, in quotes", int: "whole number", dict: "table", list: "list"}


def _lines(text: str) -> dict[str, int]:
    """In which line each field stands, as far as a line shows it."""
    found: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            prefix = _plain(header["name"]) + "."
            found.setdefault(prefix[:-1], number)
        elif key := _KEY.match(line):
            found.setdefault(prefix + _plain(key["name"]), number)
    return found


def _plain(name: str) -> str:
    return name.replace('"', "").replace("'", "")


def _override(document: dict[str, Any], field: str, value: object) -> None:
    *tables, name = field.split(".")
    for table in tables:
        below = document.setdefault(table, {})
        if not isinstance(below, dict):
            raise InvalidValue(field, value, f"a field of a table: {table} is none")
        document = below
    document[name] = value
