"""A wrong clearing is refused with the reason: there is one right one, and it alone passes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.market.auction import Rationing, Side, TieRule, clear, welfare
from gridbourse.market.auction_check import Fault, Margin, check_clearing, submit
from gridbourse.units import energy_wh, money_units, price_ticks

SPECIFIED = Path(__file__).parents[3] / "shared" / "data" / "market_rules.json"

ASKS = Side.of([(30, 10), (32, 10), (35, 10), (35, 5), (40, 10)])
BIDS = Side.of([(45, 10), (35, 20), (33, 10)])
"""At 35: 20 Wh of cheaper asks and 15 at the price for 30 Wh of bids, so 10 of 15 are taken, 7 and 3."""

RIGHT = submit(ASKS, BIDS, clear(ASKS, BIDS))


def wrong(side, places=None, accepted=None, margin=None):
    own = getattr(RIGHT, side)
    changed = replace(
        own,
        places=places or own.places,
        accepted_wh=accepted or own.accepted_wh,
        margin=margin or own.margin,
    )
    return replace(RIGHT, **{side: changed})


def test_the_example_is_what_its_name_says():
    assert RIGHT.price_ticks == 35
    assert RIGHT.asks.places == [0, 1, 2, 3, 4]
    assert RIGHT.asks.accepted_wh == [10, 10, 7, 3, 0]
    assert RIGHT.asks.margin == Margin(15, 10)
    assert RIGHT.bids.accepted_wh == [10, 20, 0]
    assert check_clearing(ASKS, BIDS, RIGHT) is Fault.NONE


@pytest.mark.parametrize(
    ("submitted", "fault"),
    [
        (wrong("asks", places=[0, 1, 2, 3], accepted=[10, 10, 7, 3]), Fault.ORDERS_MISSING),
        (wrong("asks", places=[0, 1, 2, 3, 5]), Fault.ORDERS_MISSING),
        (wrong("asks", places=[1, 0, 2, 3, 4]), Fault.NOT_SORTED),
        (wrong("asks", places=[0, 0, 2, 3, 4]), Fault.NOT_SORTED),
        (wrong("asks", places=[0, 1, 3, 2, 4], accepted=[10, 10, 3, 7, 0]), Fault.NOT_SORTED),
        (wrong("bids", places=[2, 1, 0], accepted=[0, 20, 10]), Fault.NOT_SORTED),
        (wrong("asks", accepted=[11, 10, 7, 3, 0]), Fault.MORE_THAN_ORDERED),
        (wrong("bids", accepted=[10, 20, -1]), Fault.MORE_THAN_ORDERED),
        (wrong("asks", accepted=[10, 10, 7, 3, 1]), Fault.ASK_ABOVE_PRICE_ACCEPTED),
        (wrong("asks", accepted=[10, 9, 7, 3, 0]), Fault.ASK_BELOW_PRICE_REJECTED),
        (wrong("bids", accepted=[10, 20, 1]), Fault.BID_BELOW_PRICE_ACCEPTED),
        (wrong("bids", accepted=[9, 20, 0]), Fault.BID_ABOVE_PRICE_REJECTED),
        (wrong("asks", accepted=[10, 10, 5, 5, 0]), Fault.WRONGLY_RATIONED),
        (wrong("asks", accepted=[10, 10, 6, 4, 0]), Fault.WRONGLY_RATIONED),
        (wrong("asks", margin=Margin(15, 9), accepted=[10, 10, 7, 3, 0]), Fault.MARGIN_MISSTATED),
        (wrong("asks", margin=Margin(15, 9), accepted=[10, 10, 6, 3, 0]), Fault.VOLUMES_DIFFER),
        (replace(RIGHT, price_ticks=36), Fault.ASK_BELOW_PRICE_REJECTED),
        (replace(RIGHT, price_ticks=34), Fault.ASK_ABOVE_PRICE_ACCEPTED),
        (replace(RIGHT, price_ticks=None), Fault.ASK_ABOVE_PRICE_ACCEPTED),
    ],
)
def test_what_is_wrong_is_named(submitted, fault):
    assert check_clearing(ASKS, BIDS, submitted) is fault


def test_less_than_could_be_traded_is_refused():
    asks, bids = Side.of([(35, 10)]), Side.of([(35, 10)])
    less = submit(asks, bids, clear(asks, bids))
    less = replace(
        less,
        asks=replace(less.asks, margin=Margin(10, 6), accepted_wh=[6]),
        bids=replace(less.bids, margin=Margin(10, 6), accepted_wh=[6]),
    )
    assert check_clearing(asks, bids, less) is Fault.MORE_CAN_BE_TRADED
    nothing = replace(
        less,
        price_ticks=None,
        asks=replace(less.asks, margin=Margin(0, 0), accepted_wh=[0]),
        bids=replace(less.bids, margin=Margin(0, 0), accepted_wh=[0]),
    )
    assert check_clearing(asks, bids, nothing) is Fault.MORE_CAN_BE_TRADED


def test_a_price_that_the_tie_rule_does_not_choose_is_refused():
    asks, bids = Side.of([(30, 10)]), Side.of([(40, 10)])
    lowest = submit(asks, bids, clear(asks, bids, tie_rule=TieRule.LOWEST))
    assert check_clearing(asks, bids, lowest, TieRule.LOWEST) is Fault.NONE
    lowest_as_middle = replace(submit(asks, bids, clear(asks, bids)), price_ticks=31)
    assert check_clearing(asks, bids, lowest_as_middle) is Fault.PRICE_AGAINST_TIE_RULE


def test_a_price_without_a_trade_is_refused():
    asks, bids = Side.of([(40, 10)]), Side.of([(30, 10)])
    nothing = submit(asks, bids, clear(asks, bids))
    assert check_clearing(asks, bids, replace(nothing, price_ticks=35)) is Fault.PRICE_AGAINST_TIE_RULE


few = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=6).map(Side.of)


@given(few, few, st.sampled_from(TieRule), st.sampled_from(Rationing), st.data())
def test_only_the_one_right_clearing_passes(asks, bids, tie_rule, rationing, data):
    right = submit(asks, bids, clear(asks, bids, tie_rule=tie_rule, rationing=rationing))

    def another(own):
        accepted = [
            data.draw(st.integers(max(wh - 1, 0), wh + 1)) if data.draw(st.booleans()) else wh for wh in own.accepted_wh
        ]
        margin = Margin(own.margin.energy_wh, own.margin.accepted_wh + data.draw(st.integers(-1, 1)))
        return replace(own, accepted_wh=accepted, margin=margin)

    price = data.draw(st.sampled_from([right.price_ticks, data.draw(st.none() | st.integers(0, 6))]))
    submitted = replace(right, price_ticks=price, asks=another(right.asks), bids=another(right.bids))
    passed = check_clearing(asks, bids, submitted, tie_rule, rationing) is Fault.NONE
    assert passed == (submitted == right)


def test_the_specified_clearing_of_the_papers_book():
    if not SPECIFIED.is_file():
        pytest.skip(f"the specification's numbers are not at {SPECIFIED}")
    numbers = json.loads(SPECIFIED.read_text("utf-8"))["call_auction_paper_book"]
    table = (SPECIFIED.parent / "paper_table2.csv").read_text("utf-8").splitlines()[1:]
    sides = {"buy": [], "sell": []}
    for _, own, _, offered, _, price in (line.split(",") for line in table):
        sides[own].append((price_ticks(price), energy_wh(offered)))
    asks, bids = Side.of(sides["sell"]), Side.of(sides["buy"])
    clearing = clear(asks, bids)
    assert clearing.volume_wh == energy_wh(numbers["traded_kwh"])
    assert clearing.price_ticks == price_ticks(numbers["price_yuan_per_kwh"])
    assert welfare(asks, bids, clearing) == money_units(numbers["welfare_yuan"])
