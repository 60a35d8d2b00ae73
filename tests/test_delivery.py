"""A delivery day is a local day: 96 periods as a rule, 92 or 100 where clocks are changed."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.delivery import DeliveryCalendar, date_day, date_text
from gridbourse.errors import InvalidValue

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Havana",
)
BERLIN = DeliveryCalendar("Europe/Berlin")
SHANGHAI = DeliveryCalendar("Asia/Shanghai")

calendars = st.sampled_from(ZONES).map(DeliveryCalendar)
days = st.integers(min_value=1, max_value=date_day("2100-01-01"))


@given(calendars, days)
def test_the_days_cut_time_into_pieces_that_follow_each_other(calendar, day):
    periods = calendar.periods(day)
    assert periods.stop == calendar.periods(day + 1).start
    assert {calendar.day_of(period) for period in periods} <= {day}
    assert len(periods) in {0, 88, 92, 94, 96, 98, 100, 104}


@given(calendars, st.integers(min_value=0, max_value=4 * 10**6))
def test_every_period_is_of_the_day_that_holds_it_and_of_the_date_that_clocks_show(calendar, period):
    day = calendar.day_of(period)
    assert period in calendar.periods(day)
    shown = datetime.fromtimestamp(period * 900, ZoneInfo(calendar.time_zone)).date().isoformat()
    assert shown == date_text(day)


@pytest.mark.parametrize(
    ("calendar", "date", "periods", "first"),
    [
        (BERLIN, "2026-03-29", 92, "2026-03-29T00:00+01:00"),
        (BERLIN, "2026-10-25", 100, "2026-10-25T00:00+02:00"),
        (BERLIN, "2026-06-01", 96, "2026-06-01T00:00+02:00"),
        (SHANGHAI, "2026-06-01", 96, "2026-06-01T00:00+08:00"),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(calendar, date, periods, first):
    day = date_day(date)
    assert len(calendar.periods(day)) == periods
    assert calendar.begins(calendar.periods(day).start) == first
    assert calendar.ends_at(day) - calendar.starts_at(day) == periods * 900
    assert calendar.day_at(calendar.starts_at(day)) == day
    assert calendar.day_at(calendar.ends_at(day)) == day + 1


def test_a_day_that_the_clocks_skipped_has_no_periods():
    assert len(DeliveryCalendar("Pacific/Apia").periods(date_day("2011-12-30"))) == 0


def test_a_period_is_told_by_the_regions_clocks():
    assert SHANGHAI.span(SHANGHAI.periods(date_day("2026-06-01")).start) == "00:00–00:15"
    assert SHANGHAI.dated_span(SHANGHAI.periods(date_day("2026-06-01"))[-1]) == "2026-06-01 23:45–00:00"
    assert SHANGHAI.offset(0) == "UTC+08:00"
    assert DeliveryCalendar().offset(0) == "UTC"


def test_hours_that_come_twice_are_told_apart_and_a_period_in_which_clocks_change_carries_its_ends_own_offset():
    spans = [BERLIN.span(period) for period in BERLIN.periods(date_day("2026-10-25"))]
    assert len(set(spans)) == 100
    assert spans[8] == "02:00–02:15 +02:00"
    assert spans[11] == "02:45 +02:00–02:00 +01:00"
    assert spans[12] == "02:00–02:15 +01:00"
    spring = [BERLIN.span(period) for period in BERLIN.periods(date_day("2026-03-29"))]
    assert spring[7] == "01:45 +01:00–03:00 +02:00"


@given(calendars, st.integers(min_value=0, max_value=2**31))
def test_a_moment_with_its_offset_is_read_back(calendar, seconds):
    assert calendar.moment(calendar.at(seconds).isoformat()) == seconds


def test_local_times_are_read_and_those_that_clocks_show_never_or_twice_need_their_offset():
    assert BERLIN.moment("2026-06-01T08:15") == BERLIN.moment("2026-06-01T06:15Z")
    assert SHANGHAI.period_from("2026-06-01T08:15") * 900 == BERLIN.moment("2026-06-01T02:15+02:00")
    for text in ("2026-10-25T02:30", "2026-03-29T02:30"):
        with pytest.raises(InvalidValue, match="offset"):
            BERLIN.moment(text)
    for text in ("yesterday", "", "1969-01-01T00:00Z", "9999-01-01T00:00Z"):
        with pytest.raises(InvalidValue):
            BERLIN.moment(text)
    with pytest.raises(InvalidValue, match="quarter"):
        BERLIN.period_from("2026-06-01T08:20")


@given(days)
def test_dates_are_read_back(day):
    assert date_day(date_text(day)) == day


@pytest.mark.parametrize("text", ["", "2026-02-30", "1969-12-31", "9999-12-31", "x"])
def test_what_is_no_date_is_refused_with_the_remedy(text):
    with pytest.raises(InvalidValue, match="a date as"):
        date_day(text)


def test_periods_of_two_days_are_no_day():
    midnight = BERLIN.periods(date_day("2026-06-01")).start
    assert BERLIN.one_day(range(midnight, midnight + 96)) == date_day("2026-06-01")
    for periods in (range(midnight - 1, midnight + 1), range(0)):
        with pytest.raises(InvalidValue, match="one local day"):
            BERLIN.one_day(periods)


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(InvalidValue, match="time_zone"):
        DeliveryCalendar("Europe/Atlantis")


def test_times_of_a_day_are_a_quarter_of_an_hour_apart():
    periods = BERLIN.periods(date_day("2026-10-25"))
    starts = [BERLIN.at(period * 900) for period in periods]
    assert {(late.timestamp() - early.timestamp()) for early, late in pairwise(starts)} == {
        timedelta(minutes=15).total_seconds()
    }
