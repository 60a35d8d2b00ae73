"""C1: the call auction, against brute force over every price and every unit of energy."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.market.auction import (
    PRICINGS,
    Rationing,
    Side,
    TieRule,
    apportion_wh,
    clear,
    mid_price,
    pair,
    pay_as_bid,
    uniform,
    welfare,
)
from gridbourse.market.auction_check import Fault, check_clearing, submit
from gridbourse.rounding import apportion
from gridbourse.units import MAX_ENERGY_WH, energy_wh, money_units, price_ticks

few_prices = st.integers(-3, 12)
few_wh = st.integers(0, 12)
small_sides = st.lists(st.tuples(few_prices, few_wh), max_size=8).map(Side.of)
large_sides = st.lists(st.tuples(st.integers(-65_535, 65_535), st.integers(0, MAX_ENERGY_WH)), max_size=12).map(Side.of)
tie_rules, rationings = st.sampled_from(TieRule), st.sampled_from(Rationing)


def side(*orders):
    return Side.of([(price_ticks(price), energy_wh(kwh)) for price, kwh in orders])


PAPER_ASKS = side(("0.41", 240), ("0.39", 280), ("0.43", 700), ("0.37", 230), ("0.37", 150), ("0.36", 300))
PAPER_BIDS = side(("0.37", 600), ("0.40", 360), ("0.41", 240), ("0.33", 350))
"""Table 2: Users 5 to 10, and Users 1 to 4."""


def best_volume(asks, bids):
    prices = {*asks.price_ticks.tolist(), *bids.price_ticks.tolist()}
    return max(
        (
            min(
                int(asks.energy_wh[asks.price_ticks <= price].sum()),
                int(bids.energy_wh[bids.price_ticks >= price].sum()),
            )
            for price in prices
        ),
        default=0,
    )


def best_welfare(asks, bids):
    """Unit by unit: the cheapest Wh goes to the dearest bid as long as both gain."""
    cheapest = sorted(
        price for price, wh in zip(asks.price_ticks.tolist(), asks.energy_wh.tolist(), strict=True) for _ in range(wh)
    )
    dearest = sorted(
        (
            price
            for price, wh in zip(bids.price_ticks.tolist(), bids.energy_wh.tolist(), strict=True)
            for _ in range(wh)
        ),
        reverse=True,
    )
    return sum(max(bid - ask, 0) for ask, bid in zip(cheapest, dearest, strict=False))


def test_the_papers_book_in_one_call_auction():
    clearing = clear(PAPER_ASKS, PAPER_BIDS)
    assert clearing.volume_wh == energy_wh(680)
    assert clearing.price_ticks == price_ticks("0.37")
    assert welfare(PAPER_ASKS, PAPER_BIDS, clearing) == money_units("23.40")
    for rule in TieRule:
        assert clear(PAPER_ASKS, PAPER_BIDS, tie_rule=rule).price_ticks == price_ticks("0.37")


@given(small_sides, small_sides, tie_rules, rationings)
def test_volume_and_welfare_are_the_largest_there_are(asks, bids, tie_rule, rationing):
    clearing = clear(asks, bids, tie_rule=tie_rule, rationing=rationing)
    assert clearing.volume_wh == best_volume(asks, bids)
    assert welfare(asks, bids, clearing) == best_welfare(asks, bids)


@given(st.one_of(st.tuples(small_sides, small_sides), st.tuples(large_sides, large_sides)), tie_rules, rationings)
def test_a_clearing_passes_the_check_of_the_contract(sides, tie_rule, rationing):
    asks, bids = sides
    clearing = clear(asks, bids, tie_rule=tie_rule, rationing=rationing)
    assert check_clearing(asks, bids, submit(asks, bids, clearing), tie_rule, rationing) is Fault.NONE


@given(small_sides, small_sides, tie_rules)
def test_nobody_who_offered_better_than_the_price_is_left_out_and_nobody_worse_is_served(asks, bids, tie_rule):
    clearing = clear(asks, bids, tie_rule=tie_rule)
    if clearing.price_ticks is None:
        return
    for own, accepted, better in (
        (asks, clearing.asks_wh, asks.price_ticks < clearing.price_ticks),
        (bids, clearing.bids_wh, bids.price_ticks > clearing.price_ticks),
    ):
        worse = ~better & (own.price_ticks != clearing.price_ticks)
        assert (accepted[better] == own.energy_wh[better]).all()
        assert not accepted[worse].any()
        assert int(accepted.sum()) == clearing.volume_wh


@given(small_sides, small_sides)
def test_the_tie_rules_choose_from_one_interval_and_any_other_price_leaves_somebody_out(asks, bids):
    lowest, middle, highest = (
        clear(asks, bids, tie_rule=rule).price_ticks for rule in (TieRule.LOWEST, TieRule.MIDDLE, TieRule.HIGHEST)
    )
    if lowest is None:
        return
    assert lowest <= middle <= highest
    assert middle == (lowest + highest + 1) // 2
    volume_wh = best_volume(asks, bids)

    def fair(price):
        served = [
            int(asks.energy_wh[asks.price_ticks < price].sum()),
            int(bids.energy_wh[bids.price_ticks > price].sum()),
        ]
        offered = [
            int(asks.energy_wh[asks.price_ticks <= price].sum()),
            int(bids.energy_wh[bids.price_ticks >= price].sum()),
        ]
        return max(served) <= volume_wh <= min(offered)

    assert [price for price in range(-5, 15) if fair(price)] == list(range(lowest, highest + 1))


def test_the_lowest_price_is_that_of_the_last_accepted_ask_if_no_dearer_bid_is_unmet():
    asks, bids = side(("0.30", 100), ("0.34", 50)), side(("0.40", 150), ("0.20", 100))
    assert clear(asks, bids, tie_rule=TieRule.LOWEST).price_ticks == price_ticks("0.34")
    assert clear(asks, bids, tie_rule=TieRule.HIGHEST).price_ticks == price_ticks("0.40")
    assert clear(asks, bids).price_ticks == price_ticks("0.37")
    scarce = side(("0.30", 100))
    assert clear(scarce, bids, tie_rule=TieRule.LOWEST).price_ticks == price_ticks("0.40")


def test_at_the_price_energy_is_rationed_by_energy_or_by_time():
    asks, bids = Side.of([(5, 10)]), Side.of([(5, 6), (5, 6), (5, 3)])
    assert clear(asks, bids).bids_wh.tolist() == [4, 4, 2]
    assert clear(asks, bids, rationing=Rationing.BY_TIME).bids_wh.tolist() == [6, 4, 0]


def test_orders_that_do_not_cross_trade_nothing():
    for asks, bids in ((Side.of([(5, 10)]), Side.of([(4, 10)])), (Side.of([]), Side.of([(4, 10)]))):
        clearing = clear(asks, bids)
        assert (clearing.price_ticks, clearing.volume_wh) == (None, 0)
        assert len(pair(asks, bids, clearing).ask) == 0
        assert check_clearing(asks, bids, submit(asks, bids, clearing)) is Fault.NONE


def test_a_price_may_be_below_zero():
    clearing = clear(Side.of([(-30, 10)]), Side.of([(-10, 10)]))
    assert clearing.price_ticks == -20


weights = st.lists(st.integers(0, MAX_ENERGY_WH), min_size=1, max_size=12)


@given(weights, st.data())
def test_energy_is_apportioned_as_money_is(given_weights, data):
    total_wh = data.draw(st.integers(0, sum(given_weights)))
    parts = apportion_wh(total_wh, np.array(given_weights, dtype=np.int64))
    assert tuple(parts.tolist()) == apportion(total_wh, given_weights)


@given(small_sides, small_sides, st.sampled_from(sorted(PRICINGS)))
def test_pairs_serve_every_order_and_no_price_is_beyond_a_limit(asks, bids, pricing):
    clearing = clear(asks, bids)
    trades = pair(asks, bids, clearing, PRICINGS[pricing])
    assert (trades.energy_wh > 0).all()
    for own, accepted, served in ((asks, clearing.asks_wh, trades.ask), (bids, clearing.bids_wh, trades.bid)):
        by_order = np.zeros(len(own), np.int64)
        np.add.at(by_order, served, trades.energy_wh)
        assert (by_order == accepted).all()
    assert (asks.price_ticks[trades.ask] <= trades.price_ticks).all()
    assert (trades.price_ticks <= bids.price_ticks[trades.bid]).all()


def test_the_pricings_of_the_papers_book():
    clearing = clear(PAPER_ASKS, PAPER_BIDS)
    energies = pair(PAPER_ASKS, PAPER_BIDS, clearing).energy_wh.tolist()
    assert energies == [240_000, 60_000, 230_000, 70_000, 80_000]
    prices = {
        pricing: pair(PAPER_ASKS, PAPER_BIDS, clearing, pricing).price_ticks.tolist()
        for pricing in (uniform, pay_as_bid, mid_price)
    }
    assert prices[uniform] == [3_700] * 5
    assert prices[pay_as_bid] == [4_100, 4_000, 4_000, 4_000, 3_700]
    assert prices[mid_price] == [3_850, 3_800, 3_850, 3_850, 3_700]


@pytest.mark.parametrize(
    ("orders", "field"),
    [
        ([(65_536, 1)], "price_ticks"),
        ([(-65_536, 1)], "price_ticks"),
        ([(1, -1)], "energy_wh"),
        ([(1, 2**40)], "energy_wh"),
    ],
)
def test_an_order_outside_the_markets_bounds_is_refused(orders, field):
    with pytest.raises(InvalidValue, match=field):
        Side.of(orders)


@given(small_sides, small_sides)
@example(Side.of([(5, 3), (5, 3)]), Side.of([(5, 3)]))
def test_another_ask_never_lowers_the_volume_or_the_welfare(asks, bids):
    more = Side.of([*zip(asks.price_ticks.tolist(), asks.energy_wh.tolist(), strict=True), (0, 5)])
    before, after = clear(asks, bids), clear(more, bids)
    assert after.volume_wh >= before.volume_wh
    assert welfare(more, bids, after) >= welfare(asks, bids, before)
