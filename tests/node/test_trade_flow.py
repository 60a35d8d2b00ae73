"""How a trade runs (paper, section 3.3), step by step over both kinds of chain."""

from dataclasses import replace
from itertools import pairwise

import pytest
from small_region import (
    COOLING_OFF,
    DAY,
    PAYMENT,
    PERIOD,
    SPEC,
    Clock,
    ask,
    bid,
    opened_records,
    records_of,
    times_written,
    trade,
    trader,
    write,
)

from gridbourse.contracts.slave_ledger import record_leaf
from gridbourse.crypto.pseudonym import Pseudonym
from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.ledger.records import Confirmation, DayOpened, DealDetails, NodeRegistered, OrderDetails
from gridbourse.market.events import OrderPlaced, OrderRefused, TraderRegistered
from gridbourse.market.types import DealState, Reason, Side
from gridbourse.node.region import Region


@pytest.fixture
def main_events(region):
    market = region.main.market
    return lambda: market.events_between(1, region.main.chain.head().height)


@pytest.fixture
def agreed(region):
    """A deal between Anna, below roofs, and Bert, below grid."""
    region.offer([("Anna", ask())])
    region.offer([("Bert", bid())])
    return region


@pytest.fixture
def settled(agreed):
    trade(agreed)
    return agreed


def test_an_order_lies_on_the_slave_chain_before_anything_is_on_the_main_chain(region, main_events):
    before = main_events()
    (leaf,) = write(region, "Anna", ask())
    assert main_events() == before
    record = list(region.masters["roofs"].slave.records())[-1]
    assert record.leaf == leaf == record_leaf(record.author, record.kind, record.content)
    assert record.author == region.masters["roofs"].nodes["Anna"].address


def test_the_order_on_the_main_chain_carries_the_leaf_of_its_record(region, main_events):
    (leaf,) = write(region, "Anna", ask())
    region.relays["roofs"].submit()
    (placed,) = (event for event in main_events() if isinstance(event, OrderPlaced))
    assert placed.record_hash == leaf
    assert placed.trader == trader(region, "Anna")
    assert region.relays["roofs"].order_of(leaf) == placed.order_id


def test_the_record_holds_what_the_main_chain_does_not_tell(region):
    region.offer([("Anna", ask())], energy_quota_wh=5_000)
    (details,) = records_of(region, "roofs", OrderDetails)
    assert (details.user_id, details.location, details.energy_quota_wh) == ("Anna", "Roof 1", 5_000)
    assert region.main.market.position(trader(region, "Anna"), PERIOD).quota_wh == 5_000
    for chain in (region.main.chain, region.masters["roofs"].slave.chain):
        written = b"".join(
            raw for height in range(1, chain.head().height + 1) for raw in chain.block(height).transactions
        )
        assert b"Anna" not in written
        assert b"Roof 1" not in written


def test_on_the_main_chain_a_user_has_another_name_every_day(region, main_events):
    region.open_day(DAY + 1)
    names = [event.pseudonym for event in main_events() if isinstance(event, TraderRegistered)]
    assert len(set(names)) == len(names) == 8
    today, tomorrow = trader(region, "Anna"), trader(region, "Anna", DAY + 1)
    assert today != tomorrow
    (opened, _) = records_of(region, "roofs", DayOpened)
    assert opened.day_key().pseudonym(b"Anna") == Pseudonym(names[today - 1])


def test_a_user_trades_in_the_zone_that_the_regions_file_names(tmp_path):
    roofs, grid = SPEC.masters
    spec = replace(SPEC, masters=(replace(roofs, nodes=(replace(roofs.nodes[0], zone=3), roofs.nodes[1])), grid))
    with Region.create(tmp_path / "zones", spec, clock=Clock()) as region:
        region.open_day(DAY)
        assert [region.main.market.trader(trader(region, user)).zone for user in ("Anna", "Arno", "Bert")] == [3, 0, 0]


