"""The index holds every block once, whatever happens, and nothing that the chains do not hold."""

import os
import shutil
import sqlite3
import stat

import pytest
from hand_made import PERIOD, Blocks, bid_id, index_in, leaf, node, reader_of, traders
from hypothesis import given, settings
from hypothesis import strategies as st
from index_region import SPEC, everything, indexed

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.crypto.pseudonym import PseudonymKey
from gridbourse.errors import IndexMismatch, InvalidValue
from gridbourse.index.index import Index
from gridbourse.index.schema import index_state
from gridbourse.ledger.records import Confirmation, DayOpened, DealDetails, NodeReport, OrderDetails
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealSettled,
    Deposited,
    IntentRecorded,
    OrderCancelled,
    OrderPlaced,
    OrderRefused,
    QuotaSet,
)
from gridbourse.market.types import DealState, EnergyType, Offer, OrderId, Reason, Side
from gridbourse.node.region import Region
from gridbourse.region.layout import INDEX_FILE

A_BID = OrderDetails.of("Bert", "House 3", Offer(Side.BID, EnergyType.any(), PERIOD, 100, 3_700))
AN_ASK_ID, A_BID_ID = OrderId(PERIOD, Side.ASK, 3_600, 0), bid_id(0)


def placed(order_id, trader, number):
    return OrderPlaced(order_id, trader, EnergyType.PV, 100, leaf(number))


def a_market(blocks):
    """A settled deal and an abandoned one between traders of two masters, block by block."""
    yield blocks.main(*traders(1), *traders(2, master_id=2), Deposited(1, 10**9, b"p" * 32), QuotaSet(2, PERIOD, 500))
    yield blocks.slave("roofs", node("Bert"), A_BID)
    yield blocks.main(placed(AN_ASK_ID, 2, 7), placed(A_BID_ID, 1, 1))
    yield blocks.main(IntentRecorded(1, AN_ASK_ID, A_BID_ID, 60, 3_600, 99))
    yield blocks.slave("roofs", Confirmation("Bert", 1, Side.BID, confirmed=True))
    yield blocks.main(DealConfirmed(1), IntentRecorded(2, AN_ASK_ID, A_BID_ID, 30, 3_600, 99))
    yield blocks.main(DealSettled(1, 60 * 3_600), DealAbandoned(2, Side.ASK))
    yield blocks.main(OrderCancelled(AN_ASK_ID))


def test_a_block_that_is_applied_twice_counts_once(tmp_path):
    index, market = index_in(tmp_path), list(a_market(Blocks()))
    for block in market:
        index.apply([block])
    once, notice = everything(reader_of(index)), index.apply(market)
    assert everything(reader_of(index)) == once
    assert not notice.heights


