"""Exact amounts become whole units once, and parts add up to the last one."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rounding import apportion, round_half_away, round_parts

fractions = st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**4)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("exact", "whole"), [("0.5", 1), ("-0.5", -1), ("1.49", 1), ("2.5", 3), ("-2.5", -3), ("-2.4", -2), ("7", 7)]
)
def test_a_half_goes_away_from_zero(exact, whole):
    assert round_half_away(Fraction(exact)) == whole


@given(fractions)
def test_rounding_goes_to_the_nearest_and_treats_both_signs_alike(value):
    assert abs(round_half_away(value) - value) <= Fraction(1, 2)
    assert round_half_away(-value) == -round_half_away(value)


def test_the_largest_remainder_gets_the_unit_that_is_over_and_of_equal_ones_the_first():
    assert apportion(10, [1, 1, 1]) == (4, 3, 3)
    assert apportion(10, [3, 3, 4]) == (3, 3, 4)
    assert apportion(7, [2, 3, 5]) == (1, 2, 4)
    assert apportion(-10, [1, 1, 1]) == (-4, -3, -3)
    assert apportion(0, [0, 0]) == (0, 0)


@given(st.integers(-(10**15), 10**15), weights)
def test_parts_add_up_and_each_is_less_than_one_unit_from_its_exact_part(total, given_weights):
    parts = apportion(total, given_weights)
    assert sum(parts) == total
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(given_weights))) < 1


@given(st.integers(0, 10**9), weights)
def test_a_larger_weight_never_gets_less(total, given_weights):
    parts = apportion(total, given_weights)
    ranked = sorted(zip(given_weights, parts, strict=True))
    for (lighter, less), (heavier, more) in pairwise(ranked):
        assert lighter == heavier or less <= more


@given(st.lists(fractions, max_size=12))
def test_rounded_parts_add_up_to_the_rounded_sum_and_whole_ones_stay(parts):
    rounded = round_parts(parts)
    assert sum(rounded) == round_half_away(sum(parts, Fraction(0)))
    assert all(abs(whole - part) < 1 for whole, part in zip(rounded, parts, strict=True))


def test_money_without_anybody_to_give_it_to_is_refused():
    with pytest.raises(InvalidValue, match="weights"):
        apportion(5, [0, 0])
    with pytest.raises(InvalidValue, match="weights"):
        apportion(5, [2, -1])
