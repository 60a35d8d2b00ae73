"""What the service answers from memory is what the contract says, whatever happened in the market."""

import random

import pytest
from small_market import DAY, PERIOD, SPEC

from gridbourse.api.schema import OrderStatus
from gridbourse.index.news import MainBlock
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.shelf import Shelf
from gridbourse.ledger.records import Confirmation, OrderDetails
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import DealState, EnergyType, Offer, OrderId, Reason, Side
from gridbourse.node.chain_reader import ChainReader
from gridbourse.node.node import Region
from gridbourse.service.deals import Answers
from gridbourse.service.market import MarketQueries
from gridbourse.service.market_state import MarketState
from gridbourse.service.orders import Orders

NODES = ["Anna", "Arno", "Bert", "Bea"]
PERIODS = range(PERIOD, PERIOD + 2)
A_BID = Offer(Side.BID, EnergyType.any(), PERIOD, 100, 3_700)


class Fold:
    """A market state that reads a region's chains."""

    def __init__(self, region):
        self.reader = ChainReader(region)
        self.directory = ParticipantRegistry([master.name for master in SPEC.masters])
        self.state = MarketState(self.directory, Shelf(kept_pages=1))
        settings = region.main.consortium.settings()
        self.queries = MarketQueries(self.state, self.directory, lambda: settings, SPEC, 1, lambda: 0)

    def read(self):
        for block in self.reader.news():
            if isinstance(block, MainBlock):
                self.state.note_main_block(block)
            else:
                self.directory.note_slave_block(block)
                self.state.note_slave_block(block)

    def orders(self):
        """All orders that the market took."""
        numbered = (self.state.orders[number] for number in range(len(self.state.orders)))
        return [order.placed for order in numbered if order.placed]

    def order_of(self, leaf):
        """The order that any master's record of this leaf became."""
        found = (self.state.orders.with_leaf(master_id, leaf) for master_id in self.directory.numbers.values())
        return next(order for order in found if order)

    def deals(self):
        return [self.state.deals[deal_id] for deal_id in range(1, len(self.state.deals) + 1)]


def an_offer(chance):
    side = chance.choice(list(Side))
    types = chance.choice([EnergyType.PV, EnergyType.WIND]) if side is Side.ASK else EnergyType.any()
    ticks = chance.choice([50, 3_500, 3_600, 3_700])
    return Offer(side, types, chance.choice(PERIODS), chance.randrange(0, 500), ticks)


