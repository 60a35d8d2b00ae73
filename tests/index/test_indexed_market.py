"""What the index says of the market is what the contract says, whatever happened."""

import random

import pytest
from index_region import DAY, NODES, PERIOD, SPEC, everything, indexed

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.market.types import DealState, EnergyType, Offer, Side
from gridbourse.node.order_changes import amend, cancel
from gridbourse.node.region import Region
from gridbourse.service.use_cases.market import MarketQueries

PERIODS = range(PERIOD, PERIOD + 2)
A_BID = Offer(Side.BID, EnergyType.any(), PERIOD, 100, 3_700)


class Read:
    """An index that is kept up with a region's chains."""

    def __init__(self, region):
        self.region = region
        self.index = indexed(region)
        settings = region.main.consortium.settings()
        self.queries = MarketQueries(self.index, region.calendar, lambda: settings, SPEC, 1, lambda: 0)

    def read(self):
        self.region.catch_up()

    def orders(self):
        """All orders that the market took."""
        count = self.index.orders.placed_count()
        found = list(self.index.orders.newest(limit=10_000))
        placed = [entry for entry in found if entry.order_id]
        assert len(placed) == count
        return placed

    def deals(self):
        return list(self.index.trades.entries(range(2**24)))


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
    elif what < 0.6 and (waiting := [entry for entry in fold.orders() if entry.order.open_wh]):
        cancel(region, chance.choice(waiting).order_id)
    elif what < 0.7 and (waiting := [entry for entry in fold.orders() if entry.order.open_wh]):
        amend(region, chance.choice(waiting).order_id, energy_wh=chance.randrange(1, 300), price_ticks=3_600)
    elif what < 0.9:
        questions = region.deliver()
        region.answer(chance.sample(questions, len(questions) // 2), confirmed=chance.random() < 0.7)
    else:
        region.settle()
        region.rematch()
        region.anchor()


def require_agreement(region, fold):
    market, index = region.main.market, fold.index
    deals, orders = fold.deals(), fold.orders()
    assert len(deals) == index.trades.count() == market.deal_count()
    for entry in deals:
        deal, trade = market.deal(entry.trade.deal_id), entry.trade
        assert (DealState[trade.status.upper()], entry.seller, entry.buyer, trade.energy_wh) == (
            deal.state,
            deal.seller,
            deal.buyer,
            deal.energy_wh,
        )
        assert (entry.ask, entry.bid) == (deal.ask, deal.bid)
        assert (entry.seller_confirmed, entry.buyer_confirmed) == (deal.seller_confirmed, deal.buyer_confirmed)
    for entry in orders:
        order = market.order(entry.order_id)
        assert entry.order.open_wh == (order.open_wh if order else 0)
        held = [
            deal.trade.energy_wh
            for deal in deals
            if entry.order_id in {deal.ask, deal.bid}
            and deal.trade.status not in {DealStatus.ABANDONED, DealStatus.EXPIRED}
        ]
        assert entry.order.agreed_wh == sum(held)
        assert index.orders.with_id(entry.order_id) == entry
        assert index.orders.with_leaf(entry.chain, bytes.fromhex(entry.order.record_leaf[2:])) == entry
    for node_id in NODES:
        trader = index.participants.trader(node_id, DAY)
        assert trader == region.master_of(node_id).trader(node_id, DAY)
        assert index.accounts.account(trader) == market.trader(trader)
        for period in PERIODS:
            assert index.accounts.position(trader, period) == market.position(trader, period)
    for period in PERIODS:
        for side in Side:
            shown = [
                (ticks, trader, open_wh)
                for ticks, trader, open_wh in index.orders.candidates(period, side, EnergyType.any())
            ]
            waiting = [(order_id, market.order(order_id)) for order_id in market.waiting_orders(period, side)]
            assert shown == [(order_id.price_ticks, order.trader, order.open_wh) for order_id, order in waiting]
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
def test_the_index_agrees_with_the_contract_and_is_the_same_when_it_is_built_again(tmp_path, seed):
    chance = random.Random(seed)
    Region.create(tmp_path / "region", SPEC).close()
    with Region.open(tmp_path / "region") as region:
        region.open_day(DAY)
        region.deposit(dict.fromkeys(NODES, 3_000_000), DAY, b"\x01" * 32)
        fold = Read(region)
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
        assert fold.index.trades.counts()[DealStatus.SETTLED]
        statuses = {entry.order.status for entry in fold.index.orders.newest(limit=10_000)}
        assert statuses == set(OrderStatus) - {OrderStatus.RECORDED, OrderStatus.LAPSED}
        kept = everything(fold.index)
        region.forget_index()
        region.catch_up()
        require_agreement(region, fold)
        assert everything(fold.index) == kept


def test_money_beyond_64_bits_is_counted_to_the_last_unit(tmp_path):
    much = 2**80 + 1
    with Region.create(tmp_path / "region", SPEC) as region:
        region.open_day(DAY)
        for turn in range(3):
            region.deposit({"Anna": much}, DAY, bytes([turn]) * 32)
        index = indexed(region)
        trader = index.participants.trader("Anna", DAY)
        assert index.accounts.account(trader).free_money == 3 * much
        assert index.accounts.credited(b"\x01" * 32) == {trader: much}