def test_a_deal_is_written_to_the_slave_chain_of_either_party_when_it_is_agreed_and_when_it_ends(settled):
    for master_name, user, side in (("roofs", "Anna", Side.ASK), ("grid", "Bert", Side.BID)):
        agreed, ended = records_of(settled, master_name, DealDetails)
        assert (agreed.user_id, agreed.side, agreed.energy_wh, agreed.price_ticks) == (user, side, 1_000, 3_600)
        assert (agreed.state, ended.state) == (DealState.INTENT, DealState.SETTLED)
        own, other = agreed.orders
        assert (own.side, other.side) == (side, side.opposite)


def test_both_parties_answers_stand_on_their_slave_chains_before_the_deal_is_binding(agreed):
    pending_confirmations = agreed.deliver()
    assert [(question.node.spec.node_id, question.side, question.deal_id) for question in pending_confirmations] == [
        ("Anna", Side.ASK, 1),
        ("Bert", Side.BID, 1),
    ]
    agreed.answer(pending_confirmations, confirmed=True)
    assert records_of(agreed, "roofs", Confirmation) == [Confirmation("Anna", 1, Side.ASK, confirmed=True)]
    assert records_of(agreed, "grid", Confirmation) == [Confirmation("Bert", 1, Side.BID, confirmed=True)]
    assert agreed.main.market.deal(1).state is DealState.CONFIRMED


def test_settlement_moves_money_and_energy_between_the_parties(settled):
    market = settled.main.market
    assert market.trader(trader(settled, "Anna")).free_money == 1_000 * 3_600
    assert market.trader(trader(settled, "Bert")).free_money == 10**9 - 1_000 * 3_600
    assert market.position(trader(settled, "Anna"), PERIOD).sold_wh == 1_000
    assert market.position(trader(settled, "Bert"), PERIOD).bought_wh == 1_000


def test_a_record_is_read_by_its_party_its_encryption_node_and_the_regulator_and_by_nobody_else(settled):
    roofs, grid = settled.masters["roofs"], settled.masters["grid"]
    record = next(
        record for record in roofs.slave.records() if isinstance(roofs.encryption_node.open(record), DealDetails)
    )
    details = roofs.encryption_node.open(record)
    assert roofs.nodes["Anna"].read(record) == details
    for stranger in (roofs.nodes["Arno"], grid.nodes["Bert"]):
        with pytest.raises(EnvelopeError):
            stranger.read(record)
    with pytest.raises(EnvelopeError):
        grid.encryption_node.open(record)
    assert settled.regulator.trace(1).holds


def test_an_order_is_read_by_nobody_but_its_user_its_encryption_node_and_the_regulator(settled):
    roofs, grid = settled.masters["roofs"], settled.masters["grid"]
    (record,) = (
        record for record in roofs.slave.records() if isinstance(roofs.encryption_node.open(record), OrderDetails)
    )
    assert roofs.nodes["Anna"].read(record).user_id == "Anna"
    for stranger in (roofs.nodes["Arno"].read, grid.nodes["Bert"].read, grid.encryption_node.open):
        with pytest.raises(EnvelopeError):
            stranger(record)


def test_anchors_follow_each_other_without_a_gap_up_to_the_newest_block(settled):
    trade(settled)
    settled.offer([("Anna", ask())])
    settled.anchor()
    for master in settled.masters.values():
        anchors = settled.main.anchors.anchors(master.membership.master_id)
        assert anchors[0].first_block == 1
        assert all(after.first_block == before.last_block + 1 for before, after in pairwise(anchors))
        assert anchors[-1].last_block == master.slave.chain.head().height
        assert anchors[-1].leaf_count == master.slave.ledger.leaf_count()


def test_anchoring_without_a_new_block_adds_nothing(settled):
    height = settled.main.chain.head().height
    settled.anchor()
    assert settled.main.chain.head().height == height


