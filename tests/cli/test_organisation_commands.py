"""The commands with which an organisation founds, runs and uses its share of a region: what they say and refuse.

That they work together is shown by tests/paper/test_consortium.py.
"""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gridbourse.cli.device import device
from gridbourse.cli.region import region
from gridbourse.cli.run import run
from gridbourse.errors import InvalidValue
from gridbourse.node.folder.chains import read_token
from gridbourse.region.description import Engine, MainChainSpec
from gridbourse.region.description_file import read_region, write_region

DESCRIPTION = """\
name = "valley"
chain_id = 700

[main_chain]
engine = "ethereum"
url = "http://127.0.0.1:1"

[market]
cooling_off_seconds = 300
price_floor_yuan_per_kwh = "0"
price_cap_yuan_per_kwh = "0.9"
gate_closure_lead_seconds = 900

[[master]]
name = "grid"
role = "grid"

[[master.node]]
id = "Office"
kind = "commercial"
location = "city"

[[master]]
name = "roofs"
role = "aggregator"
"""


@pytest.fixture
def description(tmp_path):
    path = tmp_path / "valley.toml"
    path.write_text(DESCRIPTION, "utf-8")
    return path


def call(command, *arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def grid(description, tmp_path):
    call(region, "keys", description, tmp_path / "grid", "--name", "grid")
    return tmp_path / "grid"


def test_keys_are_made_for_one_member_and_what_it_hands_in_is_named(description, tmp_path):
    result = call(region, "keys", description, tmp_path / "grid", "--name", "grid")
    assert str(tmp_path / "grid" / "public.json") in result.output
    assert len(read_token(tmp_path / "grid", "grid")) > 40
    with pytest.raises(InvalidValue, match="new or empty folder"):
        call(region, "keys", description, tmp_path / "grid", "--name", "grid")
    with pytest.raises(InvalidValue, match="roofs"):
        call(region, "keys", description, tmp_path / "cellars", "--name", "cellars")
    assert not (tmp_path / "cellars").exists(), "nobody of this name takes part"


def test_an_embedded_chain_is_founded_with_its_region(grid):
    path = grid / "region.toml"
    spec = read_region(path)
    write_region(replace(spec, main_chain=MainChainSpec(Engine.EMBEDDED)), path)
    with pytest.raises(InvalidValue, match="region init"):
        call(region, "found", grid, grid / "public.json")


def test_a_founding_needs_everybodys_keys(grid, monkeypatch):
    class Silent:
        def __init__(self, *_, **__):
            pass

        def close(self):
            pass

    monkeypatch.setattr("gridbourse.node.folder.setup.reach_main_chain", Silent)
    with pytest.raises(InvalidValue, match="those of roofs, regulator too"):
        call(region, "found", grid, grid / "public.json")


def test_a_master_waits_for_the_main_chain_and_ends_when_it_is_told(grid):
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, str(grid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert "waiting for the main chain" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()


IMPATIENT = """
import sys
import gridbourse.node.folder.chains as engines
engines.MAIN_PATIENCE_SECONDS = 0.1
from gridbourse.cli.run import run
sys.stdout.reconfigure(line_buffering=True)
run([sys.argv[1]])
"""


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        (device, ("offer", "{grid}", "Nobody", "sell", "1", "--price", "0.3", "--period", "1"), "Nobody"),
        (device, ("offer", "{grid}", "Office", "sell", "1", "--price", "dear", "--period", "1"), "dear"),
        (device, ("offer", "{grid}", "Office", "sell", "1.0001", "--price", "0.3", "--period", "1"), "1.0001"),
        (device, ("cancel", "{grid}", "Office", "no order"), "no order"),
    ],
)
def test_wrong_input_is_named(grid, command, arguments, named):
    with pytest.raises(InvalidValue, match=named):
        call(command, *(argument.format(grid=grid) for argument in arguments), "--slave", "http://127.0.0.1:1")


def test_a_folder_without_a_region_is_named(tmp_path):
    with pytest.raises(InvalidValue, match="gridbourse region init"):
        call(run, tmp_path)
