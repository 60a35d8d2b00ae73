"""Indicators: small records counted by hand, and what must hold for any."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.grid.indicators import Anomaly, Discharge, Stuck, advise, analyse_efficiency, monitor

FIRST = 1_780_704  # midnight of a day in 2020
DAY = 96
UNTIMED = settings(deadline=None)
ENERGY = st.integers(0, 5_000)
READING = st.none() | ENERGY


def series(values, periods=6):
    return st.lists(values, min_size=periods, max_size=periods)


def test_losses_are_what_enters_and_does_not_leave():
    report = analyse_efficiency(FIRST, {"feeder": [100, 200], "pv": [0, 50]}, {"street": [90, 150], "works": [5, 60]})
    assert (report.injected_wh, report.withdrawn_wh, report.losses_wh) == (350, 305, 45)
    assert report.loss_ppm == 128_571
    assert report.gaining_periods == ()


def test_load_is_told_by_its_peak_its_valley_and_how_full_it_is():
    report = analyse_efficiency(FIRST, {"feeder": [100] * 4}, {"street": [40, 80, 80, 20]})
    assert (report.peak_wh, report.peak_period) == (80, FIRST + 1)
    assert (report.valley_wh, report.valley_period) == (20, FIRST + 3)
    assert report.load_factor_ppm == 687_500
    assert report.valley_to_peak_ppm == 250_000


def test_a_period_with_a_missing_reading_is_left_out_of_the_balance():
    report = analyse_efficiency(FIRST, {"feeder": [100, None, 100]}, {"street": [90, 90, None]})
    assert (report.periods, report.complete_periods) == (3, 1)
    assert (report.injected_wh, report.withdrawn_wh) == (100, 90)


def test_a_period_that_gains_energy_is_named():
    report = analyse_efficiency(FIRST, {"feeder": [100, 100]}, {"street": [99, 101]})
    assert report.gaining_periods == (FIRST + 1,)
    assert report.losses_wh == 0


def test_without_any_complete_period_nothing_is_claimed():
    report = analyse_efficiency(FIRST, {"feeder": [None]}, {"street": [1]})
    assert report.complete_periods == report.losses_wh == 0
    assert report.loss_ppm is report.peak_wh is report.valley_period is report.load_factor_ppm is None
    assert "peak_wh" not in report.report


def test_availability_counts_readings_and_names_meters_without_any():
    report = monitor(FIRST, {"a": [1, None, 3, 4], "b": [None] * 4}, {})
    assert report.missing_readings == 5
    assert report.availability_ppm == 375_000
    assert report.missing_meters == ("b",)


def test_a_meter_that_repeats_itself_for_three_hours_is_stuck():
    moving = list(range(100, 112))
    report = monitor(FIRST, {"a": [*moving, *[70] * 12, 1], "b": [*[70] * 11, None, *moving, 1]}, {})
    assert report.stuck == (Stuck("a", FIRST + 12, 12, 70),)


def test_a_meter_that_was_stuck_before_is_still_stuck():
    report = monitor(FIRST, {"a": [70, 70, 5]}, {"a": [5, *[70] * 10]})
    assert report.stuck == (Stuck("a", FIRST - 10, 12, 70),)


def test_what_was_stuck_only_in_the_past_is_not_reported_again():
    assert monitor(FIRST, {"a": [5]}, {"a": [70] * 12}).stuck == ()


def test_a_night_of_zeros_is_no_fault_but_a_day_of_zeros_is():
    assert monitor(FIRST, {"pv": [0] * 95 + [9]}, {}).stuck == ()
    assert monitor(FIRST, {"pv": [0] * 96}, {}).stuck == (Stuck("pv", FIRST, 96, 0),)


def daily(*, noon):
    """Seven days of one house: 100 Wh all day and `noon` at the 48th period, each day a little different."""
    return [(noon if period == 48 else 100) + day for day in range(7) for period in range(DAY)]


def test_a_reading_is_judged_by_the_history_of_its_own_time_of_day():
    today = [103] * DAY
    today[48] = 903
    assert monitor(FIRST, {"a": today}, {"a": daily(noon=900)}).anomalies == ()
    assert monitor(FIRST, {"a": today}, {"a": daily(noon=100)}).anomalies == (Anomaly("a", FIRST + 48, 903, 103),)


def test_one_wild_day_in_the_history_hides_nothing():
    history = daily(noon=100)
    history[:DAY] = [5_000] * DAY
    anomalies = monitor(FIRST, {"a": [900, 104]}, {"a": history}).anomalies
    assert [anomaly.period for anomaly in anomalies] == [FIRST]


def test_a_reading_may_differ_by_ten_times_what_is_usual_at_its_time_of_day():
    history = [100] * DAY * 7
    history[::DAY] = [1_000, 940, 1_060, 970, 1_030, 1_000, 1_000]
    assert monitor(FIRST, {"a": [1_300]}, {"a": history}).anomalies == ()
    assert monitor(FIRST, {"a": [1_301]}, {"a": history}).anomalies == (Anomaly("a", FIRST, 1_301, 1_000),)


def test_a_steady_meter_is_not_blamed_for_a_trifle():
    assert monitor(FIRST, {"a": [200]}, {"a": [100] * DAY * 7}).anomalies == ()
    assert monitor(FIRST, {"a": [201]}, {"a": [100] * DAY * 7}).anomalies == (Anomaly("a", FIRST, 201, 100),)


def test_nothing_is_called_unusual_before_the_fifth_day():
    for days, judged in ((4, 0), (5, 1)):
        report = monitor(FIRST, {"a": [9_999]}, {"a": [100] * DAY * days})
        assert (report.judged_readings, len(report.anomalies)) == (judged, judged)


def test_history_may_begin_at_any_time_of_day_and_have_gaps():
    history = daily(noon=100)[50:]
    history[0] = None
    report = monitor(FIRST, {"a": [900, None], "new": [1, 2]}, {"a": history})
    assert [anomaly.period for anomaly in report.anomalies] == [FIRST]
    assert report.judged_readings == 1


def test_self_use_is_counted_period_by_period():
    report = advise(FIRST, [0, 100, 60], [50, 40, 60], store_wh=0, largest_wh=0)
    assert report.used_on_site_wh == 100
    assert report.self_consumption_ppm == 625_000
    assert report.self_sufficiency_ppm == 666_666


def test_a_customer_without_generation_has_no_share_of_it():
    report = advise(FIRST, [0], [50], store_wh=0, largest_wh=0)
    assert report.self_consumption_ppm is None
    assert report.self_sufficiency_ppm == 0


def test_a_store_takes_the_top_off_the_peak():
    report = advise(FIRST, [0] * 4, [40, 100, 90, 40], store_wh=50, largest_wh=50)
    assert (report.peak_wh, report.shaved_peak_wh) == (100, 70)
    assert report.discharges == (Discharge(FIRST + 1, 2, 50),)


def test_a_store_recharges_between_two_peaks_as_far_as_the_shaved_peak_allows():
    report = advise(FIRST, [0] * 3, [100, 60, 100], store_wh=20, largest_wh=50)
    assert report.shaved_peak_wh == 80
    assert report.discharges == (Discharge(FIRST, 1, 20), Discharge(FIRST + 2, 1, 20))


def test_a_store_cannot_help_faster_than_its_power():
    report = advise(FIRST, [0] * 2, [100, 10], store_wh=1_000, largest_wh=30)
    assert report.shaved_peak_wh == 70


def test_a_customer_that_only_feeds_in_has_no_peak():
    report = advise(FIRST, [100], [40], store_wh=10, largest_wh=10)
    assert (report.peak_wh, report.shaved_peak_wh, report.discharges) == (0, 0, ())


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: analyse_efficiency(FIRST, {}, {"a": [1]}), "injected"),
        (lambda: analyse_efficiency(FIRST, {"a": [1]}, {"b": [1, 2]}), "withdrawn: '2 periods'"),
        (lambda: analyse_efficiency(-1, {"a": [1]}, {"b": [1]}), "first_period"),
        (lambda: analyse_efficiency(2**24 - 1, {"a": [1, 1]}, {"b": [1, 1]}), "first_period"),
        (lambda: monitor(FIRST, {"a": [1], "b": [1, 2]}, {}), r"readings\['b'\]: '2 readings'"),
        (lambda: monitor(FIRST, {"a": []}, {}), r"readings\['a'\]: '0 readings'"),
        (lambda: monitor(FIRST, {"a": [1, -1]}, {}), r"readings\['a'\]\[1\]: -1"),
        (lambda: monitor(FIRST, {"a": [1.0]}, {}), r"readings\['a'\]\[0\]: 1.0"),
        (lambda: monitor(FIRST, {"a": [1]}, {"a": [-1]}), r"history\['a'\]\[0\]"),
        (lambda: advise(FIRST, [1], [1, 2], store_wh=0, largest_wh=0), "consumed_wh"),
        (lambda: advise(FIRST, [1], [None], store_wh=0, largest_wh=0), "consumed_wh"),
        (lambda: advise(FIRST, [1], [1], store_wh=-1, largest_wh=0), "store_wh"),
    ],
)
def test_an_input_that_cannot_be_is_named(make, named):
    with pytest.raises(InvalidValue, match=named):
        make()


def leaves(value):
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


@UNTIMED
@given(series(READING), series(READING), series(ENERGY), series(ENERGY))
def test_every_report_is_a_record_of_integers_and_texts(readings, others, generated, consumed):
    reports = [
        analyse_efficiency(FIRST, {"a": readings}, {"b": others}),
        monitor(FIRST, {"a": readings, "b": others}, {}),
        advise(FIRST, generated, consumed, store_wh=500, largest_wh=100),
    ]
    kinds = [json.loads(json.dumps(report.report))["report"] for report in reports]
    assert kinds == ["energy-efficiency analysis", "comprehensive monitoring", "energy services"]
    assert all(type(leaf) in {int, str} for report in reports for leaf in leaves(report.report))


@UNTIMED
@given(series(READING), series(READING))
def test_shares_of_a_whole_stay_within_it(fed_in, taken):
    report = analyse_efficiency(FIRST, {"a": fed_in}, {"b": taken})
    if report.load_factor_ppm is not None:
        assert report.valley_to_peak_ppm <= report.load_factor_ppm <= 1_000_000
    assert 0 <= monitor(FIRST, {"a": fed_in}, {}).availability_ppm <= 1_000_000


def holds(drawn, peak, store, largest):
    """Drive the store by hand: it gives what is above the peak and refills below it."""
    level = store
    for wh in drawn:
        if wh > peak + largest or wh - peak > level:
            return False
        level = min(level + min(peak - wh, largest), store)
    return True


@UNTIMED
@given(series(ENERGY), series(ENERGY), st.integers(0, 5_000), st.integers(0, 2_000))
def test_the_shaved_peak_holds_and_no_lower_one_does(generated, consumed, store_wh, largest_wh):
    report = advise(FIRST, generated, consumed, store_wh=store_wh, largest_wh=largest_wh)
    drawn = [taken - own for taken, own in zip(consumed, generated, strict=True)]
    assert holds(drawn, report.shaved_peak_wh, store_wh, largest_wh)
    assert report.shaved_peak_wh == 0 or not holds(drawn, report.shaved_peak_wh - 1, store_wh, largest_wh)
    assert all(a.first_period + a.periods < b.first_period for a, b in pairwise(report.discharges))
