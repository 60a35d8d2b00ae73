"""The `gridbourse` command: what it shows, what it writes, and what it says to bad input."""

import csv
import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from gridbourse import __version__
from gridbourse.cli.main import COMMANDS as LISTED
from gridbourse.cli.main import gridbourse, main
from gridbourse.errors import InvalidValue

DESCRIPTION = """\
name = "Mianyang"
chain_id = 500
[market]
cooling_off_seconds = 300
price_floor_yuan_per_kwh = "0.10"
price_cap_yuan_per_kwh = "1.50"
gate_closure_lead_seconds = 900
[[master]]
name = "grid"
role = "grid"
[[master.node]]
id = "Substation 3"
kind = "dispatch"
location = "Fucheng"
"""


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(gridbourse, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def complaint(monkeypatch, capsys):
    """Run the installed command with arguments that it does not accept; returns exit code and what it says."""

    def complaint(*arguments):
        monkeypatch.setattr("sys.argv", ["gridbourse", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return ended.value.code, captured.err

    return complaint


@pytest.fixture
def description(tmp_path):
    path = tmp_path / "region.toml"
    path.write_text(DESCRIPTION, "utf-8")
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "out"
    arguments = ["demo", "--output", str(folder), "--repetitions", "2", "--orders", "60", "--seed", "1"]
    return CliRunner().invoke(gridbourse, arguments, env={"COLUMNS": "200"}), folder


def test_the_demo_shows_the_papers_tables_and_trades_and_says_that_they_are_the_papers(demo):
    result, _ = demo
    assert result.exit_code == 0, result.output
    for text in (
        "Table 2: the market before",
        "Table 3: the market after",
        "The table equals the paper's Table 3, and the six trades are the paper's.",
        "Figure 6",
        "Random market of 60 orders",
    ):
        assert text in result.output


def test_the_demo_writes_every_table_and_figure_and_names_them(demo):
    result, folder = demo
    tables, pictures = (
        ("table2", "table3", "mechanisms", "figure5", "figure6", "scale"),
        ("figure5", "figure6", "scale"),
    )
    files = [folder / f"{name}.csv" for name in tables] + [folder / f"{name}.png" for name in pictures]
    assert sorted(folder.iterdir()) == sorted(files)
    shown = result.output.replace("\n", "")
    assert all(str(file) in shown for file in files)
    with (folder / "table3.csv").open(encoding="utf-8") as file:
        waiting = {row["user"]: row["remaining_kwh"] for row in csv.DictReader(file) if row["status"] == "published"}
    assert waiting == {"User 4": "350", "User 7": "700"}


COMMANDS = [
    [],
    ["demo"],
    ["region"],
    ["region", "init"],
    ["region", "status"],
    ["trace"],
    ["audit"],
    ["rpc"],
    ["disclosure"],
    ["disclosure", "create"],
    ["disclosure", "verify"],
    ["experiment"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_says_what_it_does_and_what_it_takes(run, command, option):
    result = run(*command, option)
    assert result.exit_code == 0
    usage, description, *_ = result.output.split("\n\n")
    assert usage.startswith(f"Usage: gridbourse {' '.join(command)}".rstrip())
    assert description.endswith(".")


def test_the_list_of_commands_loads_none_of_them():
    """Half of them take a second or more to load; who looks for a command waits for nothing."""
    listing = (
        "import sys; from gridbourse.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", listing, "--help"], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in LISTED)
    loaded = {module for module in done.stderr.split() if module.startswith("gridbourse.")}
    assert not {module for module in loaded if module.startswith("gridbourse.cli.")} - {"gridbourse.cli.main"}
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", LISTED)
def test_every_command_in_the_list_is_one(run, name):
    assert run(name, "--help").output.startswith(f"Usage: gridbourse {name}")


def test_every_option_of_the_demo_says_what_it_is_for(run):
    text = run("demo", "--help").output
    for option in ("--output", "--repetitions", "--orders", "--seed"):
        line = next(line for line in text.splitlines() if line.strip().startswith(option))
        assert len(line.split(maxsplit=2)) == 3


def test_the_version_is_told(run):
    assert run("--version").output.strip().endswith(__version__)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--repetitions", "1"], "1 is not in the range x>=2"),
        (["demo", "--repetitions", "few"], "'few' is not a valid integer range"),
        (["demo", "--orders", "-1"], "-1 is not in the range x>=0"),
        (["demo", "--speed", "1"], "No such option"),
        (["demmo"], "No such command 'demmo'"),
        (["trace", "0", "--region", "."], "0 is not in the range x>=1"),
        (["trace", "1"], "Missing option '--region'"),
        (["region", "init", "missing.toml", "x"], "File 'missing.toml' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_named_with_exit_code_2(complaint, arguments, said):
    code, text = complaint(*arguments)
    assert code == 2
    assert said in text


def test_an_output_folder_that_is_a_file_is_named(complaint, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, text = complaint("demo", "--output", tmp_path / "file")
    assert code == 2
    assert "is a file" in text
    code, text = complaint("demo", "--output", tmp_path / "file" / "below")
    assert code == 1
    assert str(tmp_path / "file" / "below") in text
    assert (tmp_path / "file").read_text() == "mine"


def test_a_region_is_made_and_looked_at(run, description, tmp_path):
    made = run("region", "init", description, tmp_path / "region")
    assert made.exit_code == 0, made.output
    assert "Mianyang" in made.output
    shown = run("region", "status", tmp_path / "region")
    assert shown.exit_code == 0, shown.output
    assert "prices 0.10 to 1.50 yuan/kWh" in shown.output
    assert run("audit", "--region", tmp_path / "region").exit_code == 0


def test_the_audit_speaks_chinese(run, description, tmp_path):
    run("region", "init", description, tmp_path / "region")
    result = run("audit", "--region", tmp_path / "region", "--lang", "zh")
    assert result.exit_code == 0
    assert result.output == "每条记录的位置、内容和归属都正确。\n"


def test_a_wrong_description_is_one_line_that_names_the_field(complaint, description, tmp_path):
    description.write_text(DESCRIPTION.replace('role = "grid"', 'role = "boss"'), "utf-8")
    code, text = complaint("region", "init", description, tmp_path / "region")
    assert code == 1
    assert text == "gridbourse: master.role: 'boss' is not valid; give one of source, grid, aggregator, user\n"
    assert not (tmp_path / "region").exists()


def test_a_folder_without_a_region_is_one_line_that_names_it(complaint, tmp_path):
    option = ["--region", tmp_path]
    for command in (["region", "status", tmp_path], ["audit", *option], ["trace", "1", *option]):
        code, text = complaint(*command)
        assert code == 1
        assert text.startswith(f"gridbourse: folder: '{tmp_path}'")


def test_a_deal_that_never_was_is_one_line_that_names_it(complaint, run, description, tmp_path):
    run("region", "init", description, tmp_path / "region")
    code, text = complaint("trace", "7", "--region", tmp_path / "region")
    assert code == 1
    assert text.startswith("gridbourse: deal: 7 is not valid")


@pytest.fixture
def region(run, description, tmp_path):
    run("region", "init", description, tmp_path / "region")
    return tmp_path / "region"


def start_rpc(folder, *options):
    command = [sys.executable, "-m", "gridbourse", "rpc", str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("chain", "chain_id"), [("main", 500), ("grid", 501)])
def test_a_chain_is_served_until_it_is_ended(region, chain, chain_id):
    with start_rpc(region, "--chain", chain, "--port", "0") as server:
        url, serves = server.stdout.readline().split(maxsplit=1)
        assert serves.startswith(f"serves {chain} of Mianyang")
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        assert httpx.post(url, json=request, trust_env=False).json()["result"] == hex(chain_id)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--chain", "wind"], "chain: 'wind' is not valid; give main, or one of grid"),
        (["--host", "0.0.0.0"], "host: '0.0.0.0' is not valid; give a token as well"),
        (["--token-file", "empty"], "token file: 'empty' is not valid; give one with a token in it"),
    ],
)
def test_what_cannot_be_served_is_one_line_that_says_why(region, options, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    with start_rpc(region, "--port", "0", *options) as server:
        output, complaint = server.communicate(timeout=60)
    assert (server.returncode, output) == (1, "")
    assert said in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("command", [["month"], ["community", "Our Street"]])
@pytest.mark.parametrize("text", ["2026-13", "2026-8", "0000-01", "August", "２０２６-08"])
def test_what_is_no_month_is_named_as_the_option_is(command, text):
    with pytest.raises(InvalidValue, match=r"--month.*a month like 2026-08"):
        CliRunner().invoke(gridbourse, [*command, "--month", text], catch_exceptions=False)


def test_a_month_of_no_community_is_not_passed_over():
    shown = CliRunner().invoke(gridbourse, ["community", "--month", "2026-08"])
    assert shown.exit_code == 2
    assert "NAME says which community" in shown.output