def test_an_abandoned_deal_returns_energy_and_money_and_both_slave_chains_know(agreed):
    agreed.answer([asked for asked in agreed.deliver() if asked.side is Side.BID], confirmed=False)
    agreed.deliver()
    market = agreed.main.market
    deal = market.deal(1)
    assert deal.state is DealState.ABANDONED
    assert (market.order(deal.ask).open_wh, market.order(deal.bid)) == (1_000, None)
    assert market.trader(trader(agreed, "Bert")).free_money == 10**9
    for name in ("roofs", "grid"):
        assert [deal.state for deal in records_of(agreed, name, DealDetails)] == [DealState.INTENT, DealState.ABANDONED]


def test_an_expired_deal_returns_energy_and_money_and_both_slave_chains_know(agreed, clock):
    agreed.answer([asked for asked in agreed.deliver() if asked.side is Side.ASK], confirmed=True)
    clock.now += COOLING_OFF + 1
    master = agreed.masters["grid"]
    master.main_wallet.send(agreed.main.market.expire([1]))
    assert agreed.deliver() == []
    deal = agreed.main.market.deal(1)
    assert deal.state is DealState.EXPIRED
    assert agreed.main.market.order(deal.ask).open_wh == 1_000
    assert agreed.main.market.trader(trader(agreed, "Bert")).free_money == 10**9
    for name in ("roofs", "grid"):
        assert [deal.state for deal in records_of(agreed, name, DealDetails)] == [DealState.INTENT, DealState.EXPIRED]


def test_a_refused_order_is_reported_and_not_taken_up_again(region):
    (leaf,) = write(region, "Anna", ask(price_ticks=9_001))
    relay = region.relays["roofs"]
    refused = OrderRefused(1, 0, leaf, Reason.PRICE_OUT_OF_BOUNDS)
    assert relay.submit()[-1] == refused
    assert relay.submit() == []
    assert relay.order_of(leaf) is None


def test_orders_of_one_slave_chain_keep_their_sequence(region):
    first, second = region.offer([("Anna", ask()), ("Arno", ask())])
    assert (first.turn, second.turn) == (0, 1)


def test_several_asks_of_one_node_in_one_period_are_all_alive(region):
    region.offer([("Anna", ask(600)), ("Anna", ask(400))])
    region.offer([("Anna", ask(500))])
    region.offer([("Bert", bid(1_500))])
    assert region.main.market.position(trader(region, "Anna"), PERIOD).held_wh == 1_500


def test_offers_that_cannot_be_orders_are_refused_before_they_are_written(region):
    with pytest.raises(InvalidValue, match="energy_wh"):
        region.offer([("Anna", ask()), ("Anna", ask(energy_wh=2**40))])
    assert records_of(region, "roofs", OrderDetails) == []
    (order_id,) = region.offer([("Anna", ask())])
    assert order_id is not None


def test_an_order_for_a_day_that_is_not_open_waits_until_it_is(region):
    tomorrow = ask(period=PERIOD + 96)
    assert region.offer([("Anna", tomorrow), ("Arno", ask())])[0] is None
    region.open_day(DAY + 1)
    region.relays["roofs"].submit()
    (order_id,) = region.main.market.waiting_orders(PERIOD + 96, Side.ASK)
    assert region.main.market.order(order_id).trader == trader(region, "Anna", DAY + 1)


def test_who_the_nodes_are_is_recorded_once(settled):
    assert [node.node_id for node in records_of(settled, "roofs", NodeRegistered)] == ["Anna", "Arno"]
    assert None not in opened_records(settled, "roofs")
    assert set(times_written(settled, "roofs").values()) == {1}


def test_everything_on_one_chain_trades_alike(tmp_path, clock):
    with Region.create(tmp_path / "single", replace(SPEC, single_chain=True), clock=clock) as region:
        region.open_day(DAY)
        region.deposit({"Bert": 10**9}, DAY, PAYMENT)
        region.offer([("Anna", ask())])
        region.offer([("Bert", bid())])
        trade(region)
        assert region.main.market.deal(1).state is DealState.SETTLED
        assert all(master.slave.chain is region.main.chain for master in region.masters.values())
