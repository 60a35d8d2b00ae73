"""A scenario's folder: what it may say, and how it is told what is wrong."""

from datetime import UTC, datetime

import pytest
from valley_scenario import PARTICIPANTS, PROFILES, REGION, SCENARIO, write_valley

from gridbourse.errors import InvalidValue
from gridbourse.market.types import EnergyType, Side
from gridbourse.simulation.experiment.run import run
from gridbourse.simulation.scenario.description import load_scenario
from gridbourse.units import period_at


def test_a_folder_becomes_participants_periods_and_wants(tmp_path):
    scenario = load_scenario(write_valley(tmp_path))
    assert scenario.periods.start == period_at(datetime(2026, 8, 3, 3, tzinfo=UTC))
    assert len(scenario.periods) == 8
    assert [one.name for one in scenario.participants] == ["Roof", "Turbine", "Home", "Shop", "Works"]
    assert [node.node_id for node in scenario.region.masters[1].nodes] == ["Roof", "Home", "Shop"]
    roof = scenario.wants[0]
    assert (roof.participant, roof.side, roof.energy_types) == ("Roof", Side.ASK, EnergyType.PV)
    # At 11:00 the fifth line counts: 2 x 2.4 kWh made, 0.6 kWh used.
    assert (roof.energy_wh, roof.limit_ticks) == (4_200, 3_100)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "scenario",
            'mechanism = "continuous"',
            'mechanism = "dutch"',
            ("scenario.toml, line 7, market.mechanism", "uniform"),
        ),
        ("scenario", "seed = 5", "sead = 5", ("scenario.toml, line 4, sead", "misspelt")),
        ("scenario", "periods = 8", "periods = 0", ("scenario.toml, line 3, periods", "from 1")),
        ("scenario", "2026-08-03T11:00", "2026-08-03T11:07", ("scenario.toml, line 2, start", "quarter")),
        ("scenario", '"0.60"', "0.6", ("scenario.toml, line 10, tariff.retail_yuan_per_kwh", "in quotes")),
        ("scenario", "periods = 8", "periods = 80", ("profiles.csv", "lines from")),
        ("scenario", "[carbon]", "[carbon", ("scenario.toml", "TOML")),
        ("region", "chain_id = 9100", "chain_id = 0", ("region.toml, line 2, chain_id",)),
        ("region", "cooling_off_seconds", "cooling_seconds", ("region.toml", "cooling_off_seconds")),
        ("participants", "Works,grid", "Works,gird", ("participants.csv, line 6, master", "grid, valley")),
        (
            "participants",
            "Home,valley,residential",
            "Home,valley,castle",
            ("participants.csv, line 4, kind", "residential"),
        ),
        ("participants", ",sun,", ",moon,", ("participants.csv, line 2, generation", "sun, home, simbench:pv_1")),
        ("participants", "Shop,", "Home,", ("participants.csv, line 5, id", "no line above")),
        ("participants", ",0.33,,", ",,,", ("participants.csv, line 3, sells_from_yuan_per_kwh", "needs one")),
        ("participants", "strategy\n", "strategem\n", ("participants.csv, line 1", "strategy")),
        ("participants", "0.31,0.58,", "0.31,0.58", ("participants.csv, line 2", "as many cells")),
        ("profiles", "T11:00,", "T11:01,", ("profiles.csv, line 6, time",)),
        ("profiles", "T11:15,", "T11:30,", ("profiles.csv, line 7, time", "15 minutes after")),
        ("profiles", "T11:15,2.5", "T11:15,-2.5", ("profiles.csv, line 7, sun", "kWh")),
    ],
)
def test_what_is_wrong_is_named_with_file_line_field_and_remedy(tmp_path, file, old, new, words):
    texts = {"scenario": SCENARIO, "region": REGION, "participants": PARTICIPANTS, "profiles": PROFILES}
    assert old in texts[file]
    folder = write_valley(tmp_path, **{file: texts[file].replace(old, new)})
    with pytest.raises(InvalidValue) as raised:
        load_scenario(folder)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("file", ["region", "participants"])
def test_a_missing_file_is_named(tmp_path, file):
    with pytest.raises(InvalidValue, match=f"{file}.*missing"):
        load_scenario(write_valley(tmp_path, **{file: None}))


def test_a_folder_without_a_scenario_says_how_to_make_one(tmp_path):
    with pytest.raises(InvalidValue, match="scenario init"):
        load_scenario(tmp_path)


def test_an_override_takes_the_place_of_what_the_file_says(tmp_path):
    scenario = load_scenario(write_valley(tmp_path), {"market.mechanism": "uniform", "seed": 9})
    assert (scenario.mechanism, scenario.seed) == ("uniform", 9)
    with pytest.raises(InvalidValue, match="markt"):
        load_scenario(tmp_path, {"markt.mechanism": "uniform"})


def test_hourly_values_are_divided_among_quarters_and_nothing_is_lost(tmp_path):
    lines = "".join(f"2026-08-03T{hour:02}:00,{hour}.001,0.5\n" for hour in range(10, 15))
    scenario = load_scenario(write_valley(tmp_path, profiles="time,sun,home\n" + lines))
    generated = [made for made, _ in scenario.flows_wh["Roof"]]
    # Two hours of 11.001 and 12.001 kWh, times 2; the hour before gives its remainder of half a Wh.
    assert abs(sum(generated) - 2 * (11_001 + 12_001)) <= 1
    assert max(generated[:4]) - min(generated[:4]) <= 1


