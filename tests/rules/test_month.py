"""A month's statement by the rules: worked numbers of the specification, and identities."""

from datetime import date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import Connection, delivered_price
from gridbourse.rules.month import TO_GRID_COMPANY, Bought, Item, NodeMonth, PeriodUse, Volume, settle_month
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.rule_set import InForce, RuleHistory, find_rule_set
from gridbourse.rules.two_settlement import Quantity, settle_in_two_steps
from gridbourse.units import MONEY_UNITS_PER_YUAN

SET = find_rule_set("sichuan-2026")
LAST = date(2026, 8, 31)
IN_FORCE = RuleHistory([InForce(date(2026, 1, 1), SET, VoltageLevel.KV35, VoltageLevel.KV110)])
NO_RULES = RuleHistory([])
MIDDLE = Connection(VoltageLevel.FROM_1_TO_10KV, TariffKind.TWO_PART)
LOW = Connection(VoltageLevel.BELOW_1KV, TariffKind.SINGLE_PART)
BY_BAND = {"tip": 13, "peak": 11, "flat": 19, "valley": 3}
MWH = 1_000_000
LOCAL = VoltageLevel.KV35


def at(hour=19, day=3):
    return datetime(2026, 8, day, hour, tzinfo=SET.time_zone)


def use(*bought, moment=None, sold_wh=0, received=0, metered_wh=0, imbalance_ticks=0):
    return PeriodUse(moment or at(), tuple(bought), sold_wh, received, metered_wh, imbalance_ticks)


def month(*periods, participant="user", energy_type="", connection=None, under_mechanism=False):
    return NodeMonth(participant, energy_type, connection, under_mechanism, periods)


def settle(rules=IN_FORCE, volumes=None, **nodes):
    return settle_month(rules, LAST, nodes, volumes or {})


def yuan(money):
    return Fraction(money, MONEY_UNITS_PER_YUAN)


# The worked numbers


def test_the_two_steps_are_the_lines_of_trades_and_imbalance(specified):
    contract, day_ahead, metered = (specified["two_settlement"][key] for key in ("contract", "day_ahead", "metered"))
    trades = [(contract[0], contract[1]), (day_ahead[0] - contract[0], day_ahead[1])]
    sold = sum(mwh for mwh, _ in trades) * MWH
    received = sum(mwh * MWH * price * 10 for mwh, price in trades)
    period = use(sold_wh=sold, received=received, metered_wh=metered[0] * MWH, imbalance_ticks=metered[1] * 10)
    bill = settle(NO_RULES, plant=month(period))["plant"]
    assert -yuan(bill.money) == specified["two_settlement"]["yuan"]
    assert [line.item for line in bill.lines] == [Item.ENERGY_SOLD, Item.IMBALANCE_SHORT]


@pytest.mark.parametrize(("form", "participant"), [("a", "source"), ("b", "aggregator"), ("c", "user")])
def test_a_deviation_is_charged_by_the_kind_of_participant(specified, form, participant):
    numbers = specified["deviation"][form]
    declared, actual = {
        "a": lambda: (numbers["declared"], numbers["actual"]),
        "b": lambda: (numbers["contract"], numbers["used"]),
        "c": lambda: (numbers["base"], numbers["base"] - numbers["off"]),
    }[form]()
    bought = Bought(declared * MWH, numbers["price"] * 10, None)
    period = use(bought, metered_wh=-actual * MWH, imbalance_ticks=4_000)
    volumes = {"hydro": Volume(numbers["price"] * 10 * MWH, MWH)}
    bill = settle(volumes=volumes, one=month(period, participant=participant))["one"]
    assert yuan(bill.of(Item.DEVIATION).money) == numbers["yuan"]
    if "mwh" in numbers:
        assert bill.of(Item.DEVIATION).energy_wh == numbers["mwh"] * MWH
    # Nobody else is there to get it.
    assert bill.of(Item.DEVIATION_RETURN).money == -bill.of(Item.DEVIATION).money


