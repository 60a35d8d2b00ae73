"""How values look on a page. Each is written with its exact value beside what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from markupsafe import Markup

from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.text import say
from gridbourse.units import MONEY_UNITS_PER_YUAN, TICKS_PER_YUAN, WH_PER_KWH, format_kwh

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


def microyuan(price_microyuan: int) -> Markup:
    """A tariff's price in yuan/kWh, with the six decimals that tariffs are published with."""
    return _data(price_microyuan, f"{price_microyuan / 1_000_000:.6f}")


def price_text(price_ticks: int) -> str:
    """A price as a field of a form takes it."""
    return f"{price_ticks / TICKS_PER_YUAN:.4f}"


def short(hash_text: str, digits: int = 8) -> Markup:
    """The beginning of a hash or an address; all of it is its title."""
    return Markup('<code title="{0}">{1}…</code>').format(hash_text, hash_text[: 2 + digits])


def filters(calendar: DeliveryCalendar) -> Mapping[str, Callable[..., object]]:
    """How templates write values, with the region's local time."""
    return {
        "kwh": kwh,
        "price": price,
        "microyuan": microyuan,
        "yuan": yuan,
        "kwh_text": format_kwh,
        "price_text": price_text,
        "clock": partial(_time, calendar, "%H:%M:%S"),
        "moment": partial(_time, calendar, "%Y-%m-%d %H:%M:%S"),
        "offset": calendar.offset,
        "span": calendar.span,
        "period": calendar.dated_span,
        "date": date_text,
        "short": short,
        "said": say,
    }


def _data(value: int, shown: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(value, shown)


def _time(calendar: DeliveryCalendar, layout: str, seconds: int | None) -> Markup:
    if seconds is None:
        return NOTHING
    at = calendar.at(seconds)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime(layout))
