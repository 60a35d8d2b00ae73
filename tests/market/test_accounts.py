"""Traders, deposits and quotas."""

import pytest
from examples import GRID, PAYMENT, PERIOD, SOURCE, USER

from gridbourse.errors import MarketError
from gridbourse.market.types import Position, Role, Trader


def broken_rule(call, *arguments):
    with pytest.raises(MarketError) as error:
        call(*arguments)
    return (error.value.rule, *error.value.arguments)


def test_traders_get_consecutive_numbers_and_are_found_by_pseudonym(market):
    first = market.register_traders(USER, [b"\x71" * 32, b"\x72" * 32])
    assert (first, market.trader_count) == (7, 8)
    assert market.trader_of(USER, b"\x72" * 32) == 8
    assert market.trader_of(USER, b"\x73" * 32) == 0
    assert market.trader(8) == Trader(USER)


@pytest.mark.parametrize("pseudonym", [bytes(32), b"\x70" * 32, b"\x71" * 32], ids=["zero", "taken", "twice"])
def test_a_pseudonym_that_is_not_free_registers_none_of_the_batch(market, pseudonym):
    market.register_traders(USER, [b"\x70" * 32])
    rule = broken_rule(market.register_traders, USER, [b"\x71" * 32, pseudonym])
    assert rule == ("PseudonymNotFree", pseudonym)
    assert market.trader_count == 7


def test_a_pseudonym_that_another_master_registered_first_is_not_taken(market):
    copied = market.register_traders(GRID, [b"\x71" * 32])
    own = market.register_traders(USER, [b"\x71" * 32])
    assert (market.trader_of(GRID, b"\x71" * 32), market.trader_of(USER, b"\x71" * 32)) == (copied, own)
    assert market.trader(own) == Trader(USER)


def test_only_the_settlement_agent_credits_and_debits(market):
    assert broken_rule(market.deposit, USER, {5: 1}, PAYMENT) == ("NotSettlementAgent", USER)
    assert broken_rule(market.withdraw, USER, 5, 1, PAYMENT) == ("NotSettlementAgent", USER)


def test_the_agent_is_who_the_vote_named(market):
    market.consortium.settlement_agent = USER
    market.withdraw(USER, 5, 1, PAYMENT)
    assert broken_rule(market.withdraw, GRID, 5, 1, PAYMENT) == ("NotSettlementAgent", GRID)


def test_a_deposit_for_an_unknown_trader_credits_nobody(market):
    assert broken_rule(market.deposit, GRID, {5: 1, 77: 1}, PAYMENT) == ("UnknownTrader", 77)
    assert market.trader(5).free_money == 10**9


def test_nobody_withdraws_what_a_deal_holds(market):
    market.sell(1, 100, 2_000)
    market.buy(5, 100, 2_000)
    free_money = 10**9 - 200_000
    assert broken_rule(market.withdraw, GRID, 5, 10**9, PAYMENT) == ("NotEnoughMoney", 5, free_money, 10**9)


def test_a_master_moves_deposits_between_its_own_traders_only(market):
    market.move_deposit(SOURCE, 1, 2, 10)
    assert (market.trader(1).free_money, market.trader(2).free_money) == (10**9 - 10, 10**9 + 10)
    assert broken_rule(market.move_deposit, SOURCE, 1, 5, 10) == ("NotYourTrader", 5)
    assert broken_rule(market.move_deposit, SOURCE, 5, 1, 10) == ("NotYourTrader", 5)


def test_a_quota_cannot_fall_below_what_is_held_or_sold(market):
    market.sell(1, 100, 2_000)
    market.buy(5, 100, 2_000)
    assert broken_rule(market.set_quotas, SOURCE, {(2, PERIOD): 7, (1, PERIOD): 99}) == (
        "QuotaTooSmall",
        1,
        PERIOD,
        100,
    )
    assert market.position(2, PERIOD).quota_wh == 10_000
    market.set_quotas(SOURCE, {(1, PERIOD): 100})
    assert market.position(1, PERIOD) == Position(quota_wh=100, held_wh=100)


def test_a_quota_holds_for_one_period(market):
    assert market.position(1, PERIOD + 1) == Position()


def test_a_suspended_master_acts_again_once_it_is_admitted_again(market):
    market.consortium.suspend(SOURCE)
    assert broken_rule(market.set_quotas, SOURCE, {}) == ("NotActiveMaster", SOURCE)
    market.consortium.admit_again(SOURCE, Role.USER)
    market.set_quotas(SOURCE, {(1, PERIOD): 5})


def test_a_new_master_gets_the_next_number(market):
    newcomer = market.consortium.admit(Role.AGGREGATOR)
    assert newcomer == 4
    assert market.register_traders(newcomer, [b"\x71" * 32]) == 7
