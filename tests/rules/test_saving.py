"""A purchase beside the retail tariff."""

from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gridbourse.rules.delivered import Connection
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.saving import Purchase, compare_with_retail

HOME = Connection(VoltageLevel.FROM_1_TO_10KV, TariffKind.SINGLE_PART)
NOON = datetime(2026, 8, 3, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_what_is_saved_is_the_difference_of_two_delivered_prices(rules):
    (one,) = compare_with_retail(rules, HOME, [Purchase(NOON, 1_000, 2_500)], highest_level=VoltageLevel.KV35)
    assert one.retail.price_ticks - one.delivered.price_ticks == (Fraction("2604.34") - 2_500 + 1_992) * Fraction("1.6")
    assert one.saved == one.retail_cost - one.cost == 3_354_144


@given(st.integers(0, 10**9), st.integers(0, 6_000))
def test_who_pays_the_grid_companys_price_saves_nothing_and_who_pays_less_saves(rules, energy_wh, price_ticks):
    (one,) = compare_with_retail(rules, HOME, [Purchase(NOON, energy_wh, price_ticks)])
    assert one.saved >= 0 if price_ticks < 2_604.34 else one.saved <= 0