def test_the_mechanism_price_is_settled_against_the_average_of_the_technology(specified):
    for numbers in specified["mechanism_price"]:
        fed_in = use(metered_wh=numbers["mwh"] * MWH)
        volumes = {"wind": Volume(numbers["average"] * 10, 1), "pv": Volume(1, 1)}
        plant = month(fed_in, participant="source", energy_type="wind", under_mechanism=True)
        bill = settle(volumes=volumes, plant=plant)["plant"]
        assert -yuan(bill.of(Item.MECHANISM).money) == numbers["yuan"]


def test_a_kilowatt_hour_costs_its_delivered_price(specified):
    numbers = specified["delivered_price_sichuan_2026_08_two_part_1_10kV"]
    energy_ticks = 2_604
    for band, hour in BY_BAND.items():
        period = use(Bought(MWH, energy_ticks, None), moment=at(hour), metered_wh=-MWH)
        bill = settle(one=month(period, participant="grid", connection=MIDDLE))["one"]
        assert round_half_away(yuan(bill.retail)) == round_half_away(Fraction(numbers["yuan_per_kwh"][band]) * 1_000)
        # 0.0000 34 yuan/kWh is the difference of the agency's price to whole ticks.
        off = (Fraction(numbers["energy"]) - Fraction(energy_ticks, 10_000)) * Fraction(numbers["k"][band]) * 1_000
        assert yuan(bill.retail - bill.delivered) == off


def test_a_local_trade_pays_the_grid_fee_in_place_of_transmission(specified):
    for numbers in specified["grid_fee_1901"]:
        connection = Connection(VoltageLevel(numbers["user"]), TariffKind.SINGLE_PART)
        trade = Bought(MWH, 3_000, VoltageLevel(numbers["highest"]))
        bill = settle(one=month(use(trade, metered_wh=-MWH), participant="grid", connection=connection))["one"]
        assert yuan(bill.of(Item.NETWORK).money) == Fraction(numbers["yuan_per_kwh"]) * 1_000


# Identities

energies = st.integers(0, 500_000)
prices = st.integers(0, 9_999)
trades = st.builds(Bought, energies, prices, st.sampled_from([None, LOCAL]))
periods = st.builds(
    lambda bought, sold_wh, price, metered_wh, imbalance, hour: PeriodUse(
        at(hour), tuple(bought), sold_wh, sold_wh * price, metered_wh, imbalance
    ),
    st.lists(trades, max_size=3),
    energies,
    prices,
    st.none() | st.integers(-500_000, 500_000),
    prices,
    st.integers(0, 23),
)
months = st.builds(
    lambda participant, kind, connection, mechanism, uses: NodeMonth(
        participant, kind, connection, mechanism, tuple(uses)
    ),
    st.sampled_from(["source", "aggregator", "user", "grid"]),
    st.sampled_from(["", "pv", "storage"]),
    st.sampled_from([None, MIDDLE, LOW]),
    st.booleans(),
    st.lists(periods, max_size=4),
)


@given(st.lists(months, min_size=1, max_size=5))
def test_deviations_given_back_sum_up_to_what_was_collected(nodes):
    named = {str(number): node for number, node in enumerate(nodes)}
    bills = settle_month(IN_FORCE, LAST, named, {"pv": Volume(3_000, 1)})
    assert sum(bill.of(item).money for bill in bills.values() for item in (Item.DEVIATION, Item.DEVIATION_RETURN)) == 0


@given(months)
def test_both_forms_of_the_two_steps_agree(node):
    bill = settle(NO_RULES, one=node)["one"]
    other_form = 0
    for each in node.periods:
        bought = sum(one.energy_wh * one.price_ticks for one in each.bought)
        if each.metered_wh is None:
            other_form += each.received - bought
        else:
            contract = each.received - bought - each.position_wh * each.imbalance_ticks
            other_form += each.metered_wh * each.imbalance_ticks + contract
            steps = settle_in_two_steps(Quantity(0, 0), Quantity(0, 0), Quantity(each.metered_wh, each.imbalance_ticks))
            assert steps.money == each.metered_wh * each.imbalance_ticks
    assert -bill.money == other_form


