"""Runs of a scenario: published numbers, mechanisms, strategies, measures, equal trades with and without chains."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from valley_scenario import PARTICIPANTS, PROFILES, REGION, SCENARIO, write_valley

from gridbourse import simulation
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Side
from gridbourse.simulation.experiment.measures import gini, measure, measure_periods, measure_users
from gridbourse.simulation.experiment.run import run
from gridbourse.simulation.scenario.description import load_scenario
from gridbourse.simulation.scenario.shipped import shipped
from gridbourse.simulation.scenario.strategies import Adaptive, Outcome, Situation
from gridbourse.simulation.scenario.values import Mechanism

SPECIFIED = Path(__file__).parents[3] / "shared" / "data" / "market_rules.json"
PAPER = {"sequential": (1_200, 8.20), "uniform": (680, 23.40), "pay_as_bid": (680, 23.40), "mid_price": (680, 23.40)}
GRID = """
[grid]
zones = ["north", "south"]

[[grid.line]]
name = "north-south"
from = "north"
to = "south"
limit_kw = 8
reactance_milliohm = 100
"""
DISPATCH = """
[[master.node]]
id = "Dispatch"
kind = "dispatch"
location = "control centre"
"""


def of(folder, **overrides):
    scenario = load_scenario(folder, {name.replace("__", "."): value for name, value in overrides.items()})
    return scenario, run(scenario)


@pytest.mark.parametrize("mechanism", PAPER)
def test_the_papers_ten_orders_give_the_published_numbers(mechanism):
    measures = measure(*of(shipped("paper"), market__mechanism=mechanism))
    traded_kwh, welfare_yuan = PAPER[mechanism]
    assert measures.traded_kwh == traded_kwh
    assert measures.welfare_yuan == pytest.approx(welfare_yuan)
    assert measures.optimum_yuan == pytest.approx(23.40)


def test_these_are_the_specifications_numbers():
    if not SPECIFIED.is_file():
        pytest.skip(f"the specification's numbers are not at {SPECIFIED}")
    numbers = json.loads(SPECIFIED.read_text("utf-8"))["call_auction_paper_book"]
    for own, (traded_kwh, welfare_yuan) in ((numbers["sequential"], PAPER["sequential"]), (numbers, PAPER["uniform"])):
        assert (float(own["traded_kwh"]), float(own["welfare_yuan"])) == (traded_kwh, welfare_yuan)


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_nobody_trades_at_a_loss_nor_more_than_it_offered(tmp_path, mechanism):
    _, record = of(write_valley(tmp_path), market__mechanism=mechanism, strategy="zero_intelligence")
    offered = {}
    for order in record.orders:
        key = order.want.participant, order.want.period, order.want.side
        offered[key] = offered.get(key, 0) + order.want.energy_wh
    assert record.trades
    for trade in record.trades:
        assert trade.cost_ticks <= trade.price_ticks <= trade.worth_ticks
        offered[trade.seller, trade.period, Side.ASK] -= trade.energy_wh
        offered[trade.buyer, trade.period, Side.BID] -= trade.energy_wh
    assert min(offered.values()) >= 0


def test_a_uniform_auction_of_the_truth_reaches_the_optimum_and_no_mechanism_more(tmp_path):
    folder = write_valley(tmp_path)
    assert measure(*of(folder, market__mechanism="uniform")).welfare_share == pytest.approx(1)
    for mechanism in Mechanism:
        assert measure(*of(folder, market__mechanism=mechanism)).welfare_share <= 1 + 1e-12


def test_equal_seeds_run_equally_and_others_do_not(tmp_path):
    folder = write_valley(tmp_path)
    assert of(folder, strategy="zero_intelligence")[1] == of(folder, strategy="zero_intelligence")[1]
    assert of(folder, strategy="zero_intelligence")[1] != of(folder, strategy="zero_intelligence", seed=6)[1]


@pytest.mark.parametrize(("side", "limit_ticks"), [(Side.ASK, 3_000), (Side.BID, 5_000)])
@pytest.mark.parametrize("is_met", [True, False])
def test_the_adaptive_move_towards_what_the_market_pays_and_never_to_a_loss(side, limit_ticks, is_met):
    strategy = Adaptive(random.Random(1), margin=0.5)
    situation = Situation("Home", 1, side, 1_000, limit_ticks, 500, 9_000)
    for _ in range(50):
        strategy.learn(Outcome(situation, strategy.price_ticks(situation), 1_000 if is_met else 0, 4_000))
    # Who was met asks for 2 % more than the market pays, or bids 2 % less; who was not, the other way round.
    assert strategy.price_ticks(situation) == (4_080 if is_met is (side is Side.ASK) else 3_920)
    for _ in range(50):
        strategy.learn(Outcome(situation, strategy.price_ticks(situation), 0, 2_000 if side is Side.ASK else 8_000))
    assert strategy.price_ticks(situation) == limit_ticks


def test_a_strategy_of_ones_own_is_asked_and_taught(tmp_path):
    folder = write_valley(
        tmp_path,
        scenario=SCENARIO + '\n[strategies.mine]\nclass = "mine.py:Noted"\nticks = 4000\n',
        participants=PARTICIPANTS.replace("0.33,,", "0.33,,mine"),
    )
    (folder / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Noted:\n"
        "    draw: object\n"
        "    ticks: int\n"
        "    def price_ticks(self, situation): return self.ticks\n"
        "    def learn(self, outcome): self.ticks += 100 if outcome.traded_wh else 0\n",
        "utf-8",
    )
    prices = [order.price_ticks for order in of(folder)[1].orders if order.want.participant == "Turbine"]
    assert prices[0] == 4_000
    assert prices[-1] > 4_000
    (folder / "mine.py").write_text((folder / "mine.py").read_text("utf-8").replace("return self.ticks", "return 0.4"))
    with pytest.raises(InvalidValue, match=r"price of Turbine.*whole number"):
        of(folder)


@pytest.mark.parametrize("mechanism", ["sequential", "continuous"])
def test_chains_make_the_trades_of_the_market_alone_and_the_audit_finds_nothing(tmp_path, mechanism):
    participants = PARTICIPANTS.replace("strategy\n", "strategy,zone\n").replace(",\n", ",,south\n")
    participants = participants.replace("0.31,0.58,,south", "0.31,0.58,,north").replace("0.33,,,south", "0.33,,,north")
    region = REGION.replace('role = "grid"\n', 'role = "grid"\n' + DISPATCH) + GRID
    folder = write_valley(tmp_path, region=region, participants=participants)
    runs = {
        level: of(folder, level=level, market__mechanism=mechanism, periods=3, strategy="adaptive")
        for level in ("market", "one-chain", "full-chains")
    }
    records = {level: record for level, (_, record) in runs.items()}
    assert records["market"].trades
    assert records["market"].trades == records["one-chain"].trades == records["full-chains"].trades
    assert set(records["one-chain"].chains) == {"main"}
    assert set(records["full-chains"].chains) == {"main", "grid", "valley"}
    measures = measure(*runs["full-chains"])
    assert measures.audit_findings == 0
    assert 0 < measures.line_loading <= 0.9 + 1e-9
    assert min(measures.gas_per_trade.values()) > 0
    assert min(measures.bytes_per_trade.values()) > 0


def test_chains_do_no_auction(tmp_path):
    with pytest.raises(InvalidValue, match=r"market.mechanism.*sequential, continuous"):
        load_scenario(write_valley(tmp_path), {"level": "one-chain", "market.mechanism": "uniform"})


def test_what_users_pay_is_what_the_market_and_the_retailer_get(tmp_path):
    scenario, record = of(write_valley(tmp_path))
    users = {one.participant: one for one in measure_users(scenario, record)}
    home = users["Home"]
    paid = sum(trade.money for trade in record.trades if trade.buyer == "Home") / 1e7
    assert home.cost_yuan == pytest.approx(paid + (home.used_kwh - home.bought_kwh) * 0.60)
    assert home.retail_cost_yuan == pytest.approx(home.used_kwh * 0.60)
    turbine = users["Turbine"]
    earned = sum(trade.money for trade in record.trades if trade.seller == "Turbine") / 1e7
    assert -turbine.cost_yuan == pytest.approx(earned + (turbine.generated_kwh - turbine.sold_kwh) * 0.30)
    # Who trades within the limits of retail and feed-in saves, and together they save what trading spares.
    assert min(one.saved_yuan for one in users.values()) >= 0
    traded_kwh = sum(trade.energy_wh for trade in record.trades) / 1_000
    assert sum(one.saved_yuan for one in users.values()) == pytest.approx(traded_kwh * 0.30)


def test_periods_add_up_to_the_run(tmp_path):
    scenario, record = of(write_valley(tmp_path))
    measures, periods = measure(scenario, record), measure_periods(record)
    assert sum(one.traded_kwh for one in periods) == pytest.approx(measures.traded_kwh)
    drawn_kwh = sum(one.used_kwh - one.own_kwh for one in measure_users(scenario, record))
    assert measures.carbon_kg == pytest.approx((drawn_kwh - measures.traded_kwh) * 0.570, abs=1e-3)


def test_costs_follow_a_rule_set(tmp_path):
    tariff = 'rule_set = "sichuan-2026"\nvoltage_level = "1-10kV"\nkind = "two_part"\n'
    scenario = SCENARIO.replace('retail_yuan_per_kwh = "0.60"\n', tariff)
    users = {one.participant: one for one in measure_users(*of(write_valley(tmp_path, scenario=scenario)))}
    # Noon and the hour after it in August, as published: peak.
    assert users["Home"].retail_cost_yuan / users["Home"].used_kwh == pytest.approx(0.755604, abs=1e-6)
    with pytest.raises(InvalidValue, match=r"tariff.rule_set"):
        load_scenario(
            write_valley(tmp_path, scenario=scenario, profiles=PROFILES.replace("2026", "2024")),
            {"start": "2024-08-03T11:00"},
        )


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_gini_is_from_nought_to_one_and_knows_no_unit(values):
    found = gini(values)
    if found is not None:
        assert -1e-9 <= found < 1
        assert gini([2 * value for value in values]) == pytest.approx(found)
        assert gini([1.0] * len(values)) == pytest.approx(0)


def test_gini_of_one_who_has_all():
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)


def test_what_the_package_offers_is_there():
    assert {name for name in simulation.__all__ if not hasattr(simulation, name)} == set()
    assert set(simulation.__all__) == {name for names in simulation._MODULES.values() for name in names}
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        _ = simulation.swep
