"""Reading tables that somebody hands in: CSV in UTF-8 (RFC 4180), each line judged alone.

A line that says something impossible is refused with its number, its column and the remedy, and stops no other. What
was refused is written beside the file, so that whoever handed it in finds it there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gridbourse.errors import InvalidValue
from gridbourse.files.writing import write_private_csv
from gridbourse.units import money_units

REFUSED_COLUMNS = ("line", "reason", "content")

_INTEGER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_ENCODING = "text in UTF-8 (a spreadsheet calls it CSV UTF-8)"

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table below its columns' names.

    Parameters
    ----------
    number
        Of the line in the file, from 1.
    values
        Its cells by column.
    content
        The line as it stands there.
    """

    number: int
    values: Mapping[str, str]
    content: str

    def text(self, column: str) -> str:
        """A cell that must say something. Raises `InvalidValue`."""
        value = self.values[column].strip()
        if not value or not value.isprintable():
            raise self.wrong(column, "printable text, not nothing")
        return value

    def integer(self, column: str, least: int, most: int) -> int:
        """A whole number in plain digits. Raises `InvalidValue`."""
        value = self.values[column].strip()
        if not _INTEGER.fullmatch(value) or not least <= int(value) <= most:
            raise self.wrong(column, f"a whole number in plain digits from {least} to {most}")
        return int(value)

    def money(self, column: str) -> int:
        """An amount of yuan above 0, in 1e-7 yuan. Raises `InvalidValue`."""
        value = self.values[column].strip()
        remedy = "an amount of yuan above 0, in plain digits with at most 7 decimals"
        if not _DECIMAL.fullmatch(value):
            raise self.wrong(column, remedy)
        try:
            money = money_units(value)
        except InvalidValue as error:
            raise self.wrong(column, remedy) from error
        if not money:
            raise self.wrong(column, remedy)
        return money

    def wrong(self, column: str, remedy: str) -> InvalidValue:
        """The error that names this line and one of its columns."""
        return InvalidValue(f"line {self.number}, {column}", self.values.get(column, ""), remedy)


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken, and why."""

    line: Line
    reason: str


def read_lines(path: Path, columns: Sequence[str], *, is_growing: bool = False) -> tuple[list[Line], list[RefusedLine]]:
    """Read a table whose first line names its columns, in any sequence; others than `columns` are passed over.

    Parameters
    ----------
    path
        The file; a byte order mark is taken.
    columns
        What must be there.
    is_growing
        Whether somebody appends to it: then a last line without its end is still being written, and left for later.

    Returns
    -------
    tuple of list
        The lines, and those that have more or fewer cells than there are columns.

    Raises
    ------
    InvalidValue
        The file is not in UTF-8, or a column is missing or there twice.
    """
    content = path.read_bytes()
    if is_growing:
        content = content[: content.rfind(b"\n") + 1]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue(str(path), f"byte {error.start} is not UTF-8", _ENCODING) from error
    if "\0" in text:
        raise InvalidValue(str(path), "a zero byte", _ENCODING)
    numbered = [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), start=1)]
    header = [name.strip() for name in _cells(numbered[0][1]) or []]
    if any(column not in header for column in columns) and (text or not is_growing):
        raise InvalidValue(str(path), numbered[0][1], f"the columns {','.join(columns)} in its first line")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InvalidValue(str(path), twice[0], "each column once in its first line, each with a name of its own")
    lines, refused = list[Line](), list[RefusedLine]()
    for number, content_of_line in numbered[1:]:
        cells = _cells(content_of_line)
        line = Line(number, dict(zip(header, cells or [], strict=False)), content_of_line)
        if cells is not None and len(cells) == len(header):
            lines.append(line)
        elif content_of_line.strip():
            refused.append(RefusedLine(line, f"it has not {len(header)} cells, each whole in one line"))
    return lines, refused


def judge(lines: Iterable[Line], read: Callable[[Line], _Item]) -> tuple[list[tuple[Line, _Item]], list[RefusedLine]]:
    """Read every line by itself; returns what was read, and the lines that say something impossible."""
    items, refused = list[tuple[Line, _Item]](), list[RefusedLine]()
    for line in lines:
        try:
            items.append((line, read(line)))
        except InvalidValue as error:
            refused.append(RefusedLine(line, str(error)))
    return items, refused


def _cells(line: str) -> list[str] | None:
    """The cells of one line; None where a quotation is not closed in it."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None


def refused_file(path: Path) -> Path:
    """Where the refused lines of a file stand: beside it."""
    return path.with_name(f"{path.stem}.refused{path.suffix}")


def is_refused_file(path: Path) -> bool:
    """Whether a file tells the refused lines of another one."""
    return path.stem.endswith(".refused")


def write_refused(path: Path, refused: Iterable[RefusedLine]) -> None:
    """Tell beside a file which of its lines were refused, and why; if none are, nothing stands there."""
    rows = [(own.line.number, own.reason, own.line.content) for own in refused]
    if rows:
        write_private_csv(refused_file(path), REFUSED_COLUMNS, sorted(rows))
    else:
        refused_file(path).unlink(missing_ok=True)
