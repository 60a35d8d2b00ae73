"""The paper's market (section 4, Tables 2 and 3), read as mission section 6 says."""

import pytest
from examples import GRID, NOW, PAYMENT, RECORD, SETTINGS, Market

from gridbourse.market.consortium import Consortium
from gridbourse.market.types import EnergyType, OrderRequest, Role, Side
from gridbourse.units import energy_wh, money_units, price_ticks

PERIOD = 100
BUYERS = {1: (600, "0.37"), 2: (360, "0.40"), 3: (240, "0.41"), 4: (350, "0.33")}
SELLERS = {5: (240, "0.41"), 6: (280, "0.39"), 7: (700, "0.43"), 8: (230, "0.37"), 9: (150, "0.37"), 10: (300, "0.36")}
SIX_TRADES = [
    (10, 1, 300, "0.36"),
    (8, 1, 230, "0.37"),
    (9, 1, 70, "0.37"),
    (9, 2, 80, "0.37"),
    (6, 2, 280, "0.39"),
    (5, 3, 240, "0.41"),
]
MASTER_OF_ALL = 1


@pytest.fixture
def market():
    market = Market(Consortium(list(Role), SETTINGS))
    users = [*BUYERS, *SELLERS]
    market.register_traders(MASTER_OF_ALL, [bytes([user]) * 32 for user in users])
    market.deposit(GRID, {user: money_units(1_000) for user in users}, PAYMENT)
    market.set_quotas(MASTER_OF_ALL, {(user, PERIOD): energy_wh(kwh) for user, (kwh, _) in SELLERS.items()})
    return market


@pytest.fixture
def orders(market):
    """Each user's order; the sellers' wait when the buyers enter in the order 1, 2, 3, 4."""

    def place(user, side, kwh, price):
        request = OrderRequest(user, side, EnergyType.PV, PERIOD, price_ticks(price), energy_wh(kwh))
        return market.place(MASTER_OF_ALL, request, RECORD, NOW)

    asks = {user: place(user, Side.ASK, *row) for user, row in SELLERS.items()}
    return asks | {user: place(user, Side.BID, *row) for user, row in BUYERS.items()}


def test_exactly_the_six_trades_follow_in_the_papers_order(market, orders):
    trades = [(deal.seller, deal.buyer, deal.energy_wh, deal.price_ticks) for deal in market.deals()]
    assert trades == [(seller, buyer, energy_wh(kwh), price_ticks(price)) for seller, buyer, kwh, price in SIX_TRADES]


def test_only_users_4_and_7_keep_waiting_with_all_they_offered(market, orders):
    remaining = {user: market.book[order_id].open_wh for user, order_id in orders.items()}
    assert {user: wh for user, wh in remaining.items() if wh} == {4: energy_wh(350), 7: energy_wh(700)}


def test_after_confirmation_and_settlement_everybody_has_what_was_traded(market, orders):
    numbers = range(1, len(SIX_TRADES) + 1)
    market.confirm_both(*numbers)
    market.settle(MASTER_OF_ALL, numbers)
    bought = {user: market.position(user, PERIOD).bought_wh for user in BUYERS}
    sold = {user: market.position(user, PERIOD).sold_wh for user in SELLERS}
    assert bought == {1: energy_wh(600), 2: energy_wh(360), 3: energy_wh(240), 4: 0}
    assert sold == {user: 0 if user == 7 else energy_wh(kwh) for user, (kwh, _) in SELLERS.items()}
    paid = money_units(1_000) - market.trader(1).free_money
    assert paid == money_units("219")  # 300 kWh at 0.36 and 300 kWh at 0.37
    assert market.trader(10).free_money == money_units(1_000) + money_units("108")
