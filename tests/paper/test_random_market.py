"""The random market: repeatable, the same in both models, and nothing is created or lost in it."""

from dataclasses import astuple

import pytest

from gridbourse.errors import InvalidValue
from gridbourse.market.types import Side
from gridbourse.node.region import Region
from gridbourse.simulation import random_market
from gridbourse.simulation.random_market import DEPOSIT, MASTERS, ORDERS_PER_ROUND, SETTINGS, random_offers, run

ORDERS = 600
SEED = 7


@pytest.fixture(scope="module")
def results():
    """Both models' results, the rounds each reported, and the market as each left it."""
    found = {}
    patch = pytest.MonkeyPatch()
    for single_chain in (True, False):
        rounds, left = [], {}

        def look(region, *, close=Region.close, left=left):
            left.update(snapshot(region.main.market))
            close(region)

        patch.setattr(Region, "close", look)
        result = run(ORDERS, SEED, single_chain=single_chain, progress=rounds.append)
        patch.undo()
        found[single_chain] = (result, rounds, left)
    return found


def snapshot(market):
    traders = [market.trader(number) for number in range(1, market.trader_count() + 1)]
    deals = [market.deal(number) for number in range(1, market.deal_count() + 1)]
    periods = {deal.ask.period for deal in deals}
    numbers = range(1, market.trader_count() + 1)
    positions = [market.position(number, period) for number in numbers for period in periods]
    return {"traders": traders, "deals": deals, "positions": positions, "moved": market.money_moved()}


def test_equal_seeds_draw_equal_offers_and_others_do_not():
    assert list(random_offers(50, 1, 960)) == list(random_offers(50, 1, 960))
    assert list(random_offers(50, 1, 960)) != list(random_offers(50, 2, 960))


def test_offers_are_legal_orders_of_the_regions_users_within_one_day():
    users = {node.node_id for master in MASTERS for node in master.nodes}
    offers = list(random_offers(2_000, 3, 960))
    assert {user for user, _ in offers} == users
    for _, offer in offers:
        assert 960 <= offer.period < 960 + 96
        assert SETTINGS.floor_ticks <= offer.price_ticks <= SETTINGS.cap_ticks
        assert offer.energy_wh > 0
        assert offer.side is Side.BID or offer.energy_types.bit_count() == 1


def test_the_same_seed_makes_the_same_trades_in_both_models(results):
    (single, _, single_left), (double, _, double_left) = results[True], results[False]
    assert single.trades == double.trades > 0
    assert (single.energy_wh, single.money) == (double.energy_wh, double.money)
    assert trades_of(single_left) == trades_of(double_left)
    assert sorted(map(astuple, single_left["traders"])) == sorted(map(astuple, double_left["traders"]))


def trades_of(left):
    """The trades, on whatever day they took place; below a master, traders are numbered by their pseudonyms' lot."""
    return [
        (
            deal.ask.period % 96,
            *deal.ask[1:],
            *deal.bid[1:],
            master_of(left, deal.seller),
            master_of(left, deal.buyer),
            deal.energy_wh,
        )
        for deal in left["deals"]
    ]


def master_of(left, trader):
    return left["traders"][trader - 1].master_id


@pytest.mark.parametrize("single_chain", [True, False], ids=["single chain", "master-slave"])
def test_energy_and_money_are_conserved(results, single_chain):
    result, _, left = results[single_chain]
    users = sum(len(master.nodes) for master in MASTERS)
    assert left["moved"] == (users * DEPOSIT, 0)
    assert sum(trader.free_money + trader.held_money for trader in left["traders"]) == users * DEPOSIT
    sold = sum(position.sold_wh for position in left["positions"])
    bought = sum(position.bought_wh for position in left["positions"])
    assert sold == bought == result.energy_wh == sum(deal.energy_wh for deal in left["deals"])
    assert sum(position.held_wh for position in left["positions"]) == 0
    assert result.money == sum(deal.energy_wh * deal.ask.price_ticks for deal in left["deals"])


def test_what_is_reported_adds_up(results):
    for single_chain, (result, rounds, _) in results.items():
        assert rounds == [ORDERS_PER_ROUND, ORDERS - ORDERS_PER_ROUND]
        assert (result.single_chain, result.orders) == (single_chain, ORDERS)
        chains = {"main"} if single_chain else {"main", *(master.name for master in MASTERS)}
        assert set(result.busy_seconds) == chains
        assert sum(result.busy_seconds.values()) < result.elapsed_seconds
        assert result.orders_per_second == ORDERS / max(result.busy_seconds.values())


@pytest.mark.parametrize("orders", [0, -1])
def test_a_market_without_orders_is_refused(orders):
    with pytest.raises(InvalidValue, match="orders"):
        random_market.run(orders, SEED, single_chain=True, progress=lambda _: None)
