"""The paper's ten orders through both mechanisms, as the specification has the numbers."""

import json
from pathlib import Path

import pytest

from gridbourse.paper.mechanisms import outcomes
from gridbourse.paper.report import TRADES
from gridbourse.units import energy_wh, money_units, price_ticks

SPECIFIED = Path(__file__).parents[3] / "shared" / "data" / "market_rules.json"


def test_the_sequential_rule_trades_more_and_the_auction_is_worth_more():
    sequential, auction = outcomes()
    assert (sequential.traded_wh, sequential.welfare) == (energy_wh(1_200), money_units("8.20"))
    assert (auction.traded_wh, auction.welfare) == (energy_wh(680), money_units("23.40"))
    assert auction.prices_ticks == (price_ticks("0.37"), price_ticks("0.37"))


def test_the_sequential_rule_makes_the_papers_six_trades():
    found = [(own.buyer, own.seller, own.energy_wh, own.price_ticks) for own in outcomes()[0].trades]
    assert found == [(buyer, seller, energy_wh(kwh), price_ticks(price)) for buyer, seller, kwh, price in TRADES]


def test_in_the_auction_who_values_energy_most_is_served_wholly():
    _, auction = outcomes()
    bought = {user: auction.traded_by.get(user, 0) for user in ("User 1", "User 2", "User 3", "User 4")}
    assert bought == {"User 1": 80_000, "User 2": 360_000, "User 3": 240_000, "User 4": 0}


def test_these_are_the_specifications_numbers():
    if not SPECIFIED.is_file():
        pytest.skip(f"the specification's numbers are not at {SPECIFIED}")
    numbers = json.loads(SPECIFIED.read_text("utf-8"))["call_auction_paper_book"]
    for outcome, own in zip(outcomes(), (numbers["sequential"], numbers), strict=True):
        assert outcome.traded_wh == energy_wh(own["traded_kwh"])
        assert outcome.welfare == money_units(own["welfare_yuan"])
