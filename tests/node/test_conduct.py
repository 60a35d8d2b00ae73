"""What every step of is allowed, and the regulator is told of nevertheless."""

from dataclasses import replace

import pytest
from small_region import DAY, PERIOD, ask, bid, trade, trader

from gridbourse.market.types import Side

MONEY = b"\x03" * 32


@pytest.fixture
def inside(region):
    """Arno, below the same master as Anna, has money too."""
    region.deposit({"Anna": 10**9, "Arno": 10**9}, DAY, MONEY)
    return region


def test_whoever_lets_deals_end_again_and_again_is_named(region):
    consortium = region.main.consortium
    free = replace(consortium.settings(), apart_seconds=0)
    for master in region.masters.values():
        master.main_wallet.send(consortium.vote(consortium.change_settings(free)))
    for turn in range(4):
        assert region.regulator.audit() == [], f"{turn} times"
        region.offer([("Anna", ask()), ("Bert", bid())])
        region.answer([asked for asked in region.deliver() if asked.side is Side.BID], confirmed=False)
        region.anchor()
    (finding,) = region.regulator.audit()
    assert "Bert of grid let 4 deals end" in finding


def test_an_honest_trade_inside_a_portfolio_is_nobodys_business(inside):
    inside.offer([("Anna", ask()), ("Arno", bid())])
    trade(inside)
    assert inside.regulator.audit() == []


def test_a_trade_inside_a_portfolio_at_the_cap_is_named(inside):
    inside.offer([("Anna", ask(price_ticks=9_000)), ("Arno", bid(price_ticks=9_000))])
    trade(inside)
    (finding,) = inside.regulator.audit()
    assert "Anna and Arno, both below roofs: traded at a limit of the market" in finding


def test_money_that_is_moved_back_is_named(inside):
    inside.offer([("Anna", ask()), ("Arno", bid())])
    trade(inside)
    roofs = inside.masters["roofs"]
    back = inside.main.market.move_deposit(trader(inside, "Anna"), trader(inside, "Arno"), 1_000)
    roofs.main_wallet.send(back)
    assert any("the money was moved back" in finding for finding in inside.regulator.audit())


def test_who_sells_to_each_other_in_one_period_is_named(inside):
    inside.offer([("Anna", ask()), ("Arno", bid())])
    inside.offer([("Arno", ask()), ("Anna", bid())])
    trade(inside)
    findings = inside.regulator.audit()
    assert len(findings) == 2
    assert all(f"each sold to the other in period {PERIOD}" in finding for finding in findings)