def test_the_hour_that_clocks_show_twice_stands_in_a_file_twice(tmp_path):
    region = REGION.replace("Asia/Shanghai", "Europe/Berlin")
    times = [f"2026-10-25T{hour:02}:{minute:02}" for hour in (1, 2, 2, 3) for minute in (0, 15, 30, 45)]
    profiles = "time,sun,home\n" + "".join(f"{time},1,1\n" for time in times)
    scenario = SCENARIO.replace("2026-08-03T11:00", "2026-10-25T01:00").replace("periods = 8", "periods = 16")
    loaded = load_scenario(write_valley(tmp_path, region=region, profiles=profiles, scenario=scenario))
    assert len(loaded.flows_wh["Roof"]) == 16


def test_a_class_of_ones_own_makes_prices(tmp_path):
    folder = write_valley(
        tmp_path,
        scenario=SCENARIO + '\n[strategies.mine]\nclass = "mine.py:Shy"\nshare = 0.5\n',
        participants=PARTICIPANTS.replace("0.31,0.58,", "0.31,0.58,mine"),
    )
    (folder / "mine.py").write_text("class Shy:\n    def __init__(self, draw, share): ...\n", "utf-8")
    with pytest.raises(InvalidValue, match="price_ticks"):
        load_scenario(folder)
    (folder / "mine.py").write_text("raise RuntimeError('no')\n", "utf-8")
    with pytest.raises(InvalidValue, match=r"strategies.mine.class.*RuntimeError: no"):
        load_scenario(folder)
    (folder / "mine.py").write_text("class Bold: ...\n", "utf-8")
    with pytest.raises(InvalidValue, match="Bold"):
        load_scenario(folder)
    (folder / "mine.py").write_text(
        "class Shy:\n"
        "    def __init__(self, draw, part): ...\n"
        "    def price_ticks(self, situation): return 1\n"
        "    def learn(self, outcome): ...\n",
        "utf-8",
    )
    with pytest.raises(InvalidValue, match=r"strategies.mine.*share"):
        load_scenario(folder)


@pytest.mark.parametrize("start", ["9999-12-31T23:45", "0001-01-01T00:00", "2026-03-29T02:30", "2026-08-03T00:07"])
def test_a_start_that_is_no_time_of_the_region_is_named(tmp_path, start):
    folder = write_valley(tmp_path, region=REGION.replace("Asia/Shanghai", "Europe/Berlin"))
    with pytest.raises(InvalidValue, match="start"):
        load_scenario(folder, {"start": start})


@pytest.mark.parametrize("time", ["0001-01-01T00:00", "9999-12-31T23:45", "2026-08-03T10:07"])
def test_a_time_of_a_profile_that_is_none_is_named(tmp_path, time):
    with pytest.raises(InvalidValue, match="time"):
        load_scenario(write_valley(tmp_path, profiles=PROFILES.replace("2026-08-03T11:00", time)))


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    """Which of the two counts would be a guess."""
    folder = write_valley(tmp_path, profiles=PROFILES.replace("time,sun,home", "time,sun,sun"))
    with pytest.raises(InvalidValue, match=r"sun.*each column once"):
        load_scenario(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("compare.mechanisms", [["uniform"], ["continuous"]]),
        (
            "random_orders",
            {"count": 1, "price_yuan_per_kwh": "0.4", "deviation_yuan_per_kwh": "0", "energy_types": [[]]},
        ),
        ("strategies.a", {"class": "adaptive", "margin": "much"}),
        ("strategies.a", {"class": "adaptive", "margin": float("nan")}),
        ("strategies.a", {"class": "adaptive", "step": float("inf")}),
    ],
)
def test_values_of_other_kinds_are_named(tmp_path, field, value):
    with pytest.raises(InvalidValue, match=field):
        load_scenario(write_valley(tmp_path), {field: value})


def test_a_byte_order_mark_is_taken(tmp_path):
    assert load_scenario(write_valley(tmp_path, scenario="\ufeff" + SCENARIO)).title == "A valley"


OWN = """
class Shy:
    def __init__(self, draw): {made}
    def price_ticks(self, situation): {priced}
    def learn(self, outcome): {learned}
"""


@pytest.mark.parametrize("wrong", ["1 / 0", "exit(0)", "int('x')"])
@pytest.mark.parametrize("where", ["made", "priced", "learned"])
def test_what_a_class_of_ones_own_raises_is_told_with_its_line(tmp_path, where, wrong):
    scenario = SCENARIO + '\n[strategies.mine]\nclass = "mine.py:Shy"\n'
    folder = write_valley(
        tmp_path, scenario=scenario, participants=PARTICIPANTS.replace("0.31,0.58,", "0.31,0.58,mine")
    )
    (folder / "mine.py").write_text(OWN.format(**{"made": "...", "priced": "return 1", "learned": "...", where: wrong}))
    with pytest.raises(InvalidValue, match=r"strateg.*mine\.py, line"):
        run(load_scenario(folder))


@pytest.mark.parametrize("file", ["../mine.py", "below/mine.py"])
def test_a_class_comes_from_the_folder_itself_whose_state_results_are_of(tmp_path, file):
    folder = write_valley(tmp_path / "valley", scenario=SCENARIO + f'\n[strategies.mine]\nclass = "{file}:Shy"\n')
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(OWN.format(made="...", priced="return 1", learned="..."))
    with pytest.raises(InvalidValue, match="file of this folder"):
        load_scenario(folder)
