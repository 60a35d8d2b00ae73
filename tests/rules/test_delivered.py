"""C2: what a kilowatt-hour costs at the meter, against the published table of Sichuan, August 2026."""

from datetime import UTC, date, datetime
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rules.delivered import (
    Connection,
    capacity_charge,
    delivered_day,
    delivered_price,
    demand_charge,
)
from gridbourse.rules.grid_fee import CarriedTrade, grid_fee, meets
from gridbourse.rules.parameters import Band, TariffKind, VoltageLevel
from gridbourse.units import money_units

AUGUST = date(2026, 8, 3)
local = partial(datetime, tzinfo=ZoneInfo("Asia/Shanghai"))
SINGLE, TWO = TariffKind
LOW, MIDDLE, KV35, KV110, KV220 = VoltageLevel
MOMENTS = {Band.TIP: 13, Band.PEAK: 11, Band.FLAT: 19, Band.VALLEY: 3}
"""An hour of each band on a summer day of the two-part tariff."""

PUBLISHED = {
    (SINGLE, LOW): {Band.PEAK: 943_124, Band.FLAT: 623_744, Band.VALLEY: 304_364},
    (SINGLE, MIDDLE): {Band.PEAK: 900_884, Band.FLAT: 597_344, Band.VALLEY: 293_804},
    (SINGLE, KV35): {Band.PEAK: 851_764, Band.FLAT: 566_644, Band.VALLEY: 281_524},
    (SINGLE, KV110): {Band.PEAK: 713_204, Band.FLAT: 480_044, Band.VALLEY: 246_884},
    (SINGLE, KV220): {Band.PEAK: 682_484, Band.FLAT: 460_844, Band.VALLEY: 239_204},
    (TWO, MIDDLE): {Band.TIP: 888_436, Band.PEAK: 755_604, Band.FLAT: 506_544, Band.VALLEY: 257_484},
    (TWO, KV35): {Band.TIP: 837_364, Band.PEAK: 713_044, Band.FLAT: 479_944, Band.VALLEY: 246_844},
    (TWO, KV110): {Band.TIP: 745_012, Band.PEAK: 636_084, Band.FLAT: 431_844, Band.VALLEY: 227_604},
    (TWO, KV220): {Band.TIP: 710_836, Band.PEAK: 607_604, Band.FLAT: 414_044, Band.VALLEY: 220_484},
}
"""Microyuan/kWh."""


def price_at(rules, tariff, level, hour, minute=0, **more):
    return delivered_price(rules, Connection(level, tariff), local(2026, 8, 3, hour, minute), **more)


@pytest.mark.parametrize(("tariff", "level"), PUBLISHED)
def test_the_published_prices_of_august_2026_follow_from_their_parts(rules, tariff, level):
    for band, microyuan in PUBLISHED[tariff, level].items():
        price = price_at(rules, tariff, level, MOMENTS[band])
        assert price.band is band
        assert price.microyuan_per_kwh == microyuan


def test_single_part_users_have_no_tip(rules):
    assert price_at(rules, SINGLE, MIDDLE, 13).band is Band.PEAK


def test_energy_losses_and_network_float_and_system_operation_and_funds_do_not(rules):
    peak = price_at(rules, TWO, MIDDLE, 11)
    assert [part.name for part in peak.parts if part.floats] == ["energy", "loss", "network"]
    by_name = {part.name: peak.of_part(part) for part in peak.parts}
    assert by_name["network"] == Fraction("1391") * Fraction("1.6")
    assert by_name["funds"] == Fraction("471.6875")
    assert sum(by_name.values()) == peak.price_ticks


def test_every_part_names_the_row_it_comes_from(rules):
    price = price_at(rules, TWO, MIDDLE, 19, 15)
    for part in price.parts:
        assert all(row.provenance.source in rules.sources for row in part.parameters)
    assert [row.name for part in price.parts for row in part.parameters] == [
        "energy.agency",
        "loss",
        "transmission.two_part.1-10kV",
        "system",
        "funds",
    ]
    assert price.rules == rules.version


def test_a_line_is_rounded_once_at_its_end(rules):
    flat = price_at(rules, TWO, MIDDLE, 19)
    assert flat.price_ticks == Fraction("5065.4375")
    assert flat.money(1_000) == 5_065_438
    assert flat.money(16) == 81_047


@pytest.mark.parametrize(
    ("month", "hours"),
    [
        (4, {7: "valley", 9: "flat", 11: "peak", 13: "flat", 18: "peak", 23: "valley"}),
        (7, {0: "flat", 3: "valley", 8: "flat", 12: "peak", 19: "flat", 20: "peak", 23: "flat"}),
        (12, {7: "valley", 9: "flat", 11: "peak", 15: "flat", 17: "peak", 22: "flat"}),
    ],
)
def test_the_calendar_has_three_seasons(rules, month, hours):
    for hour, band in hours.items():
        row = rules.calendar.row_at(local(2026, month, 15, hour), SINGLE)
        assert row.band == band


