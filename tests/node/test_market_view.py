"""The regulator's own view of the market holds what the contract holds, and its followers miss nothing."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_region import PERIOD, ask, bid, trade, write

from gridbourse.market.events import DealConfirmed, DealSettled, IntentRecorded, OrderPlaced, PartyConfirmed
from gridbourse.market.types import DealState, EnergyType, OrderId, Side
from gridbourse.regulator.market_tables import OrderTable, RecordSet, temporary_tables
from gridbourse.regulator.market_view import DEAL_EVENTS, MarketView


def write_orders(region):
    """Orders that make three deals."""
    write(region, "Anna", ask(energy_wh=600))
    write(region, "Arno", ask(energy_wh=400, price_ticks=3_500))
    write(region, "Bert", bid(energy_wh=900), bid(energy_wh=100))


@pytest.fixture
def agreed(region):
    """Three deals that wait for answers."""
    write_orders(region)
    region.submit()
    return region


def test_the_view_holds_what_the_contract_holds(agreed):
    write(agreed, "Anna", ask(energy_wh=700, price_ticks=3_000))
    write(agreed, "Bea", bid(energy_wh=70))
    trade(agreed)
    market, view = agreed.main.market, MarketView(agreed.main)
    view.catch_up()
    assert dict(view.deals) == {number: market.deal(number) for number in range(1, market.deal_count() + 1)}
    assert {deal.state for deal in view.deals.values()} == {DealState.SETTLED}
    assert view.settled(PERIOD) == list(view.deals.values())
    for placed in view.orders.values():
        own = view.master_of[placed.trader], placed.record_hash
        assert market.fate_of_record(*own) == placed.order_id == view.order_of(*own)
        order = market.order(placed.order_id)
        found = placed.trader, placed.energy_types, placed.energy_wh
        assert order is None or found == (order.trader, order.energy_types, order.energy_wh)


def test_whoever_reads_the_chain_every_follower_gets_every_event_once(agreed):
    view = MarketView(agreed.main)
    early, deals_only = view.follow(OrderPlaced, *DEAL_EVENTS), view.follow(IntentRecorded)
    view.catch_up()
    view.catch_up()
    happened = agreed.main.market.events_between(1, view.height)
    assert list(early) == [event for event in happened if isinstance(event, OrderPlaced | IntentRecorded)]
    assert list(deals_only) == [event for event in happened if isinstance(event, IntentRecorded)]
    early.clear()
    trade(agreed)
    view.catch_up()
    assert Counter(map(type, early)) == {PartyConfirmed: 6, DealConfirmed: 3, DealSettled: 3}
    assert len(deals_only) == 3


orders = st.builds(
    OrderPlaced,
    order_id=st.builds(
        OrderId, st.integers(0, 2**24 - 1), st.sampled_from(Side), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)
    ),
    trader=st.integers(0, 2**32 - 1),
    energy_types=st.integers(1, 63).map(EnergyType),
    energy_wh=st.integers(0, 2**40 - 1),
    record_hash=st.binary(min_size=32, max_size=32),
)


@given(st.lists(orders, unique_by=lambda placed: placed.order_id))
def test_a_table_of_orders_gives_back_what_was_put_in_by_id_and_by_record(placed):
    table = OrderTable(temporary_tables())
    for order in placed:
        table.add(order)
    assert dict(table) == {order.order_id: order for order in placed}
    for order in placed:
        named = [other for other in placed if other.record_hash == order.record_hash]
        assert list(table.of_record(order.record_hash)) == named, "in their sequence"
    assert not list(table.of_record(bytes(31)))


@given(st.lists(st.tuples(orders, st.booleans()), unique_by=lambda placed: placed[0].order_id))
def test_a_table_of_orders_knows_which_of_them_were_withdrawn(placed):
    table = OrderTable(temporary_tables())
    for order, _ in placed:
        table.add(order)
    gone = {order.order_id for order, is_withdrawn in placed if is_withdrawn}
    for order_id in gone:
        table.withdraw(order_id)
    assert set(table.withdrawn()) == gone
    assert {order_id for order_id in table if table.is_withdrawn(order_id)} == gone
    assert dict(table) == {order.order_id: order for order, _ in placed}, "they stay known"


def test_an_order_that_never_was_is_not_withdrawn():
    assert not OrderTable(temporary_tables()).is_withdrawn(OrderId(1, Side.ASK, 2, 3))


@given(st.lists(st.binary(min_size=32, max_size=32)), st.binary(min_size=32, max_size=32))
def test_a_set_of_records_holds_each_once(hashes, other):
    refused = RecordSet(temporary_tables())
    for record_hash in hashes * 2:
        refused.add(record_hash)
    assert len(refused) == len(set(hashes))
    assert all(record_hash in refused for record_hash in hashes)
    assert (other in refused) == (other in hashes)
