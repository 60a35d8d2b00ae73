"""Energy, price, money and delivery periods as integers.

Energy is counted in watt-hours, price in ticks of 0.0001 yuan/kWh, money in 1e-7 yuan. The three fit
together without rounding: 1 Wh x 1 tick = 1e-7 yuan. No float ever touches energy or money.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from gridbourse.errors import InvalidValue

TICKS_PER_YUAN = 10_000
MONEY_UNITS_PER_YUAN = 10_000_000
WH_PER_KWH = 1_000
PERIOD_SECONDS = 900
PERIODS_IN_24_HOURS = 24 * 3_600 // PERIOD_SECONDS
"""A span of time; how many periods a delivery day has is for `gridbourse.delivery` to say."""

MAX_PRICE_TICKS = 2**16 - 1
MAX_ENERGY_WH = 2**40 - 1
MAX_PERIOD = 2**24 - 1


def energy_wh(kwh: str | int | Decimal) -> int:
    """Convert kilowatt-hours to watt-hours, exactly.

    Raises
    ------
    InvalidValue
        `kwh` is no number, is negative, or has more than three decimals.
    """
    return _scaled("energy_kwh", kwh, WH_PER_KWH, MAX_ENERGY_WH, "a number of kWh with at most 3 decimals")


def price_ticks(yuan_per_kwh: str | Decimal) -> int:
    """Convert a price in yuan/kWh to ticks of 0.0001 yuan/kWh, exactly.

    Raises
    ------
    InvalidValue
        The price is no number, is outside 0 to 6.5535, or has more than four decimals.
    """
    remedy = "a price from 0 to 6.5535 yuan/kWh with at most 4 decimals"
    return _scaled("price_yuan_per_kwh", yuan_per_kwh, TICKS_PER_YUAN, MAX_PRICE_TICKS, remedy)


def money_units(yuan: str | int | Decimal) -> int:
    """Convert yuan to units of 1e-7 yuan, exactly.

    Raises
    ------
    InvalidValue
        `yuan` is no number, is negative, or has more than seven decimals.
    """
    return _scaled("yuan", yuan, MONEY_UNITS_PER_YUAN, 2**80 - 1, "an amount of yuan with at most 7 decimals")


def format_kwh(wh: int) -> str:
    """Write watt-hours as kilowatt-hours without trailing zeros."""
    return _plain(Decimal(wh) / WH_PER_KWH)


def format_price(ticks: int) -> str:
    """Write ticks as yuan/kWh with at least two decimals."""
    text = f"{Decimal(ticks) / TICKS_PER_YUAN:.4f}"
    return text.removesuffix("00")


def format_yuan(units: int) -> str:
    """Write money units as yuan without trailing zeros."""
    return _plain(Decimal(units) / MONEY_UNITS_PER_YUAN)


def period_at(moment: datetime) -> int:
    """Number of the delivery period that contains `moment`, counted from 1970-01-01T00:00Z.

    Raises
    ------
    InvalidValue
        `moment` has no time zone, or lies before the epoch.
    """
    if moment.tzinfo is None or moment.timestamp() < 0:
        raise InvalidValue("moment", moment, "a time with a time zone, after 1970-01-01T00:00Z")
    return int(moment.timestamp()) // PERIOD_SECONDS


def period_start(period: int) -> datetime:
    """First moment of a delivery period, in UTC."""
    return datetime.fromtimestamp(period * PERIOD_SECONDS, UTC)


def _scaled(field: str, value: str | int | Decimal, scale: int, largest: int, remedy: str) -> int:
    if isinstance(value, float):
        raise InvalidValue(field, value, f"{remedy}, as text or Decimal: floats are not exact")
    exact = Context(traps=[InvalidOperation, Inexact, Overflow])
    try:
        scaled = exact.multiply(Decimal(value), scale)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidValue(field, value, remedy) from error
    if not scaled.is_finite() or not 0 <= scaled <= largest or scaled != int(scaled):
        raise InvalidValue(field, value, remedy)
    return int(scaled)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
