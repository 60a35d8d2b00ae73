"""A rule set's CSV tables, read strictly: whatever is wrong is named by file, line and field, with the remedy."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from gridbourse.errors import InvalidValue

PROVENANCE = ("valid_from", "valid_to", "source", "article", "confirmed", "doubt")
"""The columns that every table ends with."""

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a row comes from and how far it can be relied on.

    Parameters
    ----------
    valid_from, valid_to
        First and last day; no last day means until further notice.
    source, article
        Key of the document in ``rule_set.toml``, and the place in it.
    confirmed
        Whether an operator has signed it.
    doubt
        What is doubtful about it; empty if nothing is.
    """

    valid_from: date
    valid_to: date | None
    source: str
    article: str
    confirmed: bool
    doubt: str

    def covers(self, day: date) -> bool:
        """Whether the row is valid on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def overlaps(self, other: Provenance) -> bool:
        """Whether some day is covered by both."""
        return self.covers(other.valid_from) or other.covers(self.valid_from)


class Row:
    """A line of a table, whose cells are read by kind."""

    def __init__(self, file: str, line: int, cells: dict[str, str]) -> None:
        self._where = f"{file}, line {line}"
        self._cells = cells

    def fault(self, column: str, remedy: str) -> InvalidValue:
        """An error that names file, line and column."""
        return InvalidValue(f"{self._where}, {column}", self._cells[column], remedy)

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        if not self._cells[column]:
            raise self.fault(column, "a text")
        return self._cells[column]

    def optional(self, column: str) -> str:
        """A cell that may be empty."""
        return self._cells[column]

    def words(self, column: str) -> tuple[str, ...]:
        """The words of a cell, separated by blanks; none if it is empty."""
        return tuple(self._cells[column].split())

    def number(self, column: str) -> Fraction:
        """A decimal number, exactly."""
        try:
            value = Decimal(self._cells[column])
        except InvalidOperation as error:
            raise self.fault(column, "a decimal number like 0.0473") from error
        if not value.is_finite():
            raise self.fault(column, "a decimal number like 0.0473")
        return Fraction(value)

    def flag(self, column: str) -> bool:
        """``true`` or ``false``."""
        if self._cells[column] not in {"true", "false"}:
            raise self.fault(column, "true or false")
        return self._cells[column] == "true"

    def day(self, column: str) -> date:
        """A day like 2026-08-01."""
        try:
            return date.fromisoformat(self._cells[column])
        except ValueError as error:
            raise self.fault(column, "a day like 2026-08-01") from error

    def word(self, column: str, kind: type[_Word]) -> _Word:
        """One of a set of words."""
        return self._as(kind, column, self._cells[column])

    def words_of(self, column: str, kind: type[_Word]) -> tuple[_Word, ...]:
        """Several of a set of words, separated by blanks."""
        return tuple(self._as(kind, column, word) for word in self.words(column))

    def _as(self, kind: type[_Word], column: str, word: str) -> _Word:
        try:
            return kind(word)
        except ValueError as error:
            raise self.fault(column, f"one of {', '.join(kind)}") from error

    def provenance(self, sources: Sequence[str]) -> Provenance:
        """The columns of origin.

        Parameters
        ----------
        sources
            Keys of the set's documents.
        """
        valid_to = self.day("valid_to") if self.optional("valid_to") else None
        valid_from = self.day("valid_from")
        if valid_to is not None and valid_to < valid_from:
            raise self.fault("valid_to", f"a day from {valid_from} on, or nothing")
        source = self.text("source")
        if source not in sources:
            raise self.fault("source", f"one of the sources of rule_set.toml: {', '.join(sources)}")
        return Provenance(
            valid_from, valid_to, source, self.text("article"), self.flag("confirmed"), self.optional("doubt")
        )


def read_table(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Read a UTF-8 CSV file with exactly these columns and those of origin.

    Raises
    ------
    InvalidValue
        The file is missing, has other columns, or a line with more or fewer cells.
    """
    name = f"{path.parent.name}/{path.name}"
    expected = (*columns, *PROVENANCE)
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(name, str(path), "a CSV file in UTF-8 that can be read") from error
    lines = csv.reader(content.splitlines())
    header = tuple(next(lines, ()))
    if header != expected:
        raise InvalidValue(f"{name}, line 1", ",".join(header), f"the columns {','.join(expected)}")
    for cells in lines:
        if len(cells) != len(expected):
            raise InvalidValue(f"{name}, line {lines.line_num}", ",".join(cells), f"{len(expected)} cells")
        yield Row(name, lines.line_num, dict(zip(expected, (cell.strip() for cell in cells), strict=True)))