def test_all_blocks_together_say_the_same_as_one_by_one(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    one, together = index_in(tmp_path / "one"), index_in(tmp_path / "all")
    for block in a_market(Blocks()):
        one.apply([block])
    together.apply(list(a_market(Blocks())))
    assert everything(reader_of(one)) == everything(reader_of(together))


@pytest.mark.parametrize("cut", range(8))
def test_whatever_step_is_cut_short_the_next_start_goes_on_where_the_last_one_ended(tmp_path, cut, monkeypatch):
    whole, index = tmp_path / "whole", index_in(tmp_path)
    whole.mkdir()
    expected = index_in(whole)
    expected.apply(list(a_market(Blocks())))
    market = list(a_market(Blocks()))
    index.apply(market[:cut]) if cut else None

    def fail(*_):
        raise OSError("the plug was pulled")

    with monkeypatch.context() as broken:
        broken.setattr("gridbourse.index.records.apply", fail)
        with pytest.raises(OSError, match="plug"):
            index.apply(market[cut:])
    again = index_in(tmp_path)
    assert again.heads() == index.heads()
    again.apply(market[cut:])
    assert everything(reader_of(again)) == everything(reader_of(expected))


def test_what_a_deal_did_stands_in_orders_accounts_and_positions(tmp_path):
    index = index_in(tmp_path)
    index.apply(list(a_market(Blocks())))
    reader = reader_of(index)
    order = reader.orders.with_leaf("roofs", leaf(1)).order
    assert (order.order_id, order.open_wh, order.agreed_wh, order.status) == (
        f"{A_BID_ID.pack():016x}",
        40,
        60,
        OrderStatus.WAITING,
    )
    assert reader.orders.with_id(AN_ASK_ID).order is None, "nothing is known here of the other's record"
    assert reader.trades.counts()[DealStatus.SETTLED] == reader.trades.counts()[DealStatus.ABANDONED] == 1
    assert reader.accounts.account(1).free_money == 10**9 - 60 * 3_600
    assert reader.accounts.account(2).free_money == 60 * 3_600
    assert reader.accounts.position(2, PERIOD).sold_wh == reader.accounts.position(1, PERIOD).bought_wh == 60


@pytest.mark.parametrize("is_placed", [False, True])
def test_what_was_not_filled_when_its_gate_closed_has_lapsed(tmp_path, is_placed):
    index, blocks = index_in(tmp_path), Blocks()
    index.apply([blocks.slave("roofs", A_BID), *([blocks.main(*traders(1), placed(A_BID_ID, 1, 0))] * is_placed)])
    orders, before = reader_of(index).orders, OrderStatus.WAITING if is_placed else OrderStatus.RECORDED
    for open_from, status in ((PERIOD, before), (PERIOD + 1, OrderStatus.LAPSED)):
        for wanted in (before, OrderStatus.LAPSED):
            found = orders.newest(node_id="Bert", status=wanted, open_from=open_from, limit=9)
            assert [entry.order.status for entry in found] == ([status] if wanted is status else [])


def test_a_record_that_is_read_after_its_order_was_placed_is_the_orders(tmp_path):
    index, blocks = index_in(tmp_path), Blocks()
    index.apply([blocks.main(*traders(1), placed(A_BID_ID, 1, 0))])
    reader = reader_of(index)
    assert reader.orders.with_leaf("roofs", leaf(0)).order is None
    index.apply([blocks.slave("roofs", A_BID)])
    assert reader.orders.with_id(A_BID_ID).order.node_id == "Bert"
    assert [entry.order_id for entry in reader.orders.newest(node_id="Bert", limit=9)] == [A_BID_ID]


def test_the_same_record_placed_twice_is_two_orders_of_which_the_first_is_the_nodes(tmp_path):
    index, blocks, reader = index_in(tmp_path), Blocks(), None
    index.apply([blocks.slave("roofs", A_BID)])
    index.apply([blocks.main(*traders(1), placed(bid_id(1), 1, 0), placed(bid_id(2), 1, 0))])
    reader = reader_of(index)
    assert reader.orders.with_leaf("roofs", leaf(0)).order_id == bid_id(1)
    assert reader.orders.with_id(bid_id(2)).order is None
    assert len(reader.orders.newest(node_id="Bert", limit=9)) == 1


def test_a_hash_that_another_master_copied_takes_neither_the_orders_place_nor_its_refusal(tmp_path):
    index, blocks = index_in(tmp_path), Blocks()
    index.apply([blocks.slave("roofs", A_BID)])
    copied = placed(bid_id(1), 2, 0)
    index.apply(
        [
            blocks.main(
                *traders(1), *traders(2, master_id=2), OrderRefused(2, 0, leaf(0), Reason.ENERGY_TOO_SMALL), copied
            )
        ]
    )
    reader = reader_of(index)
    assert reader.orders.with_leaf("roofs", leaf(0)).order.status is OrderStatus.RECORDED, "still to be taken up"
    index.apply([blocks.main(placed(bid_id(2), 1, 0))])
    assert [entry.order_id for entry in reader.orders.newest(node_id="Bert", limit=9)] == [bid_id(2)]


@pytest.mark.parametrize("is_named_late", [False, True])
def test_a_pseudonym_is_named_by_the_day_of_its_own_master_whichever_is_read_first(tmp_path, is_named_late):
    index, blocks, key = index_in(tmp_path, kept=("roofs", "grid")), Blocks(), PseudonymKey.generate().day_key(5)
    from gridbourse.market.events import TraderRegistered

    pseudonym = key.pseudonym(b"Bert")
    opened = blocks.slave("roofs", node("Bert"), DayOpened(5, key.secret.hex()))
    registered = blocks.main(TraderRegistered(8, 2, pseudonym), TraderRegistered(9, 1, pseudonym))
    for block in (registered, opened) if is_named_late else (opened, registered):
        index.apply([block])
    registry = reader_of(index).participants
    assert registry.trader("Bert", 5) == 9
    assert (registry.owner(9).node_id, registry.owner(9).day, registry.owner(8)) == ("Bert", 5, None)


def test_only_the_first_answer_of_the_node_whose_deal_it_is_counts(tmp_path):
    index, blocks = index_in(tmp_path), Blocks()
    index.apply(
        [
            blocks.slave(
                "roofs",
                Confirmation("Bert", 5, Side.ASK, confirmed=False),
                Confirmation("Anna", 5, Side.ASK, confirmed=True),
                Confirmation("Anna", 5, Side.ASK, confirmed=False),
            )
        ]
    )
    records = reader_of(index).records
    assert records.answer("Bert", 5, Side.ASK) is False
    assert records.answer("Anna", 5, Side.ASK) is True
    assert records.answer("Anna", 5, Side.BID) is records.answer("Anna", 6, Side.ASK) is None


@settings(deadline=None)
@given(st.text(), st.integers(0, 2**64 - 1))
def test_whatever_a_user_writes_the_index_takes_it(tmp_path_factory, text, number):
    index, blocks = index_in(tmp_path_factory.mktemp("index")), Blocks()
    half = "\ud800\0"
    details = OrderDetails("Bert", text + half, 0, Side.BID, EnergyType.PV, PERIOD, 100, 1)
    index.apply(
        [
            blocks.slave(
                "roofs",
                details,
                NodeReport("Bert", half + text, text),
                Confirmation("Bert", number, Side.ASK, confirmed=True),
                DealDetails("Bert", Side.ASK, number, 0, 0, 1, 1, DealState.INTENT),
                None,
            )
        ]
    )
    reader = reader_of(index)
    (report,) = reader.records.reports(["Bert"], None, 9)
    assert report.body == text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert reader.chains.head("roofs").record_count == 5


@pytest.mark.parametrize("price_ticks", [0, 2**16 - 1])
def test_an_order_of_the_last_period_there_is_has_its_place(tmp_path, price_ticks):
    index, blocks, last = index_in(tmp_path), Blocks(), OrderId(2**24 - 1, Side.BID, price_ticks, 2**16 - 1)
    index.apply([blocks.main(*traders(1), placed(last, 1, 0))])
    assert reader_of(index).orders.with_id(last).order_id == last


def test_blocks_that_do_not_follow_are_refused_and_change_nothing(tmp_path):
    index, market = index_in(tmp_path), list(a_market(Blocks()))
    index.apply(market[:1])
    before = everything(reader_of(index))
    with pytest.raises(IndexMismatch, match="block 3 of chain main"):
        index.apply(market[3:])
    assert everything(reader_of(index)) == before


def test_an_index_of_another_version_or_of_other_chains_is_begun_anew(tmp_path):
    index_in(tmp_path).apply(list(a_market(Blocks())))
    assert index_in(tmp_path).heads()
    assert not index_in(tmp_path, kept=("roofs", "grid")).heads()
    index = index_in(tmp_path)
    index.apply(list(a_market(Blocks())))
    with index.database.writing() as connection:
        connection.execute(index_state.update().values(schema_version=0))
    assert not index_in(tmp_path).heads()


def test_the_index_of_another_region_is_not_overwritten(tmp_path):
    index_in(tmp_path)
    with pytest.raises(InvalidValue, match="holds that of 'valley'"):
        index_in(tmp_path, region="mountain")


def test_a_damaged_file_is_begun_anew(tmp_path):
    (tmp_path / INDEX_FILE).write_bytes(os.urandom(5_000))
    index = index_in(tmp_path)
    index.apply(list(a_market(Blocks())))
    assert index.heads()["main"][0] == 6


def test_only_its_owner_may_read_the_file(tmp_path):
    index_in(tmp_path).apply(list(a_market(Blocks())))
    for file in tmp_path.glob(f"{INDEX_FILE}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_the_changes_since_a_number_are_told_as_long_as_they_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("gridbourse.index.index.KEPT_CHANGES", 20)
    monkeypatch.setattr("gridbourse.index.index.FORGOTTEN_TOGETHER", 1)
    index, blocks = index_in(tmp_path), Blocks()
    reader, began = reader_of(index), index.sequence()
    index.apply([blocks.main(*traders(1), placed(A_BID_ID, 1, 0))])
    (change,) = reader.changes(began, reader.sequence())
    assert (change.levels, change.orders, change.blocks) == ([(PERIOD, 1, 3_700)], [1], [("main", 1)])
    assert reader.changes(began - 1, reader.sequence()) is None, "that was another index"
    assert reader.changes(reader.sequence(), reader.sequence()) == []
    for _ in range(20):
        index.apply([blocks.main()])
    assert reader.changes(began, reader.sequence()) is None
    assert len(reader.changes(reader.sequence() - 10, reader.sequence())) == 10


def test_a_step_that_changes_very_much_is_told_as_load_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("gridbourse.index.index.MOST_CHANGES", 20)
    index, blocks = index_in(tmp_path), Blocks()
    began = index.sequence()
    index.apply([blocks.main() for _ in range(21)])
    (change,) = reader_of(index).changes(began, index.sequence())
    assert change.is_too_much
    assert not change.blocks


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("closed") / "region"
    with Region.create(folder, SPEC) as region:
        region.open_day(5)
        indexed(region)
    return folder


def test_a_start_reads_the_new_blocks_only(closed, tmp_path, monkeypatch):
    folder = shutil.copytree(closed, tmp_path / "region")
    with Region.open(folder) as region:
        region.open_day(6)
        before = IndexedBlocks(monkeypatch)
        region.catch_up()
        assert before.applied
    with Region.open(folder) as region:
        again = IndexedBlocks(monkeypatch)
        region.catch_up()
        assert not again.applied


class IndexedBlocks:
    """Counts what is applied from now on."""

    def __init__(self, monkeypatch):
        self.applied = 0
        apply = Index.apply

        def counted(index, blocks):
            self.applied += len(blocks)
            return apply(index, blocks)

        monkeypatch.setattr(Index, "apply", counted)


@pytest.mark.parametrize("change", ["UPDATE heads SET hash = x'00'", "UPDATE heads SET height = height + 7"])
def test_an_index_that_does_not_fit_the_chains_is_built_again_by_itself(closed, tmp_path, change):
    folder = shutil.copytree(closed, tmp_path / "region")
    with Region.open(folder) as region:
        expected = everything(indexed(region))
    with sqlite3.connect(folder / INDEX_FILE) as database:
        database.execute(change)
    with Region.open(folder) as region:
        assert everything(indexed(region)) == expected


def test_an_index_that_was_deleted_is_built_again_by_itself(closed, tmp_path):
    folder = shutil.copytree(closed, tmp_path / "region")
    with Region.open(folder) as region:
        expected = everything(indexed(region))
    for file in folder.glob(f"{INDEX_FILE}*"):
        file.unlink()
    with Region.open(folder) as region:
        assert everything(indexed(region)) == expected


def test_proofs_from_the_index_hold_for_every_record_and_size(tmp_path):
    from gridbourse.crypto.merkle import MerkleLog, verify_inclusion

    index, blocks = index_in(tmp_path), Blocks()
    log, records = MerkleLog(), reader_of(index).records
    for count in (1, 255, 3, 500, 1):
        first = len(log)
        index.apply([blocks.slave("roofs", *[NodeReport("Bert", "t", "{}")] * count)])
        for number in range(first, first + count):
            log.append(leaf(number))
        for number in {0, first, first + count // 2, len(log) - 1}:
            path = records.inclusion_proof("roofs", number, len(log))
            assert path == log.inclusion_proof(number)
            verify_inclusion(leaf(number), number, len(log), path, log.root())
        for size in range(len(log) - count, len(log) + 1, 1 + count // 7):
            assert records.frontier("roofs", size).root() == log.root(size)