@given(st.lists(periods, max_size=6))
def test_the_delivered_price_is_energy_and_what_the_grid_company_gets(uses):
    """Line by line, rounded once, it is what the trades cost at `delivered_price`, to half a unit for each line."""
    uses = [each for each in uses if each.metered_wh is not None]
    bill = settle(one=month(*uses, participant="grid", connection=MIDDLE))["one"]
    beside = sum(bill.of(item).money for item in TO_GRID_COMPANY)
    due = Fraction(0)
    for each in uses:
        for one in each.taken():
            price = delivered_price(
                SET, MIDDLE, each.moment, energy_ticks=one.price_ticks, highest_level=one.highest_level
            )
            fixed = sum(part.price_ticks for part in price.parts if not part.floats)
            due += one.energy_wh * (price.price_ticks - fixed - one.price_ticks)
        due += each.drawn_wh * fixed_parts(each.moment)
    assert abs(beside - due) <= Fraction(len(TO_GRID_COMPANY), 2)


def fixed_parts(moment):
    return sum(part.price_ticks for part in delivered_price(SET, MIDDLE, moment).parts if not part.floats)


# What is not known


def test_an_old_day_is_priced_by_its_old_set():
    july = InForce(date(2026, 1, 1), SET, None, None)
    august = InForce(date(2026, 8, 4), SET, LOCAL, LOCAL)
    history = RuleHistory([july, august])
    assert history.find(date(2026, 8, 3)) is july
    assert history.find(date(2026, 8, 4)) is august
    assert history.find(date(2025, 12, 31)) is None
    assert history.versions(date(2026, 8, 1), LAST) == (SET.version, SET.version)
    assert history.versions(date(2026, 8, 4), LAST) == (SET.version,)
    assert history.versions(date(2025, 8, 4), date(2025, 8, 5)) == ()
    assert july.highest_level(0, 0, LOW.level) is None
    assert august.highest_level(0, 1, VoltageLevel.KV110) is VoltageLevel.KV110


def test_a_price_that_the_set_lacks_is_a_gap_and_not_a_guess():
    bought = use(Bought(MWH, 3_000, None), moment=at() + timedelta(days=40), metered_wh=-MWH)
    bill = settle(one=month(bought, connection=MIDDLE))["one"]
    assert bill.of(Item.ENERGY_BOUGHT).money == 3_000 * MWH
    assert bill.of(Item.NETWORK).energy_wh == 0
    assert len(bill.gaps) == 1
    assert "energy" in bill.gaps[0] or "loss" in bill.gaps[0]


def test_a_period_in_doubt_stays_open():
    bill = settle(one=month(use(Bought(MWH, 3_000, None), metered_wh=None)))["one"]
    assert bill.open_periods == 1
    assert bill.of(Item.IMBALANCE_SHORT).energy_wh == 0


def test_a_month_without_rules_has_trades_and_imbalances_alone():
    bill = settle(NO_RULES, one=month(use(Bought(MWH, 3_000, None), metered_wh=-2 * MWH), connection=MIDDLE))["one"]
    assert [line.item for line in bill.lines] == [Item.ENERGY_BOUGHT, Item.IMBALANCE_SHORT]


def test_a_plant_that_is_short_pays_for_no_delivery():
    bill = settle(one=month(use(sold_wh=MWH, received=4_000 * MWH, imbalance_ticks=5_000), connection=MIDDLE))["one"]
    assert [line.item for line in bill.lines if line.item in TO_GRID_COMPANY] == []
    assert bill.of(Item.IMBALANCE_SHORT).money == 5_000 * MWH
