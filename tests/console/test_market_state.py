"""What the service answers from memory is what the contract says, whatever happened in the market."""

import random

import pytest
from small_market import DAY, PERIOD, SPEC

from gridbourse.console.chain_reader import ChainReader
from gridbourse.console.directory import Directory
from gridbourse.console.market_queries import MarketQueries
from gridbourse.console.market_state import MarketState
from gridbourse.console.news import MainBlock
from gridbourse.market.types import DealState, EnergyType, Offer, Side
from gridbourse.network.region import Region

NODES = ["Anna", "Arno", "Bert", "Bea"]
PERIODS = range(PERIOD, PERIOD + 2)


class Fold:
    """A market state that reads a region's chains."""

    def __init__(self, region):
        self.reader = ChainReader(region)
        self.directory = Directory()
        self.state = MarketState(self.directory)
        settings = region.main.consortium.settings()
        self.queries = MarketQueries(self.state, self.directory, lambda: settings, SPEC, 1, lambda: 0)

    def read(self):
        for block in self.reader.news():
            if isinstance(block, MainBlock):
                self.state.note_main_block(block)
            else:
                self.directory.note_slave_block(block)
                self.state.note_slave_block(block)


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
    elif what < 0.6 and (waiting := [entry for entry in fold.state.orders.values() if entry.open_wh]):
        region.cancel(chance.choice(waiting).order_id)
    elif what < 0.7 and (waiting := [entry for entry in fold.state.orders.values() if entry.open_wh]):
        region.amend(chance.choice(waiting).order_id, energy_wh=chance.randrange(1, 300), price_ticks=3_600)
    elif what < 0.9:
        questions = region.bring_down()
        region.answer(chance.sample(questions, len(questions) // 2), confirmed=chance.random() < 0.7)
    else:
        region.settle()
        region.rematch()
        region.anchor()


def require_agreement(region, fold):
    market, state = region.main.market, fold.state
    assert len(state.deals) == market.deal_count()
    for deal_id, entry in state.deals.items():
        deal = market.deal(deal_id)
        assert (entry.state, entry.seller, entry.buyer, entry.energy_wh) == (
            deal.state,
            deal.seller,
            deal.buyer,
            deal.energy_wh,
        )
    for order_id, entry in state.orders.items():
        order = market.order(order_id)
        assert entry.open_wh == (order.open_wh if order else 0)
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


@pytest.mark.parametrize("seed", range(3))
def test_the_fold_of_the_events_agrees_with_the_contract(tmp_path, seed):
    chance = random.Random(seed)
    with Region.create(tmp_path / "region", SPEC) as region:
        region.open_day(DAY)
        region.deposit(dict.fromkeys(NODES, 3_000_000), DAY, b"\x01" * 32)
        fold = Fold(region)
        fold.read()
        for turn in range(40):
            do_something(region, fold, chance)
            fold.read()
            if turn % 8 == 0:
                require_agreement(region, fold)
        require_agreement(region, fold)
        afresh = Fold(region)
        afresh.read()
        require_agreement(region, afresh)
        assert afresh.state.deal_counts() == fold.state.deal_counts()
        assert fold.state.refusals
        assert any(entry.state is DealState.SETTLED for entry in fold.state.deals.values())
