"""X10: orders of one slave chain meet at home first, unless the main chain has something better for one of them."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gridbourse.market.local_first import LocalOrder, LocalTrade, match_locally, withheld
from gridbourse.market.types import EnergyType, Side

PV, WIND, ANY = EnergyType.PV, EnergyType.WIND, EnergyType.any()
PERIOD = 1_620_288


def nothing_outside(_order):
    return None


def ask(user, price_ticks, energy_wh, energy_type=PV):
    return LocalOrder(user, Side.ASK, energy_type, PERIOD, price_ticks, energy_wh)


def bid(user, price_ticks, energy_wh, energy_types=ANY):
    return LocalOrder(user, Side.BID, energy_types, PERIOD, price_ticks, energy_wh)


def test_the_cheapest_ask_is_taken_first_at_its_price_and_the_rest_goes_up():
    dear, cheap, wanted = ask("Roof 1", 3_600, 1_000), ask("Roof 2", 3_500, 1_000), bid("Home", 3_700, 1_500)
    matched = match_locally([dear, cheap, wanted], nothing_outside)
    assert [(trade.ask.user, trade.energy_wh, trade.money) for trade in matched.trades] == [
        ("Roof 2", 1_000, 3_500_000),
        ("Roof 1", 500, 1_800_000),
    ]
    assert matched.residual == (ask("Roof 1", 3_600, 500),)


def test_a_better_counterpart_on_the_main_chain_is_not_withheld():
    local = [ask("Roof", 3_600, 1_000), bid("Home", 3_700, 1_000)]
    cheaper = match_locally(local, lambda order: 3_599 if order.side is Side.BID else None)
    assert (cheaper.trades, cheaper.residual) == ((), tuple(local))
    dearer = match_locally(local, lambda order: 3_701 if order.side is Side.ASK else None)
    assert dearer.trades == ()
    equal = match_locally(local, lambda order: 3_600 if order.side is Side.BID else 3_700)
    assert len(equal.trades) == 1


def test_the_audit_names_the_side_that_was_kept_from_something_better():
    trade = LocalTrade(ask("Roof", 3_600, 1_000), bid("Home", 3_700, 1_000), 1_000)
    assert withheld(trade, lambda order: 3_500 if order.side is Side.BID else 3_600) == (Side.BID,)
    assert withheld(trade, lambda order: 3_500 if order.side is Side.BID else 3_800) == (Side.ASK, Side.BID)
    assert withheld(trade, nothing_outside) == ()


def test_nobody_trades_with_itself_or_for_a_type_it_did_not_ask_for():
    assert match_locally([ask("Home", 3_000, 10), bid("Home", 4_000, 10)], nothing_outside).trades == ()
    assert match_locally([ask("Roof", 3_000, 10), bid("Home", 4_000, 10, WIND)], nothing_outside).trades == ()


orders = st.lists(
    st.builds(
        LocalOrder,
        st.sampled_from("abcd"),
        st.sampled_from(Side),
        st.sampled_from([PV, WIND]),
        st.integers(PERIOD, PERIOD + 1),
        st.integers(0, 8),
        st.integers(1, 9),
    ),
    max_size=10,
)
outside = st.dictionaries(st.sampled_from(Side), st.integers(0, 8))


@given(orders, outside)
def test_no_energy_is_lost_and_no_limit_broken_and_nothing_better_withheld(local, best):
    def best_outside(order):
        return best.get(order.side)

    matched = match_locally(local, best_outside)
    before, after = (Counter(), Counter())
    for order in local:
        before[order.user, order.side, order.period] += order.energy_wh
    for trade in matched.trades:
        assert trade.ask.price_ticks <= trade.bid.price_ticks
        assert trade.ask.user != trade.bid.user
        assert withheld(trade, best_outside) == ()
        for order in (trade.ask, trade.bid):
            after[order.user, order.side, order.period] += trade.energy_wh
    for order in matched.residual:
        after[order.user, order.side, order.period] += order.energy_wh
    assert before == after


@given(orders)
def test_without_anything_outside_no_pair_that_could_meet_is_left(local):
    left = match_locally(local, nothing_outside).residual
    for one in left:
        for other in left:
            if (one.side, other.side, one.period) == (Side.ASK, Side.BID, other.period):
                crossing = one.price_ticks <= other.price_ticks and one.energy_types & other.energy_types
                assert not crossing or one.user == other.user
