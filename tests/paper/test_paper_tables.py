"""The paper's experiment (section 4) on real chains equals its tables, read as docs/paper.md says."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from gridbourse.errors import GridbourseError
from gridbourse.market.types import DealState, Role, Side
from gridbourse.paper import report as paper_report
from gridbourse.paper.market import ARRIVALS, DEPOSIT, ORDERS, PaperMarket, region_spec
from gridbourse.paper.report import SIDES
from gridbourse.units import energy_wh, format_kwh, format_price, money_units, price_ticks

VECTORS = Path(__file__).parents[1] / "vectors"
SIX_TRADES = [
    ("User 1", "User 10", "300", "0.36"),
    ("User 1", "User 8", "230", "0.37"),
    ("User 1", "User 9", "70", "0.37"),
    ("User 2", "User 9", "80", "0.37"),
    ("User 2", "User 6", "280", "0.39"),
    ("User 3", "User 5", "240", "0.41"),
]
PAID = {"User 1": "219", "User 2": "138.8", "User 3": "98.4"}
EARNED = {"User 10": "108", "User 8": "85.1", "User 9": "55.5", "User 6": "109.2", "User 5": "98.4"}


def printed(number):
    """A table as the paper prints it."""
    with (VECTORS / f"paper_table{number}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shown(rows):
    """A table of ours in the columns of the paper's."""
    return [
        {
            "user": row.user,
            "side": SIDES[row.side],
            "status": row.status,
            "offered_kwh": format_kwh(row.offered_wh),
            "remaining_kwh": format_kwh(row.remaining_wh),
            "price_yuan_per_kwh": format_price(row.price_ticks),
        }
        for row in rows
    ]


def without_status(rows):
    return [{column: text for column, text in row.items() if column != "status"} for row in rows]


@pytest.fixture(scope="module", params=[False, True], ids=["master-slave", "single chain"])
def market(request, tmp_path_factory):
    """The market when all is over."""
    with PaperMarket(tmp_path_factory.mktemp("paper") / "region", single_chain=request.param) as market:
        for order in ARRIVALS:
            market.enter(order)
        market.conclude()
        yield market


def test_the_market_before_is_table_2_but_for_user_10_who_has_not_sold_yet(tmp_path):
    with PaperMarket(tmp_path / "region") as market:
        before = shown(market.table())
    *others, user_10 = printed(2)
    assert before[:-1] == others
    assert before[-1] == user_10 | {"status": "published", "remaining_kwh": "300"}


def test_the_market_after_is_table_3_but_for_users_4_and_7_whose_orders_wait(market):
    after = shown(market.table())
    assert without_status(after) == without_status(printed(3))
    assert [row["user"] for row in after if row["status"] == "published"] == ["User 4", "User 7"]
    assert {row["status"] for row in printed(3)} == {"ended"}


def test_exactly_the_six_trades_follow(market):
    trades = [
        (trade.buyer, trade.seller, format_kwh(trade.energy_wh), format_price(trade.price_ticks))
        for trade in market.trades()
    ]
    assert trades == SIX_TRADES
    assert [trade.deal_id for trade in market.trades()] == [1, 2, 3, 4, 5, 6]


def test_every_deal_is_settled_at_the_sellers_price(market):
    for deal in market.deals().values():
        assert deal.state is DealState.SETTLED
        assert deal.ask.price_ticks == deal.price_ticks <= deal.bid.price_ticks


def test_money_and_energy_claims_have_moved(market):
    contract, day, period = market.region.main.market, market.day, market.period
    traders = {
        order.participant: market.region.master_of(order.participant).trader(order.participant, day) for order in ORDERS
    }
    accounts = {user: contract.trader(number) for user, number in traders.items()}
    bought = {user: contract.position(number, period).bought_wh for user, number in traders.items()}
    sold = {user: contract.position(number, period).sold_wh for user, number in traders.items()}
    for order in ORDERS:
        before = DEPOSIT if order.side is Side.BID else 0
        moved = money_units(EARNED.get(order.participant, 0)) - money_units(PAID.get(order.participant, 0))
        assert accounts[order.participant].free_money == before + moved
        assert accounts[order.participant].held_money == 0
    traded = {row["user"]: energy_wh(row["offered_kwh"]) - energy_wh(row["remaining_kwh"]) for row in printed(3)}
    assert {
        order.participant: (bought if order.side is Side.BID else sold)[order.participant] for order in ORDERS
    } == traded


def test_orders_waiting_at_the_end_are_those_of_users_4_and_7(market):
    contract = market.region.main.market
    (ask,), (bid,) = (contract.waiting_orders(market.period, side) for side in Side)
    assert (contract.order(ask).open_wh, ask.price_ticks) == (energy_wh(700), price_ticks("0.43"))
    assert (contract.order(bid).open_wh, bid.price_ticks) == (energy_wh(350), price_ticks("0.33"))


def test_the_regulator_proves_and_reads_the_records_behind_every_deal(market):
    for trade in market.trades():
        traced = market.region.regulator.trace(trade.deal_id)
        seller, buyer = (party.details for party in traced.parties)
        assert (seller.user_id, buyer.user_id) == (trade.seller, trade.buyer)
        assert [step for party in traced.parties for step in party.steps if not step.holds] == []


def test_the_region_has_four_kinds_of_masters_and_ten_users():
    spec = region_spec()
    assert [master.role for master in spec.masters] == [Role.SOURCE, Role.GRID, Role.AGGREGATOR, Role.USER]
    users = {node.node_id for master in spec.masters for node in master.nodes}
    assert users == {order.participant for order in ORDERS} == {f"User {number}" for number in range(1, 11)}


def test_the_check_accepts_the_papers_market_and_nothing_else(market):
    rows, trades = market.table(), market.trades()
    paper_report.check(rows, trades)
    with pytest.raises(GridbourseError, match="User 1"):
        paper_report.check([replace(rows[0], remaining_wh=1), *rows[1:]], trades)
    with pytest.raises(GridbourseError, match="trades"):
        paper_report.check(rows, trades[::-1])
    with pytest.raises(GridbourseError, match="trades"):
        paper_report.check(rows, trades[:-1])
