"""The region's local time: what people are shown, while chains and the API count seconds, periods and days in UTC.

Delivery periods are quarter hours since the epoch, and a delivery day is 96 of them from 00:00 UTC on, wherever the
region is. It is named by its date in UTC, and begins at another hour on the region's clocks: in Asia/Shanghai at 08:00,
like the gas day of a European market, which begins at 06:00.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gridbourse.units import PERIOD_SECONDS, PERIODS_PER_DAY

DAY_SECONDS = PERIOD_SECONDS * PERIODS_PER_DAY
_EPOCH = date(1970, 1, 1)


class LocalTime:
    """Writes moments, delivery periods and delivery days as the region's clocks show them.

    Parameters
    ----------
    time_zone
        IANA name of the region's time zone.
    """

    def __init__(self, time_zone: str) -> None:
        self.name = time_zone
        self._zone = ZoneInfo(time_zone)

    def at(self, seconds: int) -> datetime:
        """A moment; `seconds` since the epoch."""
        return datetime.fromtimestamp(seconds, self._zone)

    def offset(self, seconds: int) -> str:
        """How far local time is ahead of UTC at a moment, e.g. ``UTC+08:00``; ``UTC`` where it is not."""
        shown = _offset(self.at(seconds))
        return "UTC" if shown == "+00:00" else f"UTC{shown}"

    def span(self, period: int) -> str:
        """From when to when a delivery period lasts, with its date where that is another than the delivery day's."""
        date = self.at(period * PERIOD_SECONDS).date().isoformat()
        shown = self._clocks(period)
        return shown if date == date_text(day_of(period)) else f"{date[5:]} {shown}"

    def dated_span(self, period: int) -> str:
        """The local date of a delivery period, and from when to when it lasts."""
        return f"{self.at(period * PERIOD_SECONDS):%Y-%m-%d} {self._clocks(period)}"

    def begins(self, period: int) -> str:
        """When a delivery period begins, for programs (ISO 8601)."""
        return self.at(period * PERIOD_SECONDS).isoformat(timespec="minutes")

    def day_span(self, day: int) -> str:
        """From when to when a delivery day lasts."""
        start, end = self.at(day * DAY_SECONDS), self.at((day + 1) * DAY_SECONDS)
        return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M}"

    def _clocks(self, period: int) -> str:
        """Beginning and end; on a day on which clocks are changed the offset tells equal hours apart."""
        start, end = self.at(period * PERIOD_SECONDS), self.at((period + 1) * PERIOD_SECONDS)
        day = day_of(period)
        changes = self.at(day * DAY_SECONDS).utcoffset() != self.at((day + 1) * DAY_SECONDS).utcoffset()
        return f"{start:%H:%M}–{end:%H:%M}" + (f" {_offset(start)}" if changes else "")


def day_of(period: int) -> int:
    """Delivery day of a period."""
    return period // PERIODS_PER_DAY


def date_text(day: int) -> str:
    """Date of a delivery day."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def date_day(text: str) -> int:
    """Delivery day of a date. Raises `ValueError` if it is none."""
    return (date.fromisoformat(text) - _EPOCH).days


def today(seconds: float) -> int:
    """Delivery day of a moment."""
    return int(seconds) // DAY_SECONDS


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]
