"""What the demo writes: pictures that are pictures, and CSV files whose numbers are those that were measured."""

import csv
import struct

import pytest

from gridbourse.paper.comparison import Comparison, TradeTime
from gridbourse.paper.market import ORDERS, Row, Trade
from gridbourse.paper.report import TRADES, write, write_scale
from gridbourse.paper.scale import ScaleResult
from gridbourse.units import energy_wh, price_ticks

ROWS = [Row(order.participant, order.side, order.energy_wh, order.energy_wh, order.limit_ticks) for order in ORDERS]
DEALS = [
    Trade(number, buyer, seller, energy_wh(kwh), price_ticks(price))
    for number, (buyer, seller, kwh, price) in enumerate(TRADES, start=1)
]


def run_of(milliseconds):
    return tuple(TradeTime(milliseconds / 4_000, milliseconds / 2_000, milliseconds / 1_000) for _ in DEALS)


COMPARED = Comparison((run_of(4), run_of(8)), (run_of(2), run_of(4)))
RESULTS = [
    ScaleResult(True, 100, 40, 5_000, 70, {"main": 2.0}, 3.0),
    ScaleResult(False, 100, 40, 5_000, 70, {"main": 1.0, "user": 0.5}, 4.0),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return {path.name: path for path in [*write(folder, ROWS, ROWS, DEALS, COMPARED), *write_scale(folder, RESULTS)]}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_and_figure_has_its_file(written):
    assert set(written) == {
        "table2.csv",
        "table3.csv",
        "figure5.csv",
        "figure5.png",
        "mechanisms.csv",
        "figure6.csv",
        "figure6.png",
        "scale.csv",
        "scale.png",
    }


@pytest.mark.parametrize("name", ["figure5.png", "figure6.png", "scale.png"])
def test_a_picture_is_a_whole_png_as_wide_as_all(written, name):
    content = written[name].read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", content[16:24])
    assert width == 1_800
    assert 500 < height < 1_200


@pytest.mark.parametrize("name", ["table2.csv", "table3.csv"])
def test_a_table_has_the_papers_columns_and_ten_rows(written, name):
    rows = read(written[name])
    assert list(rows[0]) == ["user", "side", "status", "offered_kwh", "remaining_kwh", "price_yuan_per_kwh"]
    assert [row["user"] for row in rows] == [f"User {number}" for number in range(1, 11)]
    assert rows[1] == {
        "user": "User 2",
        "side": "buy",
        "status": "published",
        "offered_kwh": "360",
        "remaining_kwh": "360",
        "price_yuan_per_kwh": "0.40",
    }


def test_figure_5_lists_the_trades_in_their_order_at_rising_prices(written):
    rows = read(written["figure5.csv"])
    assert rows[2] == {
        "trade": "3",
        "buyer": "User 1",
        "seller": "User 9",
        "energy_kwh": "70",
        "price_yuan_per_kwh": "0.37",
        "money_yuan": "25.9",
    }
    prices = [row["price_yuan_per_kwh"] for row in rows]
    assert prices == sorted(prices) == ["0.36", "0.37", "0.37", "0.37", "0.39", "0.41"]


def test_both_mechanisms_stand_beside_each_other(written):
    rows = read(written["mechanisms.csv"])
    energies = {row["user"]: (row["sequential_kwh"], row["call_auction_kwh"]) for row in rows}
    assert energies["User 1"] == ("600", "80")
    assert energies["User 5"] == ("240", "0")
    assert energies["User 10"] == ("300", "300")
    assert len(rows) == 10


def test_figure_6_lists_every_trade_and_the_total_of_every_measure_of_both_models(written):
    rows = read(written["figure6.csv"])
    places = [(row["model"], row["measure"], row["trade"]) for row in rows]
    trades = ["1", "2", "3", "4", "5", "6", "total"]
    assert places == [
        (model, measure, trade)
        for model in ("single chain", "master-slave")
        for measure in ("main", "elapsed", "work")
        for trade in trades
    ]
    columns = ("lower_quartile_ms", "median_ms", "upper_quartile_ms")
    times = {place: tuple(row[column] for column in columns) for place, row in zip(places, rows, strict=True)}
    assert times["single chain", "work", "1"] == ("5.0000", "6.0000", "7.0000")
    assert times["single chain", "work", "total"] == ("30.0000", "36.0000", "42.0000")
    assert times["master-slave", "main", "1"] == ("0.6250", "0.7500", "0.8750")


def test_scale_lists_how_long_every_chain_was_busy(written):
    rows = read(written["scale.csv"])
    assert [(row["model"], row["chain"], row["busy_s"]) for row in rows] == [
        ("single chain", "main", "2.000"),
        ("master-slave", "main", "1.000"),
        ("master-slave", "user", "0.500"),
    ]
    assert {(row["orders"], row["trades"]) for row in rows} == {("100", "40")}


def test_files_written_again_are_the_same(written, tmp_path):
    again = [*write(tmp_path, ROWS, ROWS, DEALS, COMPARED), *write_scale(tmp_path, RESULTS)]
    assert [path.read_bytes() for path in again] == [written[path.name].read_bytes() for path in again]
