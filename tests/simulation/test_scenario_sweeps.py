"""Sweeps and comparisons: every case once, on all cores, kept, resumed, estimated, drawn, and told on the screen."""

import csv
import json
import xml.etree.ElementTree as ET
from datetime import date
from statistics import mean, stdev

import pytest
from click.testing import CliRunner
from valley_scenario import PARTICIPANTS, SCENARIO, write_valley

from gridbourse.cli.scenario import scenario as command
from gridbourse.errors import InvalidValue
from gridbourse.simulation import Result, compare, copy_shipped, load_scenario, measure, run, shipped, summarise, sweep
from gridbourse.simulation.experiment.sweep import CASES
from gridbourse.simulation.scenario.shipped import shipped_names

FOUR = ("sequential", "continuous", "uniform", "mid_price")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A scenario, where its sweep went, what it gave, and what it told of its progress."""
    folder = write_valley(tmp_path_factory.mktemp("valley"))
    output, told = folder / "out", []
    axes = {"market.mechanism": ["continuous", "uniform"], "strategy": ["truthful", "zero_intelligence"]}
    results = sweep(load_scenario(folder), output, axes=axes, seeds=2, progress=lambda *done: told.append(done))
    return folder, output, axes, results, told


def test_every_combination_is_run_with_every_seed(swept):
    _, _, axes, results, told = swept
    cases = [(one.settings["market.mechanism"], one.settings["strategy"], one.seed) for one in results]
    assert cases == [(m, s, seed) for m in axes["market.mechanism"] for s in axes["strategy"] for seed in (5, 6)]
    assert told == [(done, 8) for done in range(9)]


def test_other_processes_measure_what_this_one_does(swept):
    folder, _, _, results, _ = swept
    for one in (results[0], results[-1]):
        scenario = load_scenario(folder, {**one.settings, "seed": one.seed})
        assert one.measures == measure(scenario, run(scenario)).flat()


def test_a_sweep_goes_on_with_what_is_missing(swept):
    folder, output, axes, results, _ = swept
    kept = sorted((output / CASES).iterdir())
    marked = json.loads(kept[0].read_text("utf-8"))
    marked["measures"]["trades"] = -1
    kept[0].write_text(json.dumps(marked), "utf-8")
    kept[1].unlink()
    told = []
    again = sweep(load_scenario(folder), output, axes=axes, seeds=2, progress=lambda *done: told.append(done))
    assert told == [(7, 8), (8, 8)]
    # What was there was not run again, and what was not is as before.
    assert [one.measures["trades"] for one in again].count(-1) == 1
    assert sum(one == before for one, before in zip(again, results, strict=True)) == 7


def test_results_of_another_state_of_the_scenario_are_not_mixed_in(tmp_path):
    folder = write_valley(tmp_path)
    sweep(load_scenario(folder), folder / "out", axes={"strategy": ["truthful"]}, seeds=1, workers=1)
    write_valley(tmp_path, scenario=SCENARIO.replace('"0.60"', '"0.61"'))
    with pytest.raises(InvalidValue, match="another output"):
        sweep(load_scenario(folder), folder / "out", axes={"strategy": ["truthful"]}, seeds=1, workers=1)


@pytest.mark.parametrize("axes", [{"strategy": ["truthful", "clever"]}, {"market.mechanism": ["dutch"]}, {"seed": [1]}])
def test_a_wrong_value_of_an_axis_is_named_before_anything_runs(tmp_path, axes):
    folder = write_valley(tmp_path)
    with pytest.raises(InvalidValue, match=next(iter(axes)).replace(".", r"\.")):
        sweep(load_scenario(folder), folder / "out", axes=axes, seeds=1)
    assert not list((folder / "out").glob(f"{CASES}/*.json"))


def test_estimates_are_means_with_students_intervals():
    numbers = [1.0, 2.0, 4.0, 9.0]
    results = [Result({"a": 1}, seed, {"trades": number, "loss_kwh": None}) for seed, number in enumerate(numbers)]
    (found,) = summarise(results)
    half = 3.182446305284263 * stdev(numbers) / 2  # the 97.5 % point of Student's t with three degrees of freedom
    assert (found.runs, found.mean) == (4, mean(numbers))
    assert (found.low, found.high) == pytest.approx((mean(numbers) - half, mean(numbers) + half))
    assert summarise(results[:1])[0].low is None


def test_compare_shows_four_mechanisms_on_ones_own_files(tmp_path):
    folder = write_valley(tmp_path)
    done = CliRunner().invoke(command, ["compare", str(folder), "--seeds", "2", "--workers", "1"])
    assert done.exit_code == 0, done.output
    for mechanism in FOUR:
        assert mechanism in done.output
    output = folder / "results" / "compare"
    with (output / "summary.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "welfare_share"]
    assert [row["market.mechanism"] for row in rows] == list(FOUR)
    assert float(rows[2]["mean"]) == pytest.approx(1)
    page = (output / "report.html").read_text("utf-8")
    for stem in ("welfare_share", "saved_share"):
        assert (output / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert ET.parse(output / f"{stem}.svg").getroot().tag.endswith("svg")
        assert f'src="{stem}.svg"' in page
        with (output / f"{stem}.csv").open(encoding="utf-8") as file:
            assert [row["setting"] for row in csv.DictReader(file)] == list(FOUR)
    before = page
    (output / "report.html").unlink()
    again = CliRunner().invoke(command, ["report", str(folder), str(output)])
    assert again.exit_code == 0, again.output
    assert (output / "report.html").read_text("utf-8").count("<tr>") == before.count("<tr>")


def test_a_run_leaves_tables_figures_and_a_page(tmp_path):
    folder = write_valley(tmp_path, scenario=SCENARIO.replace("A valley", "A <valley>"))
    done = CliRunner().invoke(command, ["run", str(folder), "--set", "seed=7", "--mechanism", "uniform"])
    assert done.exit_code == 0, done.output
    output = folder / "results" / "run"
    scenario = load_scenario(folder, {"seed": 7, "market.mechanism": "uniform"})
    record = run(scenario)
    with (output / "trades.csv").open(encoding="utf-8") as file:
        trades = list(csv.DictReader(file))
    assert [row["buyer"] for row in trades] == [trade.buyer for trade in record.trades]
    assert trades[0]["time"] == "2026-08-03T11:00+08:00"
    with (output / "measures.csv").open(encoding="utf-8") as file:
        found = {row["measure"]: row["value"] for row in csv.DictReader(file)}
    assert float(found["traded_kwh"]) == measure(scenario, record).traded_kwh
    page = (output / "report.html").read_text("utf-8")
    assert "A &lt;valley&gt;" in page
    assert {path.name for path in output.glob("*.svg")} == {"periods.svg", "saved.svg"}


def test_from_an_empty_folder_to_a_figure_and_no_further_over_what_is_there(tmp_path):
    folder = tmp_path / "mine"
    made = CliRunner().invoke(command, ["init", str(folder)])
    assert made.exit_code == 0, made.output
    ran = CliRunner().invoke(command, ["run", str(folder), "--set", "periods=8"])
    assert ran.exit_code == 0, ran.output
    assert (folder / "results" / "run" / "periods.png").is_file()
    with pytest.raises(InvalidValue, match="not overwritten"):
        copy_shipped("start", folder)
    with pytest.raises(InvalidValue, match="start"):
        shipped("none")


def test_every_shipped_scenario_can_be_read():
    assert {"paper", "random", "start"} <= set(shipped_names())
    for name in shipped_names():
        assert load_scenario(shipped(name)).wants


def test_compare_takes_its_mechanisms_from_the_scenario(tmp_path):
    scenario = load_scenario(shipped("paper"))
    found = compare(scenario, tmp_path, seeds=1, workers=1)
    assert {one.settings["market.mechanism"]: one.measures["traded_kwh"] for one in found} == {
        "sequential": 1_200,
        "uniform": 680,
        "pay_as_bid": 680,
        "mid_price": 680,
    }


def small(folder, **fields):
    return sweep(load_scenario(folder), **{"axes": {"strategy": ["truthful"]}, "seeds": 2, "workers": 1, **fields})


def test_a_renamed_folder_is_the_same_scenario_and_a_damaged_result_is_named(tmp_path):
    before = small(write_valley(tmp_path / "valley"), output=tmp_path / "out")
    (tmp_path / "valley").rename(tmp_path / "other")
    told = []
    assert small(tmp_path / "other", output=tmp_path / "out", progress=lambda *done: told.append(done)) == before
    assert told == [(2, 2)]
    damaged = next((tmp_path / "out" / CASES).iterdir())
    damaged.write_bytes(b"")
    with pytest.raises(InvalidValue, match=rf"{damaged.name}.*delete it"):
        small(tmp_path / "other", output=tmp_path / "out")
    damaged.unlink()
    assert small(tmp_path / "other", output=tmp_path / "out") == before


def test_results_are_not_written_among_the_scenarios_files(tmp_path):
    folder = write_valley(tmp_path)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    for command_line in (["run"], ["compare", "--seeds", "1"]):
        done = CliRunner().invoke(command, [*command_line, str(folder), "--output", str(folder / ".")])
        assert isinstance(done.exception, InvalidValue)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


@pytest.mark.parametrize("values", [["truthful", "truthful"], [1.5, float("nan")], [date(2026, 8, 3)]])
def test_values_that_make_no_cases_of_their_own_are_refused(tmp_path, values):
    with pytest.raises(InvalidValue, match="axes, strategy"):
        small(write_valley(tmp_path), output=tmp_path / "out", axes={"strategy": values})


def test_a_field_is_an_axis_or_has_one_value(tmp_path):
    with pytest.raises(InvalidValue, match="either"):
        small(write_valley(tmp_path), output=tmp_path / "out", fixed={"strategy": "adaptive"})


@pytest.mark.parametrize(
    ("wrong", "words"), [("1 / 0", "ZeroDivisionError"), ("__import__('os')._exit(3)", "process ended")]
)
def test_a_strategy_that_fails_in_another_process_is_told_here(tmp_path, wrong, words):
    folder = write_valley(tmp_path, scenario=SCENARIO + '\n[strategies.mine]\nclass = "mine.py:Shy"\n')
    (folder / "mine.py").write_text(
        "class Shy:\n"
        "    def __init__(self, draw): ...\n"
        f"    def price_ticks(self, situation): {wrong}\n"
        "    def learn(self, outcome): ...\n"
    )
    with pytest.raises(InvalidValue, match=words):
        small(folder, output=tmp_path / "out", axes={"strategy": ["mine"]})


def test_a_report_of_another_state_of_the_scenario_is_refused(tmp_path):
    folder = write_valley(tmp_path)
    small(folder, output=tmp_path / "out")
    write_valley(tmp_path, scenario=SCENARIO.replace('"0.60"', '"0.61"'))
    done = CliRunner().invoke(command, ["report", str(folder), str(tmp_path / "out")])
    assert isinstance(done.exception, InvalidValue)


def test_words_of_a_title_and_of_names_are_no_formulas(tmp_path):
    folder = write_valley(tmp_path, participants=PARTICIPANTS.replace("Roof", r"$\frac$ Roof"))
    done = CliRunner().invoke(command, ["run", str(folder)])
    assert done.exit_code == 0, done.output
    assert r"$\frac$ Roof" in (folder / "results" / "run" / "saved.svg").read_text("utf-8")
