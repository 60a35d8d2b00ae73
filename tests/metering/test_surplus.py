"""Surplus becomes an ask and need a bid, within the limits the owner set."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.metering.surplus import AutoTradingLimits, propose
from gridbourse.units import MAX_ENERGY_WH, MAX_PRICE_TICKS

LIMITS = AutoTradingLimits(
    active=True,
    energy_type=EnergyType.PV,
    accepted_types=EnergyType.WIND | EnergyType.HYDRO,
    lowest_sell_ticks=3_600,
    highest_buy_ticks=4_100,
)
PERIOD = 1_946_400


def limits():
    return st.builds(
        AutoTradingLimits,
        active=st.booleans(),
        energy_type=st.sampled_from(list(EnergyType)),
        accepted_types=st.sampled_from(list(EnergyType)),
        lowest_sell_ticks=st.integers(0, MAX_PRICE_TICKS),
        highest_buy_ticks=st.integers(0, MAX_PRICE_TICKS),
        reserve_wh=st.integers(0, 10_000),
        smallest_wh=st.integers(1, 10_000),
        max_share_permille=st.integers(1, 1_000),
    )


def test_surplus_is_asked_for_at_the_lowest_selling_price():
    assert propose(LIMITS, PERIOD, 500) == Offer(Side.ASK, EnergyType.PV, PERIOD, 500, 3_600)


def test_need_is_bid_for_at_the_highest_buying_price():
    types = EnergyType.WIND | EnergyType.HYDRO
    assert propose(LIMITS, PERIOD, -500) == Offer(Side.BID, types, PERIOD, 500, 4_100)


def test_neither_surplus_nor_need_makes_no_offer():
    assert propose(LIMITS, PERIOD, 0) is None


def test_an_owner_can_switch_offers_off():
    assert propose(replace(LIMITS, active=False), PERIOD, 500) is None


def test_the_reserve_is_not_sold():
    limits = replace(LIMITS, reserve_wh=200)
    assert propose(limits, PERIOD, 500).energy_wh == 300
    assert propose(limits, PERIOD, 200) is None


def test_the_reserve_is_not_bought_either():
    assert propose(replace(LIMITS, reserve_wh=200), PERIOD, -500).energy_wh == 500


def test_only_the_share_beyond_the_reserve_is_offered():
    limits = replace(LIMITS, reserve_wh=100, max_share_permille=750)
    assert propose(limits, PERIOD, 500).energy_wh == 300
    assert propose(limits, PERIOD, -500).energy_wh == 375


def test_an_offer_below_the_smallest_is_not_made():
    limits = replace(LIMITS, smallest_wh=100)
    assert propose(limits, PERIOD, 99) is None
    assert propose(limits, PERIOD, 100).energy_wh == 100


@given(limits=limits(), surplus_wh=st.integers(-(10**6), 10**6))
def test_no_offer_breaks_a_limit(limits, surplus_wh):
    offer = propose(limits, PERIOD, surplus_wh)
    if offer is not None:
        assert limits.active
        assert limits.smallest_wh <= offer.energy_wh
        assert offer.energy_wh * 1_000 <= abs(surplus_wh) * limits.max_share_permille
        if offer.side is Side.ASK:
            assert surplus_wh - offer.energy_wh >= limits.reserve_wh
            assert (offer.energy_types, offer.price_ticks) == (limits.energy_type, limits.lowest_sell_ticks)
        else:
            assert surplus_wh < 0
            assert (offer.energy_types, offer.price_ticks) == (limits.accepted_types, limits.highest_buy_ticks)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lowest_sell_ticks", -1),
        ("highest_buy_ticks", MAX_PRICE_TICKS + 1),
        ("reserve_wh", -1),
        ("smallest_wh", 0),
        ("smallest_wh", MAX_ENERGY_WH + 1),
        ("max_share_permille", 0),
        ("max_share_permille", 1_001),
        ("energy_type", EnergyType.PV | EnergyType.WIND),
        ("energy_type", EnergyType(0)),
        ("accepted_types", EnergyType(0)),
    ],
)
def test_a_limit_outside_its_range_is_refused_by_name(field, value):
    with pytest.raises(InvalidValue, match=field):
        replace(LIMITS, **{field: value})
