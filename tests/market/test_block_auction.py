"""Blocks in the call auction: the best of all subsets, by brute force."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.market.auction import Side, TieRule, clear, welfare
from gridbourse.market.block_auction import MAX_BLOCKS, Block, Session, clear_with_blocks

sides = st.lists(st.tuples(st.integers(-2, 9), st.integers(1, 6)), max_size=4).map(Side.of)
sessions = st.fixed_dictionaries({1: st.builds(Session, sides, sides), 2: st.builds(Session, sides, sides)})
blocks = st.lists(
    st.builds(
        Block,
        st.booleans(),
        st.integers(-1, 8),
        st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 8), min_size=1),
    ),
    max_size=4,
)


def units(side):
    return [
        price for price, wh in zip(side.price_ticks.tolist(), side.energy_wh.tolist(), strict=True) for _ in range(wh)
    ]


def curve(session, supplied, demanded):
    """Welfare and price interval of a period's ordinary orders with energy that comes at any price, unit by unit."""
    asks, bids = sorted(units(session.asks)), sorted(units(session.bids), reverse=True)
    best = None
    for bought in range(len(bids) + 1):
        sold = bought + demanded - supplied
        if 0 <= sold <= len(asks):
            value = sum(bids[:bought]) - sum(asks[:sold])
            if best is None or value > best[0] or (value == best[0] and bought + sold > best[1] + best[2]):
                best = (value, bought, sold)
    if best is None:
        return None
    value, bought, sold = best
    lowest = [*asks[:sold][-1:], *bids[bought:][:1]]
    highest = [*bids[:bought][-1:], *asks[sold:][:1]]
    if not lowest and not highest:
        return value, None
    low = max(lowest) if lowest else min(highest)
    return value, (low, min(highest) if highest else low)


def best_of_all_subsets(by_period, given_blocks, tie_rule):
    best = None
    for number in range(len(given_blocks) + 1):
        for chosen in combinations(given_blocks, number):
            total, prices = sum(-one.limit_value if one.sells else one.limit_value for one in chosen), {}
            for period, session in by_period.items():
                energies = {
                    sells: sum(one.energies_wh.get(period, 0) for one in chosen if one.sells is sells)
                    for sells in (True, False)
                }
                found = curve(session, energies[True], energies[False])
                if found is None:
                    break
                total += found[0]
                if found[1]:
                    prices[period] = tie_rule.choose(*found[1])
            else:
                priced = all(period in prices for one in chosen for period in one.energies_wh)
                if priced and all(one.gain(prices) >= 0 for one in chosen):
                    best = total if best is None else max(best, total)
    return best


@given(sessions, blocks, st.sampled_from(TieRule))
def test_the_welfare_is_the_largest_of_all_subsets_that_lose_nothing(by_period, given_blocks, tie_rule):
    result = clear_with_blocks(by_period, given_blocks, tie_rule=tie_rule)
    assert result.welfare == best_of_all_subsets(by_period, given_blocks, tie_rule)
    prices = {period: clearing.price_ticks for period, clearing in result.clearings.items()}
    for place in result.accepted:
        assert given_blocks[place].gain(prices) >= 0
    for period, clearing in result.clearings.items():
        in_blocks = {
            sells: sum(
                given_blocks[place].energies_wh.get(period, 0)
                for place in result.accepted
                if given_blocks[place].sells is sells
            )
            for sells in (True, False)
        }
        assert int(clearing.asks_wh.sum()) + in_blocks[True] == clearing.volume_wh
        assert int(clearing.bids_wh.sum()) + in_blocks[False] == clearing.volume_wh


@given(sides, sides)
def test_without_blocks_it_is_the_call_auction(asks, bids):
    session = Session(asks, bids)
    own = clear(asks, bids)
    result = clear_with_blocks({1: session}, [])
    assert result.welfare == welfare(asks, bids, own)
    assert result.clearings[1].price_ticks == own.price_ticks
    assert result.clearings[1].asks_wh.tolist() == own.asks_wh.tolist()


def test_a_block_is_accepted_for_its_mean_price_though_it_loses_in_one_period():
    by_period = {1: Session(Side.of([]), Side.of([(2, 10)])), 2: Session(Side.of([]), Side.of([(8, 10)]))}
    plant = Block(sells=True, price_ticks=4, energies_wh={1: 5, 2: 5})
    result = clear_with_blocks(by_period, [plant])
    assert result.accepted == (0,)
    assert result.welfare == 5 * (2 + 8) - 10 * 4
    assert [clearing.price_ticks for clearing in result.clearings.values()] == [2, 8]
    assert clear_with_blocks(by_period, [Block(True, 6, {1: 5, 2: 5})]).accepted == ()


def test_a_block_that_does_not_fit_wholly_is_rejected_wholly():
    by_period = {1: Session(Side.of([]), Side.of([(9, 10)]))}
    assert clear_with_blocks(by_period, [Block(True, 1, {1: 11})]).accepted == ()
    assert clear_with_blocks(by_period, [Block(True, 1, {1: 11}), Block(True, 1, {1: 10})]).accepted == (1,)


def test_what_cannot_be_cleared_exactly_is_refused():
    by_period = {1: Session(Side.of([]), Side.of([(9, 10)]))}
    with pytest.raises(InvalidValue, match="blocks"):
        clear_with_blocks(by_period, [Block(True, 1, {1: 1})] * (MAX_BLOCKS + 1))
    with pytest.raises(InvalidValue, match="energies_wh"):
        clear_with_blocks(by_period, [Block(True, 1, {2: 1})])
    with pytest.raises(InvalidValue, match="energies_wh"):
        Block(True, 1, {})
    with pytest.raises(InvalidValue, match="price_ticks"):
        Session(Side.of([(65_535, 1)]), Side.of([]))
