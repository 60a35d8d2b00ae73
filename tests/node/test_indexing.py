"""What both chains hold gets into the index once, and from there to the other chain once, whatever fails in between."""

from collections import Counter

import pytest
from small_region import PERIOD, ask, bid, records_of, times_written, trade, write

from gridbourse.errors import ChainError, IndexUnavailable
from gridbourse.index.index import Index
from gridbourse.index.queries.reader import IndexReader
from gridbourse.ledger import encryption_node
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.records import DealDetails
from gridbourse.market.types import DealState, Side
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay


def unreachable(*_, **__):
    raise ChainError("not to be reached")


def write_orders(region):
    """Orders that make three deals."""
    write(region, "Anna", ask(energy_wh=600))
    write(region, "Arno", ask(energy_wh=400, price_ticks=3_500))
    write(region, "Bert", bid(energy_wh=900), bid(energy_wh=100))


def write_and_submit(region, node_id, offer):
    write(region, node_id, offer)
    region.submit()


@pytest.fixture
def agreed(region):
    """Three deals that wait for answers."""
    write_orders(region)
    region.submit()
    return region


def told(region, name):
    return sorted((deal.deal_id, deal.state) for deal in records_of(region, name, DealDetails))


def places_of(region):
    """Where the chains hold records."""
    return [(name, record.index) for name, master in region.masters.items() for record in master.slave.records()]


def places_in(region):
    """Where the index says that records are."""
    region.catch_up()
    records = IndexReader(region.database).records
    found = (record for name in region.masters for record in reversed(records.newest(name, None, None, 10_000)))
    return [(record.chain, record.index) for record in found]


def test_a_record_is_opened_once_and_never_again_when_the_region_is_opened_again(folder, clock, monkeypatch):
    opened, open_record = Counter(), encryption_node.open_record

    def counted(ledger, record, *keys):
        opened[record.leaf] += 1
        return open_record(ledger, record, *keys)

    with Region.open(folder, clock=clock) as region:
        write(region, "Anna", ask())
        region.submit()
    monkeypatch.setattr(encryption_node, "open_record", counted)
    with Region.open(folder, clock=clock) as region:
        assert not opened
        write(region, "Bert", bid())
        trade(region)
        assert places_in(region) == places_of(region)
        assert set(opened.values()) <= {1}
        region.forget_index()
        opened.clear()
        assert places_in(region) == places_of(region)


def test_when_keys_change_nothing_is_read_again_and_nothing_is_missing(agreed):
    before = places_in(agreed)
    agreed.rotate_keys("roofs/encryption")
    write(agreed, "Anna", ask(energy_wh=77))
    agreed.revoke_node("Arno")
    after = places_in(agreed)
    assert after == places_of(agreed)
    assert set(before) < set(after)
    reader = IndexReader(agreed.database)
    assert reader.participants.node("Arno").is_revoked
    assert reader.records.newest("roofs", int(RecordKind.REVOCATION), None, 9)
    assert [entry.order.energy_wh for entry in reader.orders.newest(node_id="Anna", limit=1)] == [77]


def test_a_chain_that_cannot_be_read_for_a_moment_costs_nobody_a_record(agreed, monkeypatch):
    slave = agreed.masters["roofs"].slave
    entries = slave.entries

    def breaks_off(after, last):
        yield next(entries(after, last))
        raise ChainError("not to be reached")

    write(agreed, "Anna", ask(energy_wh=5, price_ticks=8_000), ask(energy_wh=6, price_ticks=8_000))
    for patched, name, fault in (
        (slave, "entries", breaks_off),
        (agreed.masters["grid"].slave.chain, "block", unreachable),
        (agreed.main.chain, "block", unreachable),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(patched, name, fault)
            with pytest.raises(ChainError):
                write_and_submit(agreed, "Bert", bid(energy_wh=1, price_ticks=1))
    agreed.submit()
    assert places_in(agreed) == places_of(agreed)
    trade(agreed)
    agreed.deliver()
    for name in agreed.masters:
        assert [state for _, state in told(agreed, name)] == [DealState.INTENT, DealState.SETTLED] * 3


@pytest.mark.parametrize("call", range(1, 6))
def test_an_index_that_cannot_be_written_for_a_moment_holds_nothing_up_for_ever(region, monkeypatch, call):
    calls, apply = 0, Index.apply

    def fail_once(index, blocks):
        nonlocal calls
        calls += 1
        if calls == call:
            raise IndexUnavailable("no room")
        return apply(index, blocks)

    write_orders(region)
    with monkeypatch.context() as broken:
        broken.setattr(Index, "apply", fail_once)
        for step in (region.submit, region.deliver, lambda: trade(region), region.deliver):
            try:
                step()
            except IndexUnavailable:
                step()
    trade(region)
    region.deliver()
    for name in region.masters:
        assert [state for _, state in told(region, name)] == [DealState.INTENT, DealState.SETTLED] * 3
        assert set(times_written(region, name).values()) == {1}


@pytest.mark.parametrize("call", [1, 2, 3])
def test_orders_of_which_the_market_took_some_are_each_taken_once(region, monkeypatch, call):
    calls, read = 0, Relay.read

    def fail_once(relay, receipt):
        nonlocal calls
        calls += 1
        if calls == call:
            raise ChainError("cut off")
        return read(relay, receipt)

    write(region, "Anna", *[ask(energy_wh=energy_wh) for energy_wh in (1, 2, 3, 4)])
    write(region, "Bert", bid(energy_wh=1))
    with monkeypatch.context() as broken:
        broken.setattr(Relay, "read", fail_once)
        for _ in range(2):
            try:
                region.submit()
            except ChainError:
                continue
    region.submit()
    waiting = IndexReader(region.database).orders.newest(node_id="Anna", period=PERIOD, limit=9)
    assert sorted(entry.order.energy_wh for entry in waiting) == [1, 2, 3, 4]
    assert len(region.main.market.waiting_orders(PERIOD, Side.ASK)) == 3


def test_nothing_is_left_to_do_when_both_chains_tell_the_same(agreed):
    trade(agreed)
    agreed.deliver()
    for name, relay in agreed.relays.items():
        assert relay.market.undelivered(name) == relay.market.unanswered(name) == []
        assert relay.market.unsubmitted(name) == {}
        assert relay.market.unsubmitted_answers(name) == relay.market.changes(name) == []


def test_only_nodes_that_are_named_are_asked_for(agreed):
    agreed.deliver()
    relay = agreed.relays["roofs"]
    assert relay.pending_confirmations([]) == []
    assert [question.deal_id for question in relay.pending_confirmations(["Anna"])] == [2, 3]
    assert [question.deal_id for question in relay.pending_confirmations()] == [1, 2, 3]


def test_a_notice_tells_what_became_new_since_the_last_one(agreed):
    agreed.take_notice()
    write(agreed, "Anna", ask(energy_wh=9, price_ticks=8_000))
    agreed.submit()
    notice = agreed.take_notice()
    assert notice.heights.keys() == {"main", "roofs"}
    assert notice.sequence == IndexReader(agreed.database).sequence()
    assert not agreed.take_notice().heights
