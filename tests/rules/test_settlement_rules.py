"""C3 two steps, C4 deviation, C5 mechanism price: worked numbers and what must sum up to nothing."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rules.deviation import Deviation, give_back
from gridbourse.rules.mechanism import settle_mechanism
from gridbourse.rules.two_settlement import Quantity, settle_in_two_steps
from gridbourse.units import money_units

MWH = 1_000_000
AUGUST = date(2026, 8, 3)

energies_wh = st.integers(0, 10**9)
prices_ticks = st.integers(-5_000, 15_000)
quantities = st.builds(Quantity, energies_wh, prices_ticks)


def yuan_per_mwh(price):
    return Fraction(str(price)) * 10


# C3


def test_contract_day_ahead_and_meter_make_34_000_yuan():
    settled = settle_in_two_steps(
        Quantity(80 * MWH, yuan_per_mwh(400)),
        Quantity(100 * MWH, yuan_per_mwh(350)),
        Quantity(90 * MWH, yuan_per_mwh(500)),
    )
    assert (settled.contract, settled.day_ahead) == (money_units(32_000), money_units(7_000))
    assert settled.real_time == -money_units(5_000)
    assert settled.money == money_units(34_000)


@given(quantities, quantities, quantities)
def test_both_forms_of_two_step_settlement_are_equal(contract, day_ahead, metered):
    as_differences = (
        metered.energy_wh * metered.price_ticks
        + day_ahead.energy_wh * (day_ahead.price_ticks - metered.price_ticks)
        + contract.energy_wh * (contract.price_ticks - day_ahead.price_ticks)
    )
    assert settle_in_two_steps(contract, day_ahead, metered).money == as_differences


@given(quantities, prices_ticks, prices_ticks)
def test_who_keeps_its_contract_gets_its_contract_price(contract, day_ahead_ticks, real_time_ticks):
    settled = settle_in_two_steps(
        contract, Quantity(contract.energy_wh, day_ahead_ticks), Quantity(contract.energy_wh, real_time_ticks)
    )
    assert settled.money == contract.energy_wh * contract.price_ticks


# C4


@pytest.mark.parametrize(
    ("participant", "declared", "actual", "price", "mwh", "yuan"),
    [
        ("source", 100, 88, 420, 7, 1_470),
        ("aggregator", 1_000, 900, 350, 60, 2_100),
        ("user", 1_000, 940, 400, 30, 600),
    ],
)
def test_the_three_forms_of_deviation(rules, participant, declared, actual, price, mwh, yuan):
    terms = rules.deviation_terms(participant, AUGUST)
    assert terms.chargeable_wh(declared * MWH, actual * MWH) == mwh * MWH
    assert terms.charge(declared * MWH, actual * MWH, yuan_per_mwh(price)) == money_units(yuan)


def test_surplus_and_shortfall_have_bands_of_their_own(rules):
    terms = rules.deviation_terms("aggregator", AUGUST)
    assert terms.chargeable_wh(1_000 * MWH, 960 * MWH) == 0
    assert terms.chargeable_wh(1_000 * MWH, 1_080 * MWH) == 0
    assert terms.chargeable_wh(1_000 * MWH, 1_081 * MWH) == MWH


def test_an_exempt_energy_type_pays_nothing(rules):
    terms = rules.deviation_terms("source", AUGUST)
    assert terms.charge(100 * MWH, 0, 4_200, "storage") == 0
    assert terms.charge(100 * MWH, 0, 4_200, "wind") > 0


def test_nobody_is_paid_for_deviating_at_a_negative_price(rules):
    assert rules.deviation_terms("user", AUGUST).charge(100 * MWH, 0, -300) == 0


def test_a_kind_of_participant_without_terms_is_refused(rules):
    with pytest.raises(InvalidValue, match=r"deviation\.csv.*aggregator, source, user"):
        rules.deviation_terms("regulator", AUGUST)


deviations = st.lists(st.builds(Deviation, st.text("abc"), energies_wh, st.integers(0, 10**15)), max_size=12)


@given(deviations)
def test_what_is_collected_is_given_back_to_the_last_unit(charged):
    assert sum(give_back(charged)) == 0


def test_it_is_given_back_by_energy():
    charged = [Deviation("a", 3_000, 100), Deviation("b", 1_000, 0)]
    assert give_back(charged) == (-25, 25)
    assert give_back([Deviation("a", 0, 100), Deviation("b", 0, 0)]) == (-50, 50)


# C5


@pytest.mark.parametrize(("average", "yuan"), [(280, 44_640), (360, -19_360)])
def test_the_mechanism_pays_or_takes_the_difference_to_the_average(rules, average, yuan):
    share = rules.parameters.get("mechanism.share", AUGUST).value
    price = rules.parameters.get("mechanism.price", AUGUST).value
    settled = settle_mechanism(1_000 * MWH, share, price, yuan_per_mwh(average))
    assert settled.money == yuan * money_units(1)
    assert settled.mechanism_wh == 800 * MWH


@given(energies_wh, st.fractions(0, 1, max_denominator=1_000), prices_ticks, prices_ticks)
def test_mechanism_energy_and_market_energy_are_all_energy(on_grid_wh, share, mechanism_ticks, average_ticks):
    settled = settle_mechanism(on_grid_wh, share, mechanism_ticks, average_ticks)
    assert settled.mechanism_wh + settled.market_wh == on_grid_wh
    assert settled.money * (mechanism_ticks - average_ticks) >= 0
