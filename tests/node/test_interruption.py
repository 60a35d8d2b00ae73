"""Whatever is interrupted is taken again, by the same process or by one that knows the chains alone: nothing is lost,
nothing happens twice."""

from collections import Counter
from contextlib import contextmanager
from itertools import pairwise

import pytest
from small_region import (
    DAY,
    PERIOD,
    Clock,
    Fuse,
    PowerCut,
    ask,
    bid,
    opened_records,
    records_of,
    times_written,
    trade,
    trader,
    write,
)

from gridbourse.errors import InvalidValue
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.relaying import MarketReader
from gridbourse.ledger.records import DayOpened, DealDetails
from gridbourse.market.events import DealSettled, OrderPlaced, OrderRefused, PartyConfirmed, QuotaSet
from gridbourse.market.types import DealState, Side
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay

TRADE_SUBMISSIONS = 13
"""How often a whole round hands something to a chain."""


def write_orders(region):
    write(region, "Anna", ask(energy_wh=600), ask(energy_wh=400, price_ticks=3_500))
    write(region, "Arno", ask(energy_wh=500, price_ticks=3_700))
    write(region, "Bert", bid(energy_wh=900))
    write(region, "Bea", bid(energy_wh=100), bid(energy_wh=5, price_ticks=9_500))


def traded_wh(region):
    """What each sold, bought, and has in open deals."""
    positions = {
        node: region.main.market.position(trader(region, node), PERIOD) for node in ("Anna", "Arno", "Bert", "Bea")
    }
    return {node: (position.sold_wh, position.bought_wh, position.held_wh) for node, position in positions.items()}


def require_everything_once(region):
    events = region.main.market.events_between(1, region.main.chain.head().height)
    happened = Counter(type(event) for event in events)
    deals = region.main.market.deal_count()
    assert deals == happened[DealSettled] == 4, "of 600 Wh that Anna may sell, 400 at her better price"
    assert (happened[QuotaSet], happened[OrderPlaced], happened[OrderRefused]) == (2, 5, 1)
    assert happened[PartyConfirmed] == 2 * deals
    assert traded_wh(region) == {"Anna": (600, 0, 0), "Arno": (400, 0, 0), "Bert": (0, 900, 0), "Bea": (0, 100, 0)}
    assert region.deliver() == []
    for name, master in region.masters.items():
        records = opened_records(region, name)
        assert None not in records
        assert set(times_written(region, name).values()) == {1}
        written = [(deal.deal_id, deal.side, deal.state) for deal in records if isinstance(deal, DealDetails)]
        side = Side.ASK if name == "roofs" else Side.BID
        states = (DealState.INTENT, DealState.SETTLED)
        assert sorted(written) == [(deal_id, side, state) for deal_id in range(1, deals + 1) for state in states]
        anchors = region.main.anchors.anchors(master.membership.master_id)
        assert all(after.first_block == before.last_block + 1 for before, after in pairwise(anchors))
        assert anchors[-1].leaf_count == master.slave.ledger.leaf_count()
    assert region.regulator.audit() == []


@contextmanager
def interrupted(folder, fuse, step, *, restarts):
    """Take a step until the fuse blows, then once more: in the same process, or in one that knows the chains alone."""
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        fuse.submissions = 0
        with pytest.raises(PowerCut):
            step(region)
        if not restarts:
            step(region)
            yield region
    if restarts:
        with Region.open(folder, clock=Clock()) as region:
            step(region)
            yield region


@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("submission", range(1, TRADE_SUBMISSIONS + 1))
def test_a_round_interrupted_anywhere_and_taken_again_does_everything_once(folder, submission, after, restarts):
    with Region.open(folder, clock=Clock()) as region:
        write_orders(region)
    with interrupted(folder, Fuse(submission, after=after), trade, restarts=restarts) as region:
        require_everything_once(region)


def test_a_round_without_interruption_does_everything_once_and_hands_in_as_often_as_is_interrupted_above(folder):
    fuse = Fuse()
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        write_orders(region)
        fuse.submissions = 0
        trade(region)
        assert fuse.submissions == TRADE_SUBMISSIONS
        require_everything_once(region)


