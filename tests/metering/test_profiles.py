"""Generation and load come from a real data set, as whole Wh, and nothing is lost to rounding."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIODS_IN_24_HOURS

DAYS = 14
PROFILES = Profiles.load()
NAMES = st.sampled_from(sorted(PROFILES.totals))


def test_the_data_set_is_a_fortnight_from_a_monday_for_plants_and_customers_of_every_kind():
    assert PROFILES.start == datetime.fromisoformat("2016-04-04T00:00")
    kinds = {name.split("_")[0] for name in PROFILES.totals}
    assert kinds == {"pv", "wind", "hydro", "biomass", "household", "commerce", "industry", "farm", "ev"}
    assert {len(PROFILES.energies_wh(name, 1)) for name in PROFILES.totals} == {DAYS * PERIODS_IN_24_HOURS}


@given(name=NAMES, power_w=st.integers(0, 10**9))
def test_no_period_has_more_energy_than_the_power_allows(name, power_w):
    energies = PROFILES.energies_wh(name, power_w)
    assert min(energies) >= 0
    assert max(energies) <= power_w // 4 + 1


@given(name=NAMES, power_w=st.integers(0, 10**9))
def test_a_thousand_plants_give_a_thousand_times_the_energy_within_1_wh_each(name, power_w):
    one, thousand = (sum(PROFILES.energies_wh(name, watts)) for watts in (power_w, 1_000 * power_w))
    assert 0 <= thousand - 1_000 * one < 1_000


def test_the_sun_does_not_shine_at_midnight():
    for name in ("pv_1", "pv_3", "pv_4", "pv_5", "pv_7", "pv_8"):
        energies = PROFILES.energies_wh(name, 10**6)
        assert set(energies[::PERIODS_IN_24_HOURS]) == {0}
        assert sum(energies[PERIODS_IN_24_HOURS // 2 :: PERIODS_IN_24_HOURS]) > 0


def test_an_unknown_profile_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(InvalidValue, match="pv_1, pv_3"):
        PROFILES.energies_wh("sine", 1_000)


def test_a_negative_power_is_refused():
    with pytest.raises(InvalidValue, match="power_w"):
        PROFILES.energies_wh("pv_1", -1)
