"""A scenario's CSV files: every line must be right, and an error names file, line, column and remedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gridbourse.errors import InvalidValue
from gridbourse.files.reading import Line, read_lines
from gridbourse.units import energy_wh, price_ticks

_Item = TypeVar("_Item")


def read_table(
    path: Path, required: Sequence[str], optional: Sequence[str], read: Callable[[Line], _Item]
) -> list[_Item]:
    """Read a table, each line by `read`, which raises what `Line.wrong` makes.

    Raises
    ------
    InvalidValue
        The file is missing or not in UTF-8, a column is missing or unknown, or a line is wrong.
    """
    if not path.is_file():
        raise InvalidValue(path.name, "missing", f"a CSV file with the columns {', '.join(required)}")
    lines, refused = read_lines(path, required)
    if refused:
        first = refused[0]
        raise InvalidValue(
            f"{path.name}, line {first.line.number}", first.line.content, "as many cells as the first line has"
        )
    if not lines:
        raise InvalidValue(path.name, "no lines below the header", "at least one line")
    known = {*required, *optional}
    unknown = [column for column in lines[0].values if column not in known]
    if unknown:
        raise InvalidValue(
            f"{path.name}, line 1", unknown[0], "one of the columns " + ", ".join((*required, *optional))
        )
    items = []
    for line in lines:
        try:
            items.append(read(line))
        except InvalidValue as error:
            raise InvalidValue(f"{path.name}, {error.field}", error.value, error.remedy) from error
    return items


def cell(line: Line, column: str, default: str = "") -> str:
    """A cell, or what stands for an empty or missing one."""
    return line.values.get(column, "").strip() or default


def price(line: Line, column: str) -> int:
    """A price in ticks, from yuan/kWh. Raises `InvalidValue`."""
    try:
        return price_ticks(cell(line, column))
    except InvalidValue as error:
        raise line.wrong(column, error.remedy) from error


def energy(line: Line, column: str) -> int:
    """An energy in Wh, from kWh. Raises `InvalidValue`."""
    try:
        return energy_wh(cell(line, column))
    except InvalidValue as error:
        raise line.wrong(column, error.remedy) from error


def word(line: Line, column: str, allowed: Sequence[str], default: str = "") -> str:
    """One of a few words. Raises `InvalidValue`."""
    text = cell(line, column, default)
    if text not in allowed:
        raise line.wrong(column, "one of " + ", ".join(allowed))
    return text
