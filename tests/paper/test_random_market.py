"""The random market: repeatable, the same in both models, and nothing is created or lost in it."""

from dataclasses import astuple

import pytest

from gridbourse.errors import InvalidValue
from gridbourse.market.types import Side
from gridbourse.node.region import Region
from gridbourse.paper.scale import run_scale
from gridbourse.simulation import load_scenario, shipped

ORDERS = 600
SEED = 7
SCENARIO = load_scenario(shipped("random"), {"random_orders.count": ORDERS, "seed": SEED})
MASTERS = SCENARIO.region.masters
DEPOSIT = SCENARIO.deposit


@pytest.fixture(scope="module")
def results():
    """Both models' results, how far each said it was, and the market as each left it."""
    found = {}
    patch = pytest.MonkeyPatch()
    for single_chain in (True, False):
        told, left = [], {}

        def look(region, *, close=Region.close, left=left):
            left.update(snapshot(region.main.market))
            close(region)

        patch.setattr(Region, "close", look)
        result = run_scale(ORDERS, SEED, single_chain=single_chain, progress=told.append)
        patch.undo()
        found[single_chain] = (result, told, left)
    return found


def snapshot(market):
    traders = [market.trader(number) for number in range(1, market.trader_count() + 1)]
    deals = [market.deal(number) for number in range(1, market.deal_count() + 1)]
    periods = {deal.ask.period for deal in deals}
    numbers = range(1, market.trader_count() + 1)
    positions = [market.position(number, period) for number in numbers for period in periods]
    return {"traders": traders, "deals": deals, "positions": positions, "moved": market.money_moved()}


def drawn(seed):
    return load_scenario(shipped("random"), {"random_orders.count": 2_000, "seed": seed})


def test_equal_seeds_draw_equal_wants_and_others_do_not():
    assert drawn(1).wants == drawn(1).wants
    assert drawn(1).wants != drawn(2).wants


def test_wants_are_legal_orders_of_the_regions_users_within_one_day():
    scenario = drawn(3)
    settings = scenario.region.settings
    assert {want.participant for want in scenario.wants} == {one.name for one in scenario.participants}
    for want in scenario.wants:
        assert want.period in scenario.periods
        assert settings.floor_ticks <= want.limit_ticks <= settings.cap_ticks
        assert want.energy_wh > 0
        assert want.side is Side.BID or want.energy_types.bit_count() == 1


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
    for single_chain, (result, told, _) in results.items():
        assert (told[-1], told) == (96, sorted(told))
        assert (result.single_chain, result.orders) == (single_chain, ORDERS)
        chains = {"main"} if single_chain else {"main", *(master.name for master in MASTERS)}
        assert set(result.busy_seconds) == chains
        assert sum(result.busy_seconds.values()) < result.elapsed_seconds
        assert result.orders_per_second == ORDERS / max(result.busy_seconds.values())


@pytest.mark.parametrize("orders", [0, -1])
def test_a_market_without_orders_is_refused(orders):
    with pytest.raises(InvalidValue, match=r"random_orders.count"):
        run_scale(orders, SEED, single_chain=True, progress=lambda _: None)
