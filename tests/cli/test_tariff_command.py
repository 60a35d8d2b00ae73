"""`gridbourse tariff`: the delivered price with every part and its source."""

import csv
import json

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.errors import InvalidValue

PRICE = ("tariff", "price", "--rules", "sichuan-2026", "--level", "1-10kV", "--at")


def run(*arguments):
    return CliRunner().invoke(gridbourse, arguments, catch_exceptions=False)


def test_a_price_is_shown_with_every_part_and_what_is_doubtful():
    shown = run(*PRICE, "2026-08-03T13:15")
    assert shown.exit_code == 0
    for text in ("two_part: tip (factor 1.92)", "0.888436", "0.047169", "price-table-2026-08", "35 yuan/kW/month"):
        assert text in shown.output
    assert "川发改价格〔2025〕185号" in shown.output
    assert "Not confirmed by an operator: energy.agency, loss" in shown.output
    assert "Doubtful: band tip" in shown.output


def test_tables_are_readable_at_80_columns():
    shown = run(*PRICE, "2026-08-03T13:15")
    assert all(len(line) <= 80 for line in shown.output.split("\nRules")[0].splitlines())


def test_an_offer_stands_beside_the_retail_tariff():
    local = ("--tariff", "single_part", "--highest", "35kV", "--energy")
    assert "0.900884 yuan/kWh: saves 0.335415 yuan/kWh" in run(*PRICE, "2026-08-03T11:15", *local, "0.25").output
    assert "costs" in run(*PRICE, "2026-08-03T11:15", *local, "0.75").output


def test_json_names_the_set_and_the_origin_of_every_parameter():
    price = json.loads(run(*PRICE, "2026-08-03T19:15", "--json").output)
    assert price["yuan_per_kwh"] == "0.506544"
    assert price["rules"].startswith("sichuan-2026@")
    assert price["parts"][0]["parameters"][0]["name"] == "energy.agency"


def test_below_1_kv_the_single_part_tariff_is_taken():
    shown = run("tariff", "price", "--rules", "sichuan-2026", "--level", "<1kV", "--at", "2026-08-03T03:00")
    assert "0.304364" in shown.output
    assert "beside it" not in shown.output


def test_a_day_is_a_table_or_a_csv_file(tmp_path):
    day = ("tariff", "table", "--rules", "sichuan-2026", "--level", "1-10kV", "--day", "2026-08-03")
    assert run(*day).output.count("0.888436") == 12
    file = tmp_path / "day.csv"
    assert run(*day, "--csv", str(file)).exit_code == 0
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert len(rows) == 96
    assert rows[0]["delivery_from"] == "2026-08-03T00:00+08:00"
    assert {row["yuan_per_kwh"] for row in rows} == {"0.888436", "0.755604", "0.506544", "0.257484"}
    assert len(json.loads(run(*day, "--json").output)) == 96


def test_an_unknown_set_and_a_month_without_prices_are_refused():
    with pytest.raises(InvalidValue, match=r"rules.*sichuan-2026"):
        run("tariff", "price", "--rules", "nowhere", "--level", "1-10kV", "--at", "2026-08-03T19:15")
    with pytest.raises(InvalidValue, match=r"energy\.agency.*valid on 2026-11-03"):
        run(*PRICE, "2026-11-03T19:15")


STATEMENT = """\
node,item,deal,delivery_from,side,energy_type,energy_kwh,price_yuan_per_kwh,paid_yuan,received_yuan
Home,deal,1,2026-08-03T12:00+08:00,bid,pv,2,0.25,0.5,
Home,deal,2,2026-08-03T03:00+08:00,bid,pv,1,0.3,0.3,
Home,deal,3,2026-08-03T03:00+08:00,ask,pv,1,0.3,,0.3
Home,imbalance,,2026-08-03T12:00+08:00,bid,,1,0.4,0.4,
"""
SAVING = ("--rules", "sichuan-2026", "--level", "1-10kV")


def test_a_statement_is_set_beside_the_retail_tariff(tmp_path):
    file = tmp_path / "home.csv"
    file.write_text(STATEMENT, "utf-8-sig")
    shown = run("tariff", "saving", str(file), *SAVING)
    assert "0.755604" in shown.output
    assert "saved 0.0175" in shown.output
    rows = json.loads(run("tariff", "saving", str(file), *SAVING, "--json").output)
    assert [row["saved"] for row in rows] == [333_888, -158_264]


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("0.25", "cheap", r"home\.csv, line 2, price_yuan_per_kwh"),
        ("2026-08-03T12:00", "noon", r"home\.csv, line 2, delivery_from"),
        ("energy_kwh", "energy", r"home\.csv, line 1"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused(tmp_path, old, new, names):
    file = tmp_path / "home.csv"
    file.write_text(STATEMENT.replace(old, new, 1), "utf-8")
    with pytest.raises(InvalidValue, match=names):
        run("tariff", "saving", str(file), *SAVING)
