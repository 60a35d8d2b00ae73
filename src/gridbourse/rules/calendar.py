"""A tariff's calendar: season, month, weekday and hour give the band (尖峰平谷).

Base rows tile every day of the year; overlay rows replace the band for some hours, always or only on days of a kind
that is told (hot days, holidays), so that a notice's "of these hours, 13:00 to 14:00 on hot days" is one row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.rules.parameters import Band, TariffKind
from gridbourse.rules.tables import Provenance, Row, read_table

DAY_MINUTES = 24 * 60
PERIOD_MINUTES = 15

_COLUMNS = ("tariffs", "months", "weekdays", "from", "to", "band", "overlay", "day_kind", "except_areas")


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """Hours of some days that belong to a band.

    Parameters
    ----------
    tariffs, months, weekdays
        Whom and which days it is for; Monday is 1.
    from_minute, to_minute
        From midnight, local time; the end is not included.
    band
        Which.
    overlay
        Whether it replaces base rows.
    day_kind
        It is for days of this kind alone; empty for all.
    except_areas
        Connections there are not concerned.
    provenance
        Where it comes from.
    """

    tariffs: tuple[TariffKind, ...]
    months: frozenset[int]
    weekdays: frozenset[int]
    from_minute: int
    to_minute: int
    band: Band
    overlay: bool
    day_kind: str
    except_areas: tuple[str, ...]
    provenance: Provenance

    def concerns(self, tariff: TariffKind, month: int, weekday: int, minute: int) -> bool:
        """Whether a minute of such a day lies in the row."""
        return (
            tariff in self.tariffs
            and month in self.months
            and weekday in self.weekdays
            and self.from_minute <= minute < self.to_minute
        )


class TariffCalendar:
    """The rows of a set, asked for the row that decides a moment."""

    def __init__(self, file: str, rows: Sequence[CalendarRow]) -> None:
        self._file = file
        self.rows = tuple(rows)

    def row_at(
        self, moment: datetime, tariff: TariffKind, *, day_kinds: Collection[str] = (), area: str = ""
    ) -> CalendarRow:
        """The row that decides the band of a moment.

        Parameters
        ----------
        moment
            Local time of the set.
        tariff
            The connection's.
        day_kinds
            What kinds of day it is, e.g. ``{"hot"}``.
        area
            Where the connection is, in the words of the table.

        Raises
        ------
        InvalidValue
            No row is valid on that day.
        """
        minute = moment.hour * 60 + moment.minute
        found = [
            row
            for row in self.rows
            if row.provenance.covers(moment.date())
            and row.concerns(tariff, moment.month, moment.isoweekday(), minute)
            and (not row.day_kind or row.day_kind in day_kinds)
            and area not in row.except_areas
        ]
        overlays = [row for row in found if row.overlay]
        if not found:
            raise InvalidValue(self._file, moment.isoformat(" ", "minutes"), "rows that are valid on that day")
        return (overlays or found)[0]


def load_calendar(path: Path, sources: Sequence[str], first_day: date) -> TariffCalendar:
    """Read ``calendar.csv``.

    Parameters
    ----------
    path
        The file.
    sources
        Keys of the set's documents.
    first_day
        First day of the set's validity, on which the rows must tile every day of a year.

    Raises
    ------
    InvalidValue
        A cell is wrong, or base rows leave out a quarter hour or claim it twice.
    """
    rows = [_calendar_row(row, sources) for row in read_table(path, _COLUMNS)]
    file = f"{path.parent.name}/{path.name}"
    base = [row for row in rows if not row.overlay and row.provenance.covers(first_day)]
    for tariff in {tariff for row in rows for tariff in row.tariffs}:
        for month in range(1, 13):
            for weekday in range(1, 8):
                _check_day(file, base, tariff, month, weekday)
    return TariffCalendar(file, rows)


def _check_day(file: str, base: Sequence[CalendarRow], tariff: TariffKind, month: int, weekday: int) -> None:
    of_day = [row for row in base if tariff in row.tariffs and month in row.months and weekday in row.weekdays]
    for minute in range(0, DAY_MINUTES, PERIOD_MINUTES):
        bands = [row.band for row in of_day if row.from_minute <= minute < row.to_minute]
        if len(bands) != 1:
            when = f"{tariff}, month {month}, weekday {weekday}, {minute // 60:02}:{minute % 60:02}"
            raise InvalidValue(f"{file}, {when}", ", ".join(bands) or "no band", "exactly one base row")


def _calendar_row(row: Row, sources: Sequence[str]) -> CalendarRow:
    from_minute, to_minute = _minute(row, "from"), _minute(row, "to")
    if from_minute >= to_minute:
        raise row.fault("to", "a time after `from`; hours over midnight are two rows")
    return CalendarRow(
        row.words_of("tariffs", TariffKind),
        _numbers(row, "months", 12),
        _numbers(row, "weekdays", 7),
        from_minute,
        to_minute,
        row.word("band", Band),
        row.flag("overlay"),
        row.optional("day_kind"),
        row.words("except_areas"),
        row.provenance(sources),
    )


def _minute(row: Row, column: str) -> int:
    hours, colon, minutes = row.text(column).partition(":")
    remedy = "a quarter hour from 00:00 to 24:00"
    if not (colon and hours.isdecimal() and minutes.isdecimal()):
        raise row.fault(column, remedy)
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or minute > DAY_MINUTES or minute % PERIOD_MINUTES:
        raise row.fault(column, remedy)
    return minute


def _numbers(row: Row, column: str, highest: int) -> frozenset[int]:
    numbers: set[int] = set()
    for word in row.words(column):
        first, _, last = word.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise row.fault(column, f"numbers or ranges like 3-6, from 1 to {highest}")
        numbers.update(range(int(first), int(last or first) + 1))
    if not numbers or not numbers <= set(range(1, highest + 1)):
        raise row.fault(column, f"numbers or ranges like 3-6, from 1 to {highest}")
    return frozenset(numbers)
