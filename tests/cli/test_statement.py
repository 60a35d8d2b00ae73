"""`gridbourse statement`, `metered` and `capacity` on a short day: what they show, write and refuse."""

import csv
import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.metering.broker import local_broker
from gridbourse.simulation.day import run_day
from gridbourse.units import format_kwh, format_yuan, period_start

NODES, PERIODS, SEED = 8, 4, 5


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statement") / "region"
    with local_broker() as broker:
        return folder, run_day(folder, NODES, PERIODS, SEED, broker, lambda: None)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(gridbourse, [str(argument) for argument in arguments])


def test_a_statement_is_shown_and_written_as_it_was_settled(run, day, tmp_path):
    folder, result = day
    user = result.settled()[0].buyer
    files = ("--csv", tmp_path / "s.csv", "--pdf", tmp_path / "s.pdf")
    outcome = run("statement", user, "--day", "2016-04-12", "--region", folder, "--as", user, *files)
    assert outcome.exit_code == 0, outcome.output
    settled = [period for period in result.settlement if period.imbalances[user].imbalance_wh]
    with (tmp_path / "s.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    imbalances = [row for row in rows if row["item"] == "imbalance"]
    assert [row["energy_kwh"] for row in imbalances] == [
        format_kwh(abs(period.imbalances[user].imbalance_wh)) for period in settled
    ]
    assert [row["delivery_from"] for row in imbalances] == [
        f"{period_start(period.period):%Y-%m-%dT%H:%M+00:00}" for period in settled
    ]
    own = [period.imbalances[user] for period in result.settlement]
    balance = sum(one.traded.received - one.traded.paid for one in own) + sum(
        period.imbalances[user].money(period.price_ticks) for period in result.settlement
    )
    assert sum(Decimal(row["received_yuan"] or 0) - Decimal(row["paid_yuan"] or 0) for row in rows) == Decimal(
        format_yuan(balance)
    )
    assert f"{format_yuan(balance)} yuan" in outcome.output
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF-")


def test_what_a_meter_counted_is_shown_beside_what_was_traded(run, day):
    folder, result = day
    user = result.settled()[0].buyer
    outcome = run("metered", user, "--day", "2016-04-12", "--region", folder, "--as", user, "--json")
    bought = {one["period"]: one["bought_wh"] for one in json.loads(outcome.output)}
    settled = {period.period: period.imbalances[user].traded.bought_wh for period in result.settlement}
    assert bought == {period: wh for period, wh in settled.items() if period in bought}
    assert any(bought.values())


def test_a_capacity_is_walked_back_to_its_schedules(run, day):
    folder, result = day
    outcome = run("capacity", "2016-04-12T00:15", "river", "city", "--region", folder)
    assert outcome.exit_code == 0, outcome.output
    assert f"{format_kwh(result.capacity_wh['river', 'city'][1])} kWh" in outcome.output
    assert "Every sum is that of the records it names." in outcome.output
    assert "Hydro" in outcome.output or "Run-of-river" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("statement", "Nobody", "--day", "2016-04-12", "--as", "regulator"), "no node 'Nobody'"),
        (("statement", "--day", "2016-04-12"), "sign in"),
        (("capacity", "2016-04-12T09:00", "river", "city"), "period"),
        (("capacity", "2016-04-12T00:00", "sea", "city"), "from_zone"),
    ],
)
def test_what_there_is_not_is_named(run, day, arguments, words):
    outcome = run(*arguments, "--region", day[0])
    assert outcome.exit_code == 1
    assert words in str(outcome.exception)


def test_a_day_that_is_no_date_is_refused(run, day):
    outcome = run("statement", "x", "--day", "yesterday", "--region", day[0])
    assert outcome.exit_code == 1
    assert "day: 'yesterday' is not valid; give a date as 2026-11-30" in str(outcome.exception)
