"""Energy, price, money and time are integers that fit together without rounding."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.units import (
    MAX_ENERGY_WH,
    MAX_PERIOD,
    MAX_PRICE_TICKS,
    MONEY_UNITS_PER_YUAN,
    TICKS_PER_YUAN,
    WH_PER_KWH,
    energy_wh,
    format_kwh,
    format_price,
    format_yuan,
    money_units,
    period_at,
    period_start,
    price_ticks,
)

CONVERSIONS = {
    energy_wh: (format_kwh, MAX_ENERGY_WH, "energy_kwh", 3),
    price_ticks: (format_price, MAX_PRICE_TICKS, "price_yuan_per_kwh", 4),
    money_units: (format_yuan, 2**80 - 1, "yuan", 7),
}
each_conversion = pytest.mark.parametrize("convert", CONVERSIONS, ids=lambda convert: convert.__name__)


def test_energy_times_price_is_money_without_rounding():
    assert WH_PER_KWH * TICKS_PER_YUAN == MONEY_UNITS_PER_YUAN
    assert energy_wh(300) * price_ticks("0.36") == money_units(108)


@each_conversion
@given(data=st.data())
def test_what_is_formatted_reads_back_as_it_was(convert, data):
    form, largest, _, _ = CONVERSIONS[convert]
    count = data.draw(st.integers(0, largest))
    assert convert(form(count)) == count
    assert "E" not in form(count)


@each_conversion
def test_the_limits_are_included_and_what_is_beyond_them_is_refused(convert):
    _, largest, field, decimals = CONVERSIONS[convert]
    step = Decimal(10) ** -decimals
    assert (convert("0"), convert(largest * step)) == (0, largest)
    for beyond in (-step, (largest + 1) * step):
        require_refused(convert, beyond, field)


@each_conversion
@given(number=st.floats())
def test_floats_are_refused_and_the_error_says_what_to_give(convert, number):
    require_refused(convert, number, CONVERSIONS[convert][2], "text or Decimal")


@each_conversion
def test_a_decimal_too_many_is_refused_even_where_it_is_small(convert):
    _, _, field, decimals = CONVERSIONS[convert]
    for zeros in (decimals, 50):
        require_refused(convert, "1." + "0" * zeros + "1", field, f"at most {decimals} decimals")
    assert convert("0." + "0" * (decimals - 1) + "1000") == 1


@each_conversion
@pytest.mark.parametrize(
    "text",
    ["", "much", "NaN", "-1", "Infinity", "-Infinity", "sNaN", "1e999999", "1e-999999999", "1,5", None, [], b"1"],
)
def test_what_is_no_number_is_refused(convert, text):
    require_refused(convert, text, CONVERSIONS[convert][2])


def require_refused(convert, value, field, remedy=""):
    with pytest.raises(InvalidValue) as refused:
        convert(value)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("form", "count", "text"),
    [
        (format_kwh, 300_000, "300"),
        (format_kwh, 1, "0.001"),
        (format_kwh, 0, "0"),
        (format_price, 3_600, "0.36"),
        (format_price, 3_601, "0.3601"),
        (format_price, 3_610, "0.3610"),
        (format_price, 10_000, "1.00"),
        (format_price, 0, "0.00"),
        (format_yuan, 1_080_000_000, "108"),
        (format_yuan, 1, "0.0000001"),
        (format_yuan, -5_000_000, "-0.5"),
    ],
)
def test_quantities_are_written_as_people_write_them(form, count, text):
    assert form(count) == text


@given(period=st.integers(0, MAX_PERIOD))
def test_a_period_begins_at_its_start_and_ends_before_the_next(period):
    start = period_start(period)
    assert start.tzinfo is UTC
    assert start == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * period)
    assert period_at(start) == period_at(start + timedelta(minutes=15, microseconds=-1)) == period
    assert period_at(start + timedelta(minutes=15)) == period + 1


def test_a_period_is_the_same_in_every_time_zone():
    noon = datetime(2021, 1, 1, 12, 7, tzinfo=UTC)
    assert period_at(noon.astimezone(timezone(timedelta(hours=8)))) == period_at(noon) == 1_788_336


@pytest.mark.parametrize("moment", [datetime(2021, 1, 1), datetime(1969, 12, 31, 23, 59, tzinfo=UTC)])  # noqa: DTZ001
def test_a_moment_without_a_time_zone_or_before_the_epoch_is_refused(moment):
    with pytest.raises(InvalidValue, match="moment"):
        period_at(moment)
