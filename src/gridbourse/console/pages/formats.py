"""How values look on a page. Each is written with its exact value beside what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from markupsafe import Markup

from gridbourse.network.finding import say
from gridbourse.units import (
    MONEY_UNITS_PER_YUAN,
    PERIOD_SECONDS,
    PERIODS_PER_DAY,
    TICKS_PER_YUAN,
    WH_PER_KWH,
    format_kwh,
    period_start,
)

_EPOCH = date(1970, 1, 1)
NOTHING = Markup('<span class="soft">–</span>')


def kwh(energy_wh: int | None) -> Markup:
    """Energy in kWh, with as many decimals as it needs, and thousands apart."""
    if energy_wh is None:
        return NOTHING
    whole, rest = divmod(abs(energy_wh), WH_PER_KWH)
    decimals = f".{rest:03}".rstrip("0") if rest else ""
    return _data(energy_wh, f"{'-' if energy_wh < 0 else ''}{whole:,}{decimals}")


def price(price_ticks: float | None) -> Markup:
    """A price in yuan/kWh, always with four decimals, so that columns align."""
    if price_ticks is None:
        return NOTHING
    return _data(round(price_ticks), f"{price_ticks / TICKS_PER_YUAN:.4f}")


def yuan(money: int | None) -> Markup:
    """Money in yuan, rounded to the fen; the exact amount is its value."""
    if money is None:
        return NOTHING
    fen = (abs(money) * 2 * 100 + MONEY_UNITS_PER_YUAN) // (2 * MONEY_UNITS_PER_YUAN)
    return _data(money, f"{'-' if money < 0 and fen else ''}{fen // 100:,}.{fen % 100:02}")


def clock(seconds: int | None) -> Markup:
    """Time of day, UTC."""
    return _time(seconds, "%H:%M:%S")


def moment(seconds: int | None) -> Markup:
    """Date and time, UTC."""
    return _time(seconds, "%Y-%m-%d %H:%M:%S")


def price_text(price_ticks: int) -> str:
    """A price as a field of a form takes it."""
    return f"{price_ticks / TICKS_PER_YUAN:.4f}"


def span(period: int) -> str:
    """From when to when a delivery period lasts."""
    return f"{period_start(period):%H:%M}–{period_start(period + 1):%H:%M}"


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
    return int(seconds) // (PERIOD_SECONDS * PERIODS_PER_DAY)


def short(hash_text: str, digits: int = 8) -> Markup:
    """The beginning of a hash or an address; all of it is its title."""
    return Markup('<code title="{0}">{1}…</code>').format(hash_text, hash_text[: 2 + digits])


def said(finding: str, language: str) -> str:
    """What the regulator found, in the reader's language."""
    return say(finding, "zh" if language == "zh" else "en")


FILTERS: Mapping[str, Callable[..., object]] = {
    "kwh": kwh,
    "price": price,
    "yuan": yuan,
    "kwh_text": format_kwh,
    "price_text": price_text,
    "clock": clock,
    "moment": moment,
    "span": span,
    "day_of": day_of,
    "date": date_text,
    "short": short,
    "said": said,
}


def _data(value: int, shown: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(value, shown)


def _time(seconds: int | None, layout: str) -> Markup:
    if seconds is None:
        return NOTHING
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat().replace("+00:00", "Z"), at.strftime(layout))
