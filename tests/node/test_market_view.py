"""One view of the market serves all relays of a region: each reads at its own pace, and misses nothing."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_region import PERIOD, ask, bid, records_of, times_written, trade, write

from gridbourse.errors import ChainError
from gridbourse.index.market_tables import OrderTable, RecordSet
from gridbourse.index.market_view import DEAL_EVENTS, MarketView
from gridbourse.index.shelf import Shelf
from gridbourse.ledger.records import DealDetails
from gridbourse.market.events import DealConfirmed, DealSettled, IntentRecorded, OrderPlaced, PartyConfirmed
from gridbourse.market.types import DealState, EnergyType, OrderId, Side
from gridbourse.node.own_deals import OwnDeals


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


def told(region, name):
    return sorted((deal.deal_id, deal.state) for deal in records_of(region, name, DealDetails))


def test_the_view_holds_what_the_contract_holds(agreed):
    write(agreed, "Anna", ask(energy_wh=700, price_ticks=3_000))
    write(agreed, "Bea", bid(energy_wh=70))
    trade(agreed)
    market, (view,) = agreed.main.market, {relay.market for relay in agreed.relays.values()}
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
    view = MarketView(agreed.main, Shelf())
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


@pytest.mark.parametrize("call", range(1, 7))
def test_an_up_link_that_fails_half_way_reads_on_and_the_others_go_on_undisturbed(region, monkeypatch, call):
    calls, note = 0, OwnDeals.note

    def fail_once(deals, event):
        nonlocal calls
        calls += 1
        if calls == call:
            raise ChainError("cut off")
        note(deals, event)

    write_orders(region)
    monkeypatch.setattr(OwnDeals, "note", fail_once)
    with pytest.raises(ChainError):
        region.submit()
    region.submit()
    region.deliver()
    for name in region.masters:
        assert told(region, name) == [(number, DealState.INTENT) for number in (1, 2, 3)]
    trade(region)
    region.deliver()
    for name in region.masters:
        assert [state for _, state in told(region, name)] == [DealState.INTENT, DealState.SETTLED] * 3
        assert set(times_written(region, name).values()) == {1}


def test_a_main_chain_that_cannot_be_read_for_a_moment_costs_nobody_an_event(agreed, monkeypatch):
    def unreachable(*_):
        raise ChainError("not to be reached")

    with monkeypatch.context() as broken:
        broken.setattr(agreed.main.market, "events_between", unreachable)
        agreed.relays["roofs"].market.catch_up()
        write(agreed, "Anna", ask(energy_wh=5, price_ticks=9_000))
        with pytest.raises(ChainError):
            agreed.submit()
    trade(agreed)
    agreed.deliver()
    for name in agreed.masters:
        assert [state for _, state in told(agreed, name)] == [DealState.INTENT, DealState.SETTLED] * 3


def test_nothing_is_kept_of_deals_that_both_chains_tell_the_same_of(agreed):
    trade(agreed)
    for relay in agreed.relays.values():
        relay.catch_up()
        deals = relay._deals
        assert not any([deals._answered, deals._news, deals._told, deals._recorded, *deals._unanswered.values()])


def test_only_nodes_that_are_named_are_asked_for(agreed):
    agreed.deliver()
    relay = agreed.relays["roofs"]
    assert relay.pending_confirmations([]) == []
    assert [question.deal_id for question in relay.pending_confirmations(["Anna"])] == [2, 3]
    assert [question.deal_id for question in relay.pending_confirmations()] == [1, 2, 3]


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
    table = OrderTable(Shelf())
    for order in placed:
        table.add(order)
    assert dict(table) == {order.order_id: order for order in placed}
    for order in placed:
        named = [other for other in placed if other.record_hash == order.record_hash]
        assert list(table.of_record(order.record_hash)) == named, "in their sequence"
    assert not list(table.of_record(bytes(31)))


@given(st.lists(st.tuples(orders, st.booleans()), unique_by=lambda placed: placed[0].order_id))
def test_a_table_of_orders_knows_which_of_them_were_withdrawn(placed):
    table = OrderTable(Shelf())
    for order, _ in placed:
        table.add(order)
    gone = {order.order_id for order, is_withdrawn in placed if is_withdrawn}
    for order_id in gone:
        table.withdraw(order_id)
    assert set(table.withdrawn()) == gone
    assert {order_id for order_id in table if table.is_withdrawn(order_id)} == gone
    assert dict(table) == {order.order_id: order for order, _ in placed}, "they stay known"


def test_an_order_that_never_was_is_not_withdrawn():
    assert not OrderTable(Shelf()).is_withdrawn(OrderId(1, Side.ASK, 2, 3))


@given(st.lists(st.binary(min_size=32, max_size=32)), st.binary(min_size=32, max_size=32))
def test_a_set_of_records_holds_each_once(hashes, other):
    refused = RecordSet(Shelf())
    for record_hash in hashes * 2:
        refused.add(record_hash)
    assert len(refused) == len(set(hashes))
    assert all(record_hash in refused for record_hash in hashes)
    assert (other in refused) == (other in hashes)
