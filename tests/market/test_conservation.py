"""Whatever happens, no money and no energy comes from nowhere or gets lost."""

from contextlib import suppress
from itertools import pairwise

from examples import GRID, NOW, PERIOD, RECORD, small_market
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import MarketError
from gridbourse.market.types import DealState, EnergyType, OrderRequest, Side

TRADERS = range(1, 7)

orders = st.builds(
    OrderRequest,
    trader=st.sampled_from(TRADERS),
    side=st.sampled_from(Side),
    energy_types=st.sampled_from([1, 2, 3]).map(EnergyType),
    period=st.just(PERIOD),
    price_ticks=st.integers(1_000, 1_004),
    energy_wh=st.integers(1, 3_000),
)
ends = st.sampled_from(["confirm", "settle", "abandon", "cancel", "expire"])
steps = orders | st.tuples(ends, st.integers(0, 7), st.sampled_from(Side))
stories = st.builds(list.__add__, st.lists(orders, min_size=6, max_size=16), st.lists(steps, min_size=6, max_size=16))


def take(market, step):
    """Place an order, or do something about one of the deals."""
    if isinstance(step, OrderRequest):
        market.place(market.master_of(step.trader), step, RECORD, NOW)
        return
    end, turn, side = step
    deal_id = turn % market.deal_count + 1
    deal = market.deal(deal_id)
    master = market.master_of(deal.seller if side is Side.ASK else deal.buyer)
    match end:
        case "confirm":
            market.confirm_both(deal_id)
        case "settle":
            market.confirm_both(deal_id)
            market.settle(GRID, [deal_id])
        case "abandon":
            market.abandon(master, [deal_id], side, NOW)
        case "expire":
            market.expire(GRID, [deal_id], NOW + 700)
        case "cancel":
            market.cancel(master, [deal.ask if side is Side.ASK else deal.bid])


def market_after(story):
    market = small_market()
    market.deposit(GRID, dict.fromkeys(TRADERS, 3 * 10**6), RECORD)
    for trader in TRADERS:
        market.withdraw(GRID, trader, 10**9, RECORD)
    for step in story:
        if isinstance(step, OrderRequest) or market.deal_count:
            with suppress(MarketError):
                take(market, step)
    return market


@given(stories)
def test_money_in_is_money_out_plus_what_everybody_has(story):
    market = market_after(story)
    accounts = [market.trader(trader) for trader in TRADERS]
    assert market.credited - market.debited == sum(account.free_money + account.held_money for account in accounts)
    assert all(account.free_money >= 0 and account.held_money >= 0 for account in accounts)


@given(stories)
def test_held_money_and_energy_is_exactly_what_open_deals_hold(story):
    market = market_after(story)
    holding = [deal for deal in market.deals() if deal.state in {DealState.INTENT, DealState.CONFIRMED}]
    for trader in TRADERS:
        assert market.trader(trader).held_money == sum(deal.money for deal in holding if deal.buyer == trader)
        assert market.position(trader, PERIOD).held_wh == sum(d.energy_wh for d in holding if d.seller == trader)


@given(stories)
def test_every_wh_sold_is_bought_and_within_the_quota(story):
    market = market_after(story)
    claims = [market.position(trader, PERIOD) for trader in TRADERS]
    assert sum(claim.sold_wh for claim in claims) == sum(claim.bought_wh for claim in claims)
    assert all(claim.held_wh + claim.sold_wh <= claim.quota_wh for claim in claims)


@given(stories)
def test_every_standing_order_is_open_or_in_deals_and_no_wh_is_in_both(story):
    market = market_after(story)
    for deal in market.deals():
        for order_id in (deal.ask, deal.bid):
            if order_id in market.book:
                order = market.book[order_id]
                bound = sum(
                    other.energy_wh
                    for other in market.deals()
                    if order_id in {other.ask, other.bid}
                    and other.state not in {DealState.ABANDONED, DealState.EXPIRED}
                )
                assert order.open_wh + bound == order.energy_wh


@given(stories)
def test_no_deal_is_above_the_bid_or_below_the_ask(story):
    for deal in market_after(story).deals():
        assert deal.ask.price_ticks == deal.price_ticks <= deal.bid.price_ticks
        assert deal.seller != deal.buyer


@given(stories, st.sampled_from(Side), st.sampled_from([1, 2, 3]).map(EnergyType))
def test_waiting_orders_stand_in_price_time_order_each_once(story, side, energy_types):
    book = market_after(story).book
    waiting = list(book.waiting(PERIOD, side, energy_types))
    direction = 1 if side is Side.ASK else -1
    places = [(direction * order_id.price_ticks, order_id.turn) for order_id in waiting]
    assert all(first < second for first, second in pairwise(places))
    assert all(book[order_id].open_wh > 0 and book[order_id].energy_types & energy_types for order_id in waiting)
