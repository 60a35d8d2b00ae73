"""Delivery periods and delivery days on a region's clocks.

A delivery period is a quarter of an hour, numbered from 1970-01-01T00:00Z wherever the region is. A delivery day is a
local day: the periods that begin from one local midnight to the next, 96 of them as a rule, 92 where clocks are put
forward by an hour and 100 where they are put back. It is numbered by its local date, in days since 1970-01-01. Both
numbers are for chains and programs; people are told dates and times.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_PERIOD, PERIOD_SECONDS

_EPOCH = date(1970, 1, 1)
_PERIODS_PER_UTC_DAY = 86_400 // PERIOD_SECONDS
_LAST_DAY = MAX_PERIOD // _PERIODS_PER_UTC_DAY - 2


class DeliveryCalendar:
    """Which periods are a delivery day, and what people call them.

    Parameters
    ----------
    time_zone
        The region's time zone, by its name in the IANA time zone database.

    Raises
    ------
    InvalidValue
        There is no such time zone.
    """

    def __init__(self, time_zone: str = "UTC") -> None:
        self.time_zone = time_zone
        try:
            self._zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            remedy = 'the IANA name of a time zone, like "Asia/Shanghai" or "UTC"'
            raise InvalidValue("time_zone", time_zone, remedy) from error
        self._starts: dict[int, int] = {}

    # Days and their periods

    def periods(self, day: int) -> range:
        """The periods of a delivery day."""
        return range(self._first_period(day), self._first_period(day + 1))

    def day_of(self, period: int) -> int:
        """The delivery day of a period."""
        day = period // _PERIODS_PER_UTC_DAY
        while self._first_period(day) > period:
            day -= 1
        while self._first_period(day + 1) <= period:
            day += 1
        return day

    def day_at(self, seconds: float) -> int:
        """The delivery day of a moment, in seconds since the epoch."""
        return self.day_of(int(seconds) // PERIOD_SECONDS)

    def starts_at(self, day: int) -> int:
        """When a delivery day begins, in seconds since the epoch."""
        return self._first_period(day) * PERIOD_SECONDS

    def ends_at(self, day: int) -> int:
        """When the next one begins."""
        return self.starts_at(day + 1)

    def one_day(self, periods: range) -> int:
        """The delivery day that periods are of.

        Raises
        ------
        InvalidValue
            There are none, or they are of several.
        """
        if not periods or (day := self.day_of(periods[0])) != self.day_of(periods[-1]):
            raise InvalidValue("periods", periods, "delivery periods of one local day")
        return day

    # Dates and times

    def at(self, seconds: float) -> datetime:
        """A moment as the region's clocks show it; `seconds` since the epoch."""
        return datetime.fromtimestamp(seconds, self._zone)

    def begins(self, period: int) -> str:
        """When a period begins, for programs (ISO 8601)."""
        return self.at(period * PERIOD_SECONDS).isoformat(timespec="minutes")

    def span(self, period: int) -> str:
        """From when to when a period lasts; on a day on which clocks are changed, with what tells equal hours apart."""
        start, end = self.at(period * PERIOD_SECONDS), self.at((period + 1) * PERIOD_SECONDS)
        if start.utcoffset() != end.utcoffset():
            return f"{start:%H:%M} {_offset(start)}–{end:%H:%M} {_offset(end)}"
        day = self.day_of(period)
        changes = self.at(self.starts_at(day)).utcoffset() != self.at(self.ends_at(day)).utcoffset()
        return f"{start:%H:%M}–{end:%H:%M}" + (f" {_offset(start)}" if changes else "")

    def dated_span(self, period: int) -> str:
        """The date of a period, and from when to when it lasts."""
        return f"{date_text(self.day_of(period))} {self.span(period)}"

    def offset(self, seconds: float) -> str:
        """How far local time is ahead of UTC at a moment, e.g. ``UTC+08:00``; ``UTC`` where it is not."""
        shown = _offset(self.at(seconds))
        return "UTC" if shown == "+00:00" else f"UTC{shown}"

    def moment(self, text: str, field: str = "time") -> int:
        """Read a moment that somebody wrote, in seconds since the epoch.

        Parameters
        ----------
        text
            ISO 8601, as ``2026-11-30T08:15``; without an offset it is local time.
        field
            What an error calls it.

        Raises
        ------
        InvalidValue
            It is no time, or one that clocks show never or twice and that has no offset to tell.
        """
        remedy = "a local time as 2026-11-30T08:15, or one with its offset as 2026-11-30T08:15+08:00"
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError as error:
            raise InvalidValue(field, text, remedy) from error
        if moment.tzinfo is None:
            first, second = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
            if first.utcoffset() != second.utcoffset():
                remedy = f"one with its offset: clocks are changed then, from {_offset(first)} to {_offset(second)}"
                raise InvalidValue(field, text, remedy)
            moment = first
        if not 0 <= moment.timestamp() < (MAX_PERIOD + 1) * PERIOD_SECONDS:
            raise InvalidValue(field, text, f"{remedy}, from 1970 on")
        return int(moment.timestamp())

    def period_from(self, text: str, field: str = "period") -> int:
        """Read when a period begins, as `moment` does. Raises `InvalidValue`, also for another than a quarter hour."""
        seconds = self.moment(text, field)
        if seconds % PERIOD_SECONDS:
            raise InvalidValue(field, text, "the beginning of a quarter of an hour")
        return seconds // PERIOD_SECONDS

    def _first_period(self, day: int) -> int:
        """The first period that begins on a day or after it."""
        first = self._starts.get(day)
        if first is None:
            # Where clocks skip midnight, this is the moment at which they do.
            midnight = datetime.combine(date_of(day), time(), self._zone)
            first = self._starts[day] = -(-int(midnight.timestamp()) // PERIOD_SECONDS)
        return first


def date_of(day: int) -> date:
    """The date of a delivery day."""
    return _EPOCH + timedelta(days=day)


def date_text(day: int) -> str:
    """The date of a delivery day, as ``2026-11-30``."""
    return date_of(day).isoformat()


def date_day(text: str) -> int:
    """The delivery day of a date.

    Raises
    ------
    InvalidValue
        It is none.
    """
    remedy = f"a date as 2026-11-30, from 1970-01-02 to {date_text(_LAST_DAY)}"
    try:
        day = (date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        raise InvalidValue("day", text, remedy) from error
    if not 1 <= day <= _LAST_DAY:
        raise InvalidValue("day", text, remedy)
    return day


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]
