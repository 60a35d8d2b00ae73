"""The records of a slave chain are opened once, for the relay and for whoever watches the region."""

from collections import Counter

import pytest
from small_region import ask, bid, trade, write

from gridbourse.errors import ChainError
from gridbourse.index.news import SlaveBlock
from gridbourse.ledger import encryption_node
from gridbourse.ledger.records import NodeRevoked, OrderDetails
from gridbourse.node.chain_reader import ChainReader
from gridbourse.node.node import Region
from gridbourse.node.relay import Relay


@pytest.fixture
def watched(folder, clock):
    with Region.open(folder, clock=clock) as region:
        write(region, "Anna", ask())
        write(region, "Bert", bid())
        trade(region)
    with Region.open(folder, clock=clock, watched=True) as region:
        yield region


def records_in(news):
    return [(block.master, found) for block in news if isinstance(block, SlaveBlock) for found in block.records]


def places_of(region):
    """Where the chains hold records."""
    return [(name, record.index) for name, master in region.masters.items() for record in master.slave.records()]


def places_in(news):
    return [(master, found.record.index) for master, found in records_in(news)]


def test_up_link_and_watcher_of_a_region_that_is_opened_open_every_record_once(folder, clock, monkeypatch):
    opened, open_record = Counter(), encryption_node.open_record

    def counted(ledger, record, *keys):
        opened[record.leaf] += 1
        return open_record(ledger, record, *keys)

    monkeypatch.setattr(encryption_node, "open_record", counted)
    with Region.open(folder, clock=clock, watched=True) as region:
        news = ChainReader(region).news()
        region.submit()
        assert places_in(news) == places_of(region)
        assert opened == {record.leaf: 1 for master in region.masters.values() for record in master.slave.records()}


def test_a_watcher_is_told_every_record_once_whoever_read_it(watched):
    reader, told = ChainReader(watched), []
    for node_id, offer in [("Anna", ask()), ("Bert", bid()), ("Arno", ask())]:
        write(watched, node_id, offer)
        told += places_in(reader.news())
        trade(watched)
    told += places_in(reader.news())
    assert reader.news() == []
    assert sorted(told) == sorted(places_of(watched))


def test_a_watcher_is_told_nothing_again_when_keys_change_and_nothing_of_that_is_missing(watched):
    reader = ChainReader(watched)
    told = records_in(reader.news())
    watched.rotate_keys("roofs/encryption")
    write(watched, "Anna", ask(energy_wh=77))
    watched.revoke_node("Arno")
    more = records_in(reader.news())
    places = [(master, found.record.index) for master, found in [*told, *more]]
    assert sorted(places) == sorted(places_of(watched))
    stated = [found.details for _, found in more]
    assert NodeRevoked("Arno") in stated
    assert [details.energy_wh for details in stated if isinstance(details, OrderDetails)] == [77]


def test_news_that_a_chain_interrupts_come_whole_the_next_time(watched, monkeypatch):
    def unreachable(*_):
        raise ChainError("not to be reached")

    reader = ChainReader(watched)
    with monkeypatch.context() as broken:
        broken.setattr(watched.masters["grid"].slave.chain, "block", unreachable)
        with pytest.raises(ChainError):
            reader.news()
    assert places_in(reader.news()) == places_of(watched)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_an_up_link_that_fails_half_way_through_its_records_takes_each_up_once(region, monkeypatch, call):
    calls, read = 0, Relay._read

    def fail_once(relay, found):
        nonlocal calls
        calls += 1
        if calls == call:
            raise ChainError("cut off")
        read(relay, found)

    write(region, "Anna", *[ask(energy_wh=energy_wh) for energy_wh in (1, 2, 3, 4)])
    monkeypatch.setattr(Relay, "_read", fail_once)
    with pytest.raises(ChainError):
        region.submit()
    region.submit()
    placed = region.relays["roofs"].market.orders.values()
    assert [order.energy_wh for order in placed] == [1, 2, 3, 4]


def test_a_slave_chain_that_cannot_be_read_for_a_moment_costs_nobody_a_record(watched, monkeypatch):
    def breaks_off(after, last):
        yield next(entries(after, last))
        raise ChainError("not to be reached")

    slave = watched.masters["roofs"].slave
    entries, reader = slave.entries, ChainReader(watched)
    reader.news()
    write(watched, "Anna", ask(energy_wh=5), ask(energy_wh=6))
    with monkeypatch.context() as broken:
        broken.setattr(slave, "entries", breaks_off)
        with pytest.raises(ChainError):
            reader.news()
        with pytest.raises(ChainError):
            watched.submit()
    watched.submit()
    told = [found.details.energy_wh for _, found in records_in(reader.news())]
    assert told == [5, 6]