@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("submission", range(1, 5))
def test_opening_a_day_interrupted_anywhere_and_taken_again_names_everybody_once(folder, submission, after, restarts):
    def open_tomorrow(region):
        region.open_day(DAY + 1)

    with interrupted(folder, Fuse(submission, after=after), open_tomorrow, restarts=restarts) as region:
        assert region.main.market.trader_count() == 8
        assert sorted(trader(region, node, DAY + 1) for node in ("Anna", "Arno", "Bert", "Bea")) == [5, 6, 7, 8]
        for name in region.masters:
            assert [opened.day for opened in records_of(region, name, DayOpened)] == [DAY, DAY + 1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_node_whose_offer_was_cut_off_can_offer_again(folder, after):
    fuse = Fuse(1, after=after)
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        with pytest.raises(PowerCut):
            region.offer([("Anna", ask()), ("Arno", ask())])
        (order_id,) = region.offer([("Anna", ask())])
        assert region.main.market.order(order_id).trader == trader(region, "Anna")


def test_another_up_link_over_the_same_chains_finds_nothing_left_to_do(region):
    write_orders(region)
    trade(region)
    heights = [region.main.chain.head().height, *(slave_height(master) for master in region.masters.values())]
    region.forget_index()
    region.catch_up()
    market = MarketReader(region.database, lambda: region._indexing.sequence)
    region.relays = {
        name: Relay(master, region._indexing, IndexReader(region.database), market, region.calendar)
        for name, master in region.masters.items()
    }
    trade(region)
    assert [region.main.chain.head().height, *(slave_height(master) for master in region.masters.values())] == heights
    require_everything_once(region)


def slave_height(master):
    return master.slave.chain.head().height


def test_a_region_opened_again_knows_its_traders_its_deals_and_what_waits_for_an_answer(folder, clock):
    with Region.open(folder, clock=clock) as region:
        write_orders(region)
        for relay in region.relays.values():
            relay.submit()
        asked = {(question.node.spec.node_id, question.deal_id) for question in region.deliver()}
        traders = {node: trader(region, node) for node in ("Anna", "Arno", "Bert", "Bea")}
    with Region.open(folder, clock=clock) as region:
        assert {node: trader(region, node) for node in traders} == traders
        region.deposit({"Bea": 1}, DAY, bytes(32))
        assert {(question.node.spec.node_id, question.deal_id) for question in region.deliver()} == asked
        trade(region)
        require_everything_once(region)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_deposit_that_was_interrupted_and_is_repeated_credits_once(folder, clock, after):
    fuse, payment = Fuse(after=after), b"\x07" * 32
    with Region.open(folder, clock=clock, observe=fuse.observe) as region:
        fuse.submissions, fuse.blows_at = 0, 1
        with pytest.raises(PowerCut):
            region.deposit({"Anna": 5, "Bea": 7}, DAY, payment)
    with Region.open(folder, clock=clock) as region:
        for _ in range(2):
            region.deposit({"Bea": 7, "Anna": 5}, DAY, payment)
            assert region.main.market.trader(trader(region, "Anna")).free_money == 5
            assert region.main.market.trader(trader(region, "Bea")).free_money == 10**9 + 7


def test_another_deposit_under_a_used_payment_reference_is_refused(region):
    region.deposit({"Anna": 5}, DAY, b"\x07" * 32)
    for moneys in ({"Anna": 6}, {"Arno": 5}, {"Anna": 5, "Arno": 5}):
        with pytest.raises(InvalidValue, match="payment_reference: '07"):
            region.deposit(moneys, DAY, b"\x07" * 32)
    region.deposit({"Anna": 5}, DAY, b"\x08" * 32)
    assert region.main.market.trader(trader(region, "Anna")).free_money == 10


def test_a_batch_that_needs_too_much_gas_is_halved_and_keeps_its_sequence(region, monkeypatch):
    write(region, "Anna", *[ask(energy_wh=1, price_ticks=price) for price in range(100, 140)])
    wallet = region.masters["roofs"].main_wallet
    monkeypatch.setattr(wallet, "_gas_limit", 400_000)
    region.relays["roofs"].submit()
    placed = [
        event.order_id.price_ticks
        for event in region.main.market.events_between(1, region.main.chain.head().height)
        if isinstance(event, OrderPlaced)
    ]
    assert placed == list(range(100, 140))
