"""`gridbourse statement` and `gridbourse capacity` on a short day: what they show, write and refuse."""

import csv

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.experiments.day import run_day
from gridbourse.metering.broker import local_broker
from gridbourse.units import format_kwh, format_yuan

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
    outcome = run("statement", user, "--day", "2016-04-12", "--region", folder, "--csv", tmp_path / "s.csv")
    assert outcome.exit_code == 0, outcome.output
    assert f"{user}, 2016-04-12" in outcome.output
    assert "on balance the user" in outcome.output
    with (tmp_path / "s.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    settled = [(period, period.imbalances[user]) for period in result.settlement]
    assert [row["bought_kwh"] for row in rows] == [format_kwh(own.traded.bought_wh) for _, own in settled]
    assert [row["imbalance_yuan"] for row in rows] == [format_yuan(own.money(one.price_ticks)) for one, own in settled]
    assert [row["delivery_from"][11:] for row in rows] == ["00:00", "00:15", "00:30", "00:45"]


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
        (("statement", "Nobody", "--day", "2016-04-12"), "node_id"),
        (("statement", "Dispatch", "--day", "2016-04-12"), "a day that is settled for Dispatch"),
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
    assert outcome.exit_code == 2
    assert "%Y-%m-%d" in outcome.output or "YYYY-MM-DD" in outcome.output