def do_something(region, fold, chance):
    what = chance.random()
    if what < 0.5:
        offers = [(chance.choice(NODES), an_offer(chance)) for _ in range(chance.randrange(1, 6))]
        region.offer(offers, energy_quota_wh=600)
    elif what < 0.6 and (waiting := [order for order in fold.orders() if order.open_wh]):
        region.cancel(chance.choice(waiting).order_id)
    elif what < 0.7 and (waiting := [order for order in fold.orders() if order.open_wh]):
        region.amend(chance.choice(waiting).order_id, energy_wh=chance.randrange(1, 300), price_ticks=3_600)
    elif what < 0.9:
        questions = region.deliver()
        region.answer(chance.sample(questions, len(questions) // 2), confirmed=chance.random() < 0.7)
    else:
        region.settle()
        region.rematch()
        region.anchor()


def require_agreement(region, fold):
    market, state = region.main.market, fold.state
    assert len(state.deals) == market.deal_count()
    for entry in fold.deals():
        deal = market.deal(entry.deal_id)
        assert (entry.state, entry.seller, entry.buyer, entry.energy_wh) == (
            deal.state,
            deal.seller,
            deal.buyer,
            deal.energy_wh,
        )
    for placed in fold.orders():
        order = market.order(placed.order_id)
        assert placed.open_wh == (order.open_wh if order else 0)
        deals = [deal for deal in fold.deals() if placed.order_id in {deal.ask, deal.bid}]
        held = [deal.energy_wh for deal in deals if deal.state not in {DealState.ABANDONED, DealState.EXPIRED}]
        assert placed.agreed_wh == sum(held)
        assert state.orders.with_id(placed.order_id).placed == placed
    for node_id in NODES:
        trader = fold.directory.trader(node_id, DAY)
        assert trader == region.master_of(node_id).trader(node_id, DAY)
        assert state.account(trader) == market.trader(trader)
        for period in PERIODS:
            assert state.position(trader, period) == market.position(trader, period)
    for period in PERIODS:
        for side in Side:
            shown = [entry.order_id for _, level in state.levels(period, side) for entry in level]
            assert shown == market.waiting_orders(period, side)
    require_figures(market, fold.queries)


def require_figures(market, queries):
    """What is shown of a period is the sum of what the contract has of it."""
    deals = [market.deal(number) for number in range(1, market.deal_count() + 1)]
    summaries = {summary.period: summary for summary in queries.periods(DAY)}
    prices = {prices.period: prices for prices in queries.day_prices(DAY).periods}
    for period in PERIODS:
        asks, bids = (market.waiting_orders(period, side) for side in Side)
        traded = [
            deal
            for deal in deals
            if deal.ask.period == period and deal.state not in {DealState.ABANDONED, DealState.EXPIRED}
        ]
        shown = summaries[period]
        assert shown.ask_energy_wh == sum(market.order(order_id).open_wh for order_id in asks)
        assert shown.bid_energy_wh == sum(market.order(order_id).open_wh for order_id in bids)
        assert shown.best_ask_ticks == (asks[0].price_ticks if asks else None)
        assert shown.best_bid_ticks == (bids[0].price_ticks if bids else None)
        assert shown.traded_energy_wh == sum(deal.energy_wh for deal in traded)
        assert shown.last_price_ticks == (traded[-1].ask.price_ticks if traded else None)
        if traded:
            ticks = [deal.ask.price_ticks for deal in traded]
            assert (prices[period].high_ticks, prices[period].low_ticks) == (max(ticks), min(ticks))
            assert prices[period].money == sum(deal.energy_wh * deal.ask.price_ticks for deal in traded)
        else:
            assert period not in prices


@pytest.mark.parametrize("seed", range(4))
def test_the_fold_of_the_events_agrees_with_the_contract(tmp_path, seed):
    chance = random.Random(seed)
    Region.create(tmp_path / "region", SPEC).close()
    with Region.open(tmp_path / "region", watched=True) as region:
        region.open_day(DAY)
        region.deposit(dict.fromkeys(NODES, 3_000_000), DAY, b"\x01" * 32)
        fold = Fold(region)
        fold.read()
        for turn in range(40):
            do_something(region, fold, chance)
            fold.read()
            if turn % 8 == 0:
                require_agreement(region, fold)
        region.offer([("Anna", Offer(Side.ASK, EnergyType.PV, PERIOD, 100, 1)), ("Bea", A_BID)], energy_quota_wh=10_000)
        region.answer(region.deliver(), confirmed=True)
        region.settle()
        fold.read()
        require_agreement(region, fold)
    with Region.open(tmp_path / "region", watched=True) as region:
        afresh = Fold(region)
        afresh.read()
        require_agreement(region, afresh)
        assert afresh.state.deals.counts() == fold.state.deals.counts()
        assert sum(fold.state.deals.counts().values()) == len(fold.state.deals)
        assert any(entry.state is DealState.SETTLED for entry in fold.deals())
        numbers = range(len(fold.state.orders))
        assert {fold.state.orders.status(number) for number in numbers} == set(OrderStatus) - {OrderStatus.RECORDED}
        by_leaf = {fold.state.orders[number].leaf: fold.state.orders[number] for number in numbers}
        assert len(by_leaf) == len(numbers)
        assert by_leaf == {leaf: afresh.order_of(leaf) for leaf in by_leaf}


def test_nobody_answers_for_the_node_whose_deal_it_is():
    answers = Answers(Shelf())
    answers.note(Confirmation("Bert", 5, Side.ASK, confirmed=False))
    assert answers.answer("Anna", 5, Side.ASK) is None
    answers.note(Confirmation("Anna", 5, Side.ASK, confirmed=True))
    answers.note(Confirmation("Anna", 5, Side.ASK, confirmed=False))
    assert answers.answer("Anna", 5, Side.ASK) is True, "the first answer counts"
    assert answers.answer("Anna", 5, Side.BID) is None
    assert answers.answer("Anna", 6, Side.ASK) is None


def test_a_record_that_is_read_after_its_order_was_placed_is_the_orders():
    orders, order_id, leaf = Orders(Shelf()), OrderId(PERIOD, Side.BID, 3_700, 1), b"\x05" * 32
    details = OrderDetails.of("Bert", "home", A_BID)
    orders.place(OrderPlaced(order_id, 7, EnergyType.any(), 100, leaf), 1, 1_000, 3)
    assert orders.with_leaf(1, leaf).details is None
    assert not orders.of_node("Bert")
    orders.record(1, leaf, details)
    orders.record(1, leaf, details)
    assert orders.with_id(order_id).details == details
    assert [orders[number].placed.order_id for number in orders.of_node("Bert")] == [order_id]


def test_the_same_record_placed_twice_is_two_orders_of_which_the_first_is_the_nodes():
    orders, leaf = Orders(Shelf()), b"\x05" * 32
    first, second = (OrderId(PERIOD, Side.BID, 3_700, turn) for turn in (1, 2))
    orders.record(1, leaf, OrderDetails.of("Bert", "home", A_BID))
    for order_id in (first, second):
        orders.place(OrderPlaced(order_id, 7, EnergyType.any(), 100, leaf), 1, 1_000, 3)
    assert orders.with_leaf(1, leaf).placed.order_id == first
    assert (orders.with_id(second).details, orders.with_id(second).leaf) == (None, leaf)
    assert len(orders.of_node("Bert")) == 1


def test_a_hash_that_another_master_copied_takes_neither_the_orders_place_nor_its_refusal():
    orders, leaf = Orders(Shelf()), b"\x05" * 32
    copied, own = (OrderId(PERIOD, Side.BID, 3_700, turn) for turn in (1, 2))
    orders.record(1, leaf, OrderDetails.of("Bert", "home", A_BID))
    orders.refuse(2, leaf, Reason.ENERGY_ZERO)
    orders.place(OrderPlaced(copied, 8, EnergyType.any(), 100, leaf), 3, 1_000, 3)
    assert orders.with_leaf(1, leaf).status is OrderStatus.RECORDED, "still to be taken up"
    orders.place(OrderPlaced(own, 7, EnergyType.any(), 100, leaf), 1, 1_000, 3)
    assert [orders[number].placed.order_id for number in orders.of_node("Bert")] == [own]
