"""C7: packages, the margin rule, and a portfolio's imbalance passed on to the last unit."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rules.packages import (
    FixedPrice,
    Member,
    PassOn,
    SavingShare,
    TimeOfUse,
    bill,
    margin_returned,
    settle_portfolio,
)
from gridbourse.rules.parameters import Band
from gridbourse.units import money_units

AUGUST = date(2026, 8, 3)


def test_a_share_of_the_saving():
    package = SavingShare(all_ticks=4_200, own_ticks=4_050, share=Fraction("0.6"))
    assert package.price(Band.FLAT) == 4_110
    with pytest.raises(InvalidValue, match="share"):
        SavingShare(4_200, 4_050, Fraction("1.2"))


@given(st.integers(0, 9_000), st.integers(0, 9_000), st.fractions(0, 1, max_denominator=100))
def test_the_price_lies_between_all_and_own(all_ticks, own_ticks, share):
    price = SavingShare(all_ticks, own_ticks, share).price(Band.FLAT)
    assert min(all_ticks, own_ticks) <= price <= max(all_ticks, own_ticks)


def test_a_bill_has_a_line_for_each_band(rules):
    factors = {band: rules.parameters.get(f"factor.{band}", AUGUST).value for band in Band}
    lines = bill(TimeOfUse(4_000, factors), {Band.PEAK: 1_000, Band.VALLEY: 3_000})
    assert lines == {Band.PEAK: 6_400_000, Band.VALLEY: 4_800_000}
    assert bill(FixedPrice(4_111), {Band.FLAT: 7}) == {Band.FLAT: 28_777}


def test_time_of_use_needs_a_factor_for_every_band():
    with pytest.raises(InvalidValue, match="factors"):
        TimeOfUse(4_000, {Band.PEAK: Fraction(2)})


def test_of_a_margin_above_the_line_nine_tenths_go_back(rules):
    line, share = (rules.parameters.get(f"margin.{name}", AUGUST).value for name in ("line", "returned_share"))
    assert margin_returned(5_000_000_000, 180, line, Fraction(1)) == money_units(40_000)
    assert margin_returned(5_000_000_000, 180, line, share) == money_units(36_000)
    assert margin_returned(5_000_000_000, 99, line, share) == 0


members = st.lists(st.builds(Member, st.integers(0, 10**7), st.integers(-(10**6), 10**6)), max_size=12)


@given(members, st.integers(-5_000, 15_000), st.sampled_from(PassOn))
def test_what_a_portfolio_gets_is_what_its_users_and_the_aggregator_get(users, price_ticks, key):
    settled = settle_portfolio(users, price_ticks, key)
    assert settled.money == sum(user.imbalance_wh for user in users) * price_ticks
    assert sum(settled.passed_on) + settled.kept == settled.money
    if key is PassOn.NOT:
        assert not any(settled.passed_on)
    elif any(user.energy_wh for user in users) and any(user.imbalance_wh for user in users):
        assert settled.kept == 0


def test_imbalances_against_each_other_cost_nothing():
    settled = settle_portfolio([Member(9_000, 500), Member(1_000, -500)], 4_000, PassOn.BY_ENERGY)
    assert settled.money == 0
    settled = settle_portfolio([Member(9_000, -500), Member(1_000, -500)], 4_000, PassOn.BY_ENERGY)
    assert settled.passed_on == (-3_600_000, -400_000)
