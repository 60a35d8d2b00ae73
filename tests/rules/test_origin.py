"""C6: certificates, matching by quarter hour, carbon; nothing is claimed twice."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.rules.origin import carbon_g, claims, issue_certificates, last_day_valid, match

MWH = 1_000_000
months_wh = st.lists(st.integers(0, 10**10), max_size=24)


def test_what_does_not_fill_a_certificate_is_carried_on():
    issues = issue_certificates("pv", [1_640_000, 2_875_000, 990_000], MWH)
    assert [issue.certificates for issue in issues] == [1, 3, 1]
    assert [issue.carried_wh for issue in issues] == [640_000, 515_000, 505_000]


@given(months_wh, st.sampled_from(["wind", "pv", "hydro"]))
def test_certificates_and_what_is_carried_are_all_that_was_generated(energies_wh, energy_type):
    issues = issue_certificates(energy_type, energies_wh, MWH)
    issued = sum(issue.certificates for issue in issues)
    assert issued * MWH + (issues[-1].carried_wh if issues else 0) == sum(energies_wh)
    assert all(0 <= issue.carried_wh < MWH for issue in issues)


@pytest.mark.parametrize("energy_type", ["storage", "thermal", "mixed"])
def test_what_is_not_generated_renewably_earns_none(energy_type):
    assert [issue.certificates for issue in issue_certificates(energy_type, [5 * MWH], MWH)] == [0]


def test_a_certificate_is_valid_for_24_months_the_month_of_production_being_the_first(rules):
    months = int(rules.parameters.get("certificate.validity", date(2026, 8, 1)).value)
    assert last_day_valid(date(2026, 8, 17), months) == date(2028, 7, 31)
    assert last_day_valid(date(2026, 1, 1), months) == date(2027, 12, 31)
    assert last_day_valid(date(2026, 3, 31), months) == date(2028, 2, 29)


def test_matching_by_quarter_hour_shows_what_a_total_hides():
    matched = match([0, 40, 90, 60], [30, 30, 50, 70])
    assert sum(matched.matched_wh) == 140
    assert matched.share == Fraction(140, 180)
    assert match([190], [180]).share == 1


quarter_hours = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=96)


@given(quarter_hours)
def test_matched_energy_is_never_more_than_was_generated_or_consumed(pairs):
    generation_wh, consumption_wh = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    matched = match(generation_wh, consumption_wh)
    for one, generated, consumed in zip(matched.matched_wh, generation_wh, consumption_wh, strict=True):
        assert one <= generated
        assert one <= consumed
    assert 0 <= matched.share <= 1


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**8), max_size=12))
def test_claims_on_a_plants_quarter_hour_are_never_more_than_it_metered(metered_wh, wanted_wh):
    claimed = claims(metered_wh, wanted_wh)
    assert sum(claimed) == min(metered_wh, sum(wanted_wh))
    assert all(0 <= own <= wanted for own, wanted in zip(claimed, wanted_wh, strict=True))


def test_carbon_is_that_of_what_was_drawn_and_not_matched():
    assert carbon_g(180_000, 140_000, Fraction("0.1404")) == 5_616
    with pytest.raises(InvalidValue, match="matched_wh"):
        carbon_g(100, 101, Fraction(1))
