"""A forecast is the plain guess that did best over the last day, and says how far off it was."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.metering.forecast import Forecast, Guess, forecast
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIODS_IN_24_HOURS

DOCS = Path(__file__).parents[2] / "docs/metering.md"
DAY = list(range(0, 9_600, 100))
WEEK = 7 * PERIODS_IN_24_HOURS


def test_where_nothing_changes_the_latest_value_holds():
    assert forecast([250] * 10, ahead=4) == Forecast(250, 0, Guess.LATEST)


def test_where_days_repeat_the_day_before_is_right():
    assert forecast(DAY * 2, ahead=10) == Forecast(DAY[9], 0, Guess.DAY)


def test_where_days_go_up_and_down_their_mean_is_less_wrong():
    levels = [400, 800, 400, 800, 400, 800, 400, 800]
    history = [level for level in levels for _ in range(PERIODS_IN_24_HOURS)]
    error = -(-(800 * 7 - sum(levels[:7])) // 7)
    assert forecast(history, ahead=PERIODS_IN_24_HOURS) == Forecast(sum(levels[1:]) // 7, error, Guess.WEEK)


def test_need_is_forecast_like_surplus():
    assert forecast([-value for value in DAY] * 2, ahead=10).surplus_wh == -DAY[9]


def test_unknown_periods_are_passed_over():
    history = DAY * 3
    history[5::7] = [None] * len(history[5::7])
    expected = forecast(history, ahead=10)
    assert (expected.surplus_wh, expected.error_wh) == (DAY[9], 0)


@pytest.mark.parametrize("history", [[], [None] * 200, [100]])
def test_without_anything_to_try_a_guess_on_there_is_no_forecast(history):
    assert forecast(history, ahead=1) is None


@pytest.mark.parametrize("ahead", [0, PERIODS_IN_24_HOURS + 1])
def test_only_the_next_day_can_be_forecast(ahead):
    with pytest.raises(InvalidValue, match="ahead"):
        forecast(DAY, ahead)


@given(
    history=st.lists(st.none() | st.integers(-(10**6), 10**6), max_size=3 * PERIODS_IN_24_HOURS),
    ahead=st.integers(1, PERIODS_IN_24_HOURS),
)
def test_a_forecast_stays_within_what_was_metered(history, ahead):
    expected = forecast(history, ahead)
    if expected is not None:
        known = [value for value in history if value is not None]
        assert min(known) <= expected.surplus_wh <= max(known)
        assert expected.error_wh <= max(known) - min(known)


def stated_errors():
    """Rows of the table in the docs: plants and loads in kW, error an hour and a day ahead in percent."""
    for line in DOCS.read_text("utf-8").splitlines():
        if match := re.fullmatch(r"\| (`.+` -?\d+(?:, `.+` -?\d+)*) \| (\d+) % \| (\d+) % \|", line):
            parts, *percent = match.groups()
            plants = {name: int(power) for name, power in re.findall(r"`(\w+)` (-?\d+)", parts)}
            yield pytest.param(plants, *map(int, percent), id=parts)


@pytest.mark.parametrize(("plants", "hour_percent", "day_percent"), list(stated_errors()))
def test_the_errors_on_the_data_set_are_the_stated_ones(plants, hour_percent, day_percent):
    profiles = Profiles.load()
    energies = [
        [energy if power > 0 else -energy for energy in profiles.energies_wh(name, abs(power) * 1_000)]
        for name, power in plants.items()
    ]
    surplus = [sum(values) for values in zip(*energies, strict=True)]
    second_week = range(WEEK, 2 * WEEK, 3)
    metered = sum(abs(surplus[period]) for period in second_week)
    for ahead, percent in ((4, hour_percent), (PERIODS_IN_24_HOURS, day_percent)):
        errors = (
            abs(forecast(surplus[: period - ahead + 1], ahead).surplus_wh - surplus[period]) for period in second_week
        )
        assert round(100 * sum(errors) / metered) == percent


def test_the_docs_state_the_errors():
    assert len(list(stated_errors())) >= 8