def test_a_tip_outside_july_and_august_is_for_hot_days_and_never_for_four_areas(rules):
    moment = local(2026, 9, 2, 21, 45)
    assert rules.calendar.row_at(moment, TWO).band is Band.PEAK
    assert rules.calendar.row_at(moment, TWO, day_kinds={"hot"}).band is Band.TIP
    assert rules.calendar.row_at(moment, TWO, day_kinds={"hot"}, area="攀枝花").band is Band.PEAK


def test_a_moment_with_a_time_zone_is_read_in_the_sets_own(rules):
    utc = delivered_price(rules, Connection(MIDDLE, TWO), datetime(2026, 8, 3, 5, 0, tzinfo=UTC))
    assert utc.band is Band.TIP
    assert utc.moment.hour == 13
    naive = delivered_price(rules, Connection(MIDDLE, TWO), datetime.fromisoformat("2026-08-03T13:00"))
    assert naive.price_ticks == utc.price_ticks


def test_a_day_has_a_price_for_every_quarter_hour(rules):
    prices = list(delivered_day(rules, Connection(MIDDLE, TWO), AUGUST))
    assert len(prices) == 96
    assert [price.band for price in prices].count(Band.TIP) == 12
    assert prices[0].moment.isoformat() == "2026-08-03T00:00:00+08:00"
    assert prices[-1].moment.isoformat() == "2026-08-03T23:45:00+08:00"


def test_an_offers_price_takes_the_place_of_the_grid_companys(rules):
    own = price_at(rules, TWO, MIDDLE, 19)
    offered = price_at(rules, TWO, MIDDLE, 19, energy_ticks=1_504)
    assert own.price_ticks - offered.price_ticks == Fraction("2604.34") - 1_504
    assert offered.parts[0].parameters == ()


def test_a_month_without_prices_is_refused_and_the_row_that_is_missing_named(rules):
    with pytest.raises(InvalidValue, match=r"sichuan_2026/parameters\.csv, energy\.agency.*valid on 2026-09-01"):
        delivered_price(rules, Connection(MIDDLE, TWO), local(2026, 9, 1, 12))


def test_a_level_without_a_two_part_tariff_is_refused(rules):
    with pytest.raises(InvalidValue, match=r"transmission\.two_part\.<1kV"):
        price_at(rules, TWO, LOW, 12)


@pytest.mark.parametrize(
    ("level", "demand", "capacity"), [(MIDDLE, 35, 22), (KV35, 30, 19), (KV110, 27, 17), (KV220, 24, 15)]
)
def test_two_part_users_pay_for_demand_or_capacity_by_the_month(rules, level, demand, capacity):
    connection = Connection(level, TWO)
    assert demand_charge(rules, connection, 100, AUGUST) == money_units(100 * demand)
    assert capacity_charge(rules, connection, Fraction("315.5"), AUGUST) == money_units(str(capacity * 315.5))


def test_single_part_users_pay_for_neither(rules):
    with pytest.raises(InvalidValue, match="tariff"):
        demand_charge(rules, Connection(MIDDLE, SINGLE), 100, AUGUST)


@pytest.mark.parametrize(
    ("user", "highest", "ticks"),
    [(MIDDLE, KV35, 307), (MIDDLE, KV110, 1_173), (LOW, MIDDLE, 264), (MIDDLE, MIDDLE, 0)],
)
def test_a_local_trade_pays_for_the_levels_between(rules, user, highest, ticks):
    fee = grid_fee(rules.parameters, SINGLE, user, highest, AUGUST)
    assert fee.whole_ticks == ticks


def test_the_grid_fee_stands_in_the_place_of_transmission(rules):
    local = price_at(rules, SINGLE, MIDDLE, 19, highest_level=KV35)
    assert price_at(rules, SINGLE, MIDDLE, 19).price_ticks - local.price_ticks == 1_992


def test_a_highest_level_below_the_users_own_is_refused(rules):
    with pytest.raises(InvalidValue, match="highest_level"):
        grid_fee(rules.parameters, SINGLE, KV35, MIDDLE, AUGUST)


@given(st.integers(0, 2**40), st.integers(-5_000, 65_535), st.integers(0, 65_535))
def test_what_the_buyer_pays_beyond_what_the_seller_receives_is_the_fee(energy_wh, price_ticks, fee_ticks):
    trade = CarriedTrade(energy_wh, price_ticks, fee_ticks)
    assert trade.buyer_pays - trade.seller_receives == trade.fee >= 0


@given(st.integers(-5_000, 65_535), st.integers(-5_000, 65_535), st.integers(0, 65_535))
def test_a_bid_that_meets_an_ask_and_its_fee_never_pays_more_than_it_bids(bid_ticks, ask_ticks, fee_ticks):
    if meets(bid_ticks, ask_ticks, fee_ticks):
        assert CarriedTrade(1, ask_ticks, fee_ticks).buyer_pays <= bid_ticks


def test_a_negative_fee_is_refused():
    with pytest.raises(InvalidValue, match="fee_ticks"):
        CarriedTrade(1_000, 3_000, -1)
