"""Every worked number of the specification, at the rule."""

from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import Connection, delivered_price
from gridbourse.rules.grid_fee import grid_fee
from gridbourse.rules.local_use import capacity_fee
from gridbourse.rules.mechanism import settle_mechanism
from gridbourse.rules.origin import issue_certificates, match
from gridbourse.rules.packages import SavingShare, margin_returned
from gridbourse.rules.parameters import Band, TariffKind, VoltageLevel
from gridbourse.rules.sharing import equal_keys, share_again, share_dynamically, static_shares
from gridbourse.rules.two_settlement import Quantity, settle_in_two_steps
from gridbourse.units import MONEY_UNITS_PER_YUAN, TICKS_PER_YUAN

AUGUST = date(2026, 8, 3)
MWH = 1_000_000
BY_BAND = {"tip": 13, "peak": 11, "flat": 19, "valley": 3}
MIDDLE = Connection(VoltageLevel.FROM_1_TO_10KV, TariffKind.TWO_PART)


def ticks(yuan_per_kwh):
    return Fraction(str(yuan_per_kwh)) * TICKS_PER_YUAN


def yuan(money):
    return Fraction(money, MONEY_UNITS_PER_YUAN)


def test_the_delivered_price(rules, specified):
    numbers = specified["delivered_price_sichuan_2026_08_two_part_1_10kV"]
    for band, hour in BY_BAND.items():
        moment = datetime(2026, 8, 3, hour, tzinfo=ZoneInfo("Asia/Shanghai"))
        price = delivered_price(rules, MIDDLE, moment)
        assert price.band is Band(band)
        assert price.factor.value == Fraction(numbers["k"][band])
        assert Fraction(price.microyuan_per_kwh, 1_000_000) == Fraction(numbers["yuan_per_kwh"][band])
        for part, name in zip(price.parts, ("energy", "loss", "td", "system", "funds"), strict=True):
            assert part.price_ticks == ticks(numbers[name])


def test_the_grid_fees(rules, specified):
    for numbers in specified["grid_fee_1901"]:
        user, highest = VoltageLevel(numbers["user"]), VoltageLevel(numbers["highest"])
        fee = grid_fee(rules.parameters, TariffKind.SINGLE_PART, user, highest, AUGUST)
        assert fee.price_ticks == ticks(numbers["yuan_per_kwh"])


def test_two_step_settlement(specified):
    numbers = specified["two_settlement"]
    steps = (
        Quantity(mwh * MWH, price * 10) for mwh, price in (numbers[key] for key in ("contract", "day_ahead", "metered"))
    )
    assert yuan(settle_in_two_steps(*steps).money) == numbers["yuan"]


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_deviation(rules, specified, form):
    numbers = specified["deviation"][form]
    participant = {"a": "source", "b": "aggregator", "c": "user"}[form]
    terms = rules.deviation_terms(participant, AUGUST)
    declared = numbers.get("declared") or numbers.get("contract") or numbers["base"]
    actual = numbers.get("actual") or numbers.get("used") or declared - numbers["off"]
    free, rate = (
        Fraction(next(numbers[key] for key in keys if key in numbers))
        for keys in (("r1", "free_short", "free"), ("r2", "rate"))
    )
    assert (terms.free_short, terms.rate) == (free, rate)
    assert terms.free_wh == numbers.get("m", 0) * MWH
    chargeable_wh = terms.chargeable_wh(declared * MWH, actual * MWH)
    assert "mwh" not in numbers or chargeable_wh == numbers["mwh"] * MWH
    assert yuan(terms.charge(declared * MWH, actual * MWH, numbers["price"] * 10)) == numbers["yuan"]


def test_the_mechanism_price(specified):
    for numbers in specified["mechanism_price"]:
        share, mechanism = Fraction(numbers["share"]), Fraction(numbers["mechanism"]) * 10
        settled = settle_mechanism(numbers["mwh"] * MWH, share, mechanism, numbers["average"] * 10)
        assert yuan(settled.money) == numbers["yuan"]


def test_certificates(specified):
    numbers = specified["certificates"]
    issues = issue_certificates("pv", [kwh * 1_000 for kwh in numbers["kwh"]], MWH)
    assert [issue.certificates for issue in issues] == numbers["issued"]
    assert [issue.carried_wh for issue in issues] == [kwh * 1_000 for kwh in numbers["carried_kwh"]]


def test_matching_by_quarter_hour(specified):
    numbers = specified["quarter_hour_matching"]
    matched = match(numbers["generation"], numbers["consumption"])
    assert sum(matched.matched_wh) == numbers["matched"]
    assert round_half_away(matched.share * 10_000) == Fraction(numbers["share"]) * 10_000


def test_packages(specified):
    numbers = specified["packages"]["saving_share"]
    assert SavingShare(numbers["all"], numbers["own"], Fraction(numbers["k"])).price(Band.FLAT) == numbers["price"]
    numbers = specified["packages"]["margin"]
    returned = margin_returned(
        numbers["kwh"] * 1_000, ticks(numbers["spread"]), ticks(numbers["line"]), Fraction(numbers["returned_share"])
    )
    assert yuan(returned) == numbers["returned_yuan"]


def test_sharing(specified):
    numbers = specified["sharing_wh"]
    generated, consumed = numbers["generation"], numbers["consumption"]
    keys = equal_keys(len(consumed))
    assert list(share_dynamically(generated, consumed).shared_wh[:4]) == numbers["dynamic_first_four"]
    assert list(share_again(generated, consumed, keys).shared_wh[:4]) == numbers["reshared_first_four"]
    used = sum(static_shares(generated, consumed, keys))
    for exact, published in ((used, numbers["static_used"]), (generated - used, numbers["static_to_grid"])):
        assert round_half_away(exact * 10) == Fraction(published) * 10


def test_the_capacity_fee_of_local_use(rules, specified):
    numbers = specified["near_consumption"]
    for name in ("capacity_charge", "transmission.two_part"):
        published = {"capacity_charge": numbers["capacity_yuan_per_kva"], "transmission.two_part": numbers["td_energy"]}
        assert rules.parameters.get(f"{name}.1-10kV", AUGUST).published.split()[0] == str(published[name])
    fee = capacity_fee(rules, MIDDLE, numbers["kva"], Fraction(numbers["load_factor"]), AUGUST)
    assert yuan(fee) == Fraction(numbers["yuan_per_month"])
