"""C8: sharing keys inside a community, the tests of local use and the capacity fee."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rules.delivered import Connection
from gridbourse.rules.local_use import capacity_fee, check_local_use
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.sharing import equal_keys, share_again, share_dynamically, share_statically, static_shares
from gridbourse.units import money_units

FLATS = (482, 146, 470, 505, 428, 47, 232, 170, 291, 285, 461, 150, 547, 501, 117, 59)
"""Consumption of sixteen flats in a quarter hour, Wh."""
GENERATED = 2_458

members = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 20)), min_size=1, max_size=16).filter(
    lambda drawn: any(key for _, key in drawn)
)
generation = st.integers(0, 10**7)


def split(drawn):
    total = sum(key for _, key in drawn)
    return [consumed for consumed, _ in drawn], [Fraction(key, total) for _, key in drawn]


def test_a_dynamic_key_follows_consumption():
    shares = share_dynamically(GENERATED, FLATS)
    assert shares.shared_wh[:4] == (242, 73, 236, 254)
    assert sum(shares.shared_wh) == GENERATED
    assert shares.to_grid_wh == 0


def test_a_static_key_leaves_to_the_grid_what_a_flat_cannot_use():
    exact = sum(static_shares(GENERATED, FLATS, equal_keys(16)))
    assert round(float(exact), 1) == 2_208.9
    assert round(float(GENERATED - exact), 1) == 249.1
    shares = share_statically(GENERATED, FLATS, equal_keys(16))
    assert (sum(shares.shared_wh), shares.to_grid_wh) == (2_209, 249)


def test_re_sharing_fills_every_flat_to_one_level():
    shares = share_again(GENERATED, FLATS, equal_keys(16))
    assert shares.shared_wh[:4] == (177, 146, 177, 177)
    assert shares.to_grid_wh == 0


@given(generation, members)
def test_every_key_shares_all_or_gives_the_rest_to_the_grid_and_nobody_gets_more_than_it_used(generation_wh, drawn):
    consumption_wh, keys = split(drawn)
    for shares in (
        share_dynamically(generation_wh, consumption_wh),
        share_statically(generation_wh, consumption_wh, keys),
        share_again(generation_wh, consumption_wh, keys),
    ):
        assert sum(shares.shared_wh) + shares.to_grid_wh == generation_wh
        assert shares.to_grid_wh >= 0
        for own, consumed in zip(shares.shared_wh, consumption_wh, strict=True):
            assert 0 <= own <= consumed


@given(generation, members)
def test_re_sharing_wastes_nothing_that_a_member_with_a_key_could_use(generation_wh, drawn):
    consumption_wh, keys = split(drawn)
    usable_wh = sum(consumed for consumed, key in zip(consumption_wh, keys, strict=True) if key)
    shares = share_again(generation_wh, consumption_wh, keys)
    assert sum(shares.shared_wh) == min(generation_wh, usable_wh)


@given(generation, members)
def test_re_sharing_gives_whoever_is_not_full_the_same_for_its_key(generation_wh, drawn):
    consumption_wh, keys = split(drawn)
    shares = share_again(generation_wh, consumption_wh, keys)
    triples = list(zip(shares.shared_wh, consumption_wh, keys, strict=True))
    levels = [Fraction(own) / key for own, consumed, key in triples if key and own + 1 < consumed]
    coarse = [Fraction(2) / key for _, _, key in triples if key]
    if levels:
        assert max(levels) - min(levels) <= max(coarse)


@pytest.mark.parametrize(
    "keys", [[Fraction(1, 2)], [Fraction(1, 2), Fraction(1, 3)], [Fraction(3, 2), Fraction(-1, 2)]]
)
def test_keys_have_to_be_one_for_each_and_sum_up_to_1(keys):
    with pytest.raises(InvalidValue, match="keys"):
        share_statically(100, [50, 50], keys)


def test_local_use_is_tested_three_ways(rules):
    day = date(2026, 12, 31)
    passed = check_local_use(rules, 1_000, 650, 180, 2_000, day)
    assert [test.passed for test in passed] == [True, True, True]
    failed = check_local_use(rules, 1_000, 590, 210, 2_000, day)
    assert [test.passed for test in failed] == [False, False, False]


def test_the_limits_rise_with_the_years(rules):
    limits = [check_local_use(rules, 1_000, 650, 180, 2_000, date(year, 1, 1))[1].limit for year in (2029, 2030)]
    assert limits == [Fraction("0.3"), Fraction("0.35")]


def test_more_own_use_than_generation_is_refused(rules):
    with pytest.raises(InvalidValue, match="own_use_wh"):
        check_local_use(rules, 1_000, 1_001, 0, 2_000, date(2026, 1, 1))
    with pytest.raises(InvalidValue, match="fed_in_wh"):
        check_local_use(rules, 1_000, 600, 401, 2_000, date(2026, 1, 1))


def test_the_capacity_fee_of_ten_mva(rules):
    connection = Connection(VoltageLevel.FROM_1_TO_10KV, TariffKind.TWO_PART)
    fee = capacity_fee(rules, connection, 10_000, Fraction("0.55"), date(2026, 8, 1))
    assert fee == money_units("778486.5")
    with pytest.raises(InvalidValue, match="load_factor"):
        capacity_fee(rules, connection, 10_000, Fraction("1.55"), date(2026, 8, 1))
