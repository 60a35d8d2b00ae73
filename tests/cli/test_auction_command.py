"""`gridbourse auction clear`: a file of orders, cleared; what is no order is named."""

import json

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.errors import InvalidValue

PAPER = """\
user,side,price_yuan_per_kwh,energy_kwh
User 1,bid,0.37,600
User 2,bid,0.40,360
User 3,bid,0.41,240
User 4,bid,0.33,350
User 5,ask,0.41,240
User 6,ask,0.39,280
User 7,ask,0.43,700
User 8,ask,0.37,230
User 9,ask,0.37,150
User 10,ask,0.36,300
"""


@pytest.fixture
def clear(tmp_path):
    def run(content, *options):
        file = tmp_path / "orders.csv"
        file.write_text(content, "utf-8")
        return CliRunner().invoke(gridbourse, ["auction", "clear", str(file), *options], catch_exceptions=False)

    return run


def test_the_papers_book_trades_680_kwh_at_0_37(clear):
    shown = clear(PAPER)
    assert shown.exit_code == 0
    for text in ("0.37", "680", "23.4"):
        assert text in shown.output
    assert all(len(line) <= 80 for line in shown.output.splitlines())


def test_json_has_every_order_and_what_it_pays(clear):
    results = json.loads(clear(PAPER, "--json").stdout)
    assert [result["accepted_wh"] for result in results] == [
        80_000, 360_000, 240_000, 0, 0, 0, 0, 230_000, 150_000, 300_000,
    ]  # fmt: skip
    bought = sum(result["money"] for result in results if result["side"] == "bid")
    assert bought == sum(result["money"] for result in results if result["side"] == "ask") == 680_000 * 3_700


def test_by_pay_as_bid_a_buyer_pays_its_own_price(clear):
    results = json.loads(clear(PAPER, "--json", "--pricing", "pay_as_bid").stdout)
    assert [result["money"] for result in results[:3]] == [80_000 * 3_700, 360_000 * 4_000, 240_000 * 4_100]


def test_lines_that_are_no_orders_are_named_and_the_others_cleared(clear):
    wrong = "User 11,sell,0.37,1\nUser 12,ask,a lot,1\nUser 13,ask,0.37,0\nUser 14,ask\n"
    shown = clear(PAPER + wrong)
    assert shown.exit_code == 2
    assert "680" in shown.stdout
    for fault in ("line 12, side: 'sell'", "line 13, price_yuan_per_kwh: 'a lot'", "line 14, energy_kwh", "line 15"):
        assert f"left out: orders.csv, {fault}" in shown.stderr


def test_every_period_is_a_session_and_prices_may_be_negative(clear):
    orders = "period,side,price_yuan_per_kwh,energy_kwh\nnoon,ask,-0.03,2\nnoon,bid,-0.01,1\nnight,ask,0.3,1\n"
    results = json.loads(clear(orders, "--json").stdout)
    assert [(result["period"], result["accepted_wh"], result["money"]) for result in results] == [
        ("night", 0, 0),
        ("noon", 1_000, -300_000),
        ("noon", 1_000, -300_000),
    ]


@pytest.mark.parametrize("header", ["side,price,energy_kwh", "side,side,price_yuan_per_kwh,energy_kwh", ""])
def test_a_file_with_other_columns_is_refused(clear, header):
    with pytest.raises(InvalidValue, match=r"line 1.*the columns side, price_yuan_per_kwh, energy_kwh"):
        clear(header + "\n")


BLOCKS = """\
period,side,price_yuan_per_kwh,energy_kwh,block,user
1,bid,0.20,10,,Night works
2,bid,0.80,10,,Day works
1,ask,0.40,5,plant,Plant
2,ask,0.40,5,plant,Plant
2,ask,0.90,20,peaker,Peaker
"""


def test_a_block_is_accepted_for_its_mean_price_or_not_at_all(clear):
    results = json.loads(clear(BLOCKS, "--json").stdout)
    accepted = {(result["user"], result["period"]): (result["accepted_wh"], result["money"]) for result in results}
    assert accepted["Plant", "1"] == (5_000, 5_000 * 2_000)
    assert accepted["Plant", "2"] == (5_000, 5_000 * 8_000)
    assert accepted["Peaker", "2"] == (0, 0)
    assert accepted["Night works", "1"] == (5_000, 5_000 * 2_000)
    assert "│      1 │     0.20 │   5 │ -1 " in clear(BLOCKS).output, "it loses in the night"


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("2,ask,0.40,5,plant", "2,ask,0.41,5,plant", "block: 'plant'"),
        ("2,ask,0.40,5,plant", "1,ask,0.40,5,plant", "block: 'plant'"),
        ("10,,Day", "none,,Day", "line 3, energy_kwh"),
    ],
)
def test_a_block_of_other_prices_or_with_a_wrong_line_beside_it_is_refused(clear, old, new, names):
    with pytest.raises(InvalidValue, match=names):
        clear(BLOCKS.replace(old, new, 1))


def test_blocks_trade_at_the_clearing_price(clear):
    with pytest.raises(InvalidValue, match="--pricing"):
        clear(BLOCKS, "--pricing", "mid_price")
