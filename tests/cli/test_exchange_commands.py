"""The verbs of the exchange: against a running service, and against a region on disk."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from gridbourse.cli.main import COMMANDS, gridbourse
from gridbourse.crypto.keys import SigningKey
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.errors import InvalidValue, ServiceProblem
from gridbourse.metering.meter import Meter
from gridbourse.node.region import Region

sys.path.insert(0, str(Path(__file__).parents[1] / "console"))
from small_market import DAY, PERIOD, SPEC
from test_metering import counted, this_period

from service import PASSWORD, Service

TIME = DeliveryCalendar().begins(PERIOD)
ASK = ["order", "place", "ask", "--type", "pv", "--kwh", "1", "--price", "0.36", "--period", TIME]
BID = ["order", "place", "bid", "--kwh", "0.4", "--price", "0.37", "--period", TIME]

TOKEN = ["token", "create", "robot", "--scope", "trade", "--scope", "read"]


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("founded") / "region"
    with Region.create(folder, SPEC) as region:
        region.open_day(DAY)
        region.deposit({"Bert": 10**12}, DAY, b"\x01" * 32)
    return folder


@pytest.fixture
def folder(founded, tmp_path):
    return shutil.copytree(founded, tmp_path / "region")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, **options):
        result = CliRunner().invoke(gridbourse, [str(argument) for argument in arguments], **options)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_a_trade_by_commands_on_a_region_on_disk(run, folder):
    def on_disk(name, *arguments):
        return run(*arguments, "--region", folder, "--as", name).output

    assert "waiting" in on_disk("Anna", *ASK)
    (order,) = json.loads(on_disk("Anna", "order", "list", "--json"))
    (hit,) = json.loads(on_disk("Anna", "chain", "search", order["order_id"], "--json"))
    assert (hit["kind"], hit["key"]) == ("order", order["order_id"])
    assert (order["energy_wh"], order["status"]) == (1_000, "waiting")
    assert "filled" in on_disk("Bert", *BID)
    assert "0.36" in run("book", TIME, "--region", folder).output
    assert "intent" in run("trade", "list", "--region", folder).output
    assert "confirmed" in on_disk("Anna", "deal", "confirm", 1)
    assert "abandoned" in on_disk("Bert", "deal", "abandon", 1)
    assert "cancelled" in on_disk("Anna", "order", "cancel", order["order_id"])
    assert "all" in on_disk("Anna", "chain", "verify", "roofs")
    assert "999" in on_disk("Bert", "deposit", "list") or "100000" in on_disk("Bert", "deposit", "list")
    on_disk("roofs", "account", "create", "anna", "Anna", "--password", "correct horse battery")
    assert "anna" in on_disk("roofs", "account", "list")


def test_the_same_commands_speak_to_a_service(run, folder, monkeypatch):
    service = Service(folder).start()
    try:
        service.account("Anna")
        monkeypatch.setenv("GRIDBOURSE_URL", service.url)
        made = run(*TOKEN, "--account", "Anna", input=f"{PASSWORD}\n")
        monkeypatch.setenv("GRIDBOURSE_TOKEN", made.output.strip().splitlines()[-1].removeprefix("Password: "))
        assert "waiting" in run(*ASK).output
        assert json.loads(run("book", TIME, "--json").output)["asks"][0]["price_ticks"] == 3_600
        listed = json.loads(run("order", "list", "--region", folder, "--as", "Anna", "--json").output)
        assert [order["price_ticks"] for order in listed] == [3_600], "a command on the folder finds the node that runs"
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["order", "list", "--as", "Anna"], InvalidValue, "--as"),
        ([*ASK[:-1], "noon"], InvalidValue, "period: 'noon'"),
        ([*ASK[:6], "lots", *ASK[7:]], InvalidValue, "energy_kwh"),
        (["order", "list", "--url", "http://127.0.0.1:9"], ServiceProblem, "cannot be reached"),
        (["order", "place", "give"], SystemExit, "'give' is not one of"),
    ],
)
def test_what_is_wrong_is_named(run, folder, arguments, error, said):
    if arguments[:3] == ASK[:3]:
        arguments = [*arguments, "--region", folder, "--as", "Anna"]
    if error is SystemExit:
        assert said in run(*arguments).output
    else:
        with pytest.raises(error, match=said):
            run(*arguments)


def test_meters_by_commands_on_a_region_on_disk(run, folder, tmp_path):
    def on_disk(name, *arguments):
        return run(*arguments, "--region", folder, "--as", name).output

    meter = Meter(SigningKey.generate())
    address = f"0x{meter.address.hex()}"
    file = tmp_path / "readings"
    file.write_bytes(b"".join(reading.to_bytes() for reading in counted(meter, exported_wh=2_000)))
    assert "is the meter of Anna" in on_disk("roofs", "meter", "register", "Anna", address, "--limit-kw", "17")
    assert "13 readings were taken, 0 had been" in on_disk("Anna", "meter", "send", file)
    assert "0 readings were taken, 13 had been" in on_disk("Anna", "meter", "send", file)
    (listed,) = json.loads(on_disk("Anna", "meter", "list", "--json"))
    assert (listed["meter"], listed["limit_w"], listed["reading_count"]) == (address, 17_000, 13)
    day = date_text((this_period() - 1) // 96)
    assert "2" in on_disk("Anna", "meter", "readings", "Anna", "--day", day)
    assert "outcome" in on_disk("Anna", "meter", "offers", "Anna")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["meter", "register", "Anna", "0x12", "--limit-kw", "17"], "40 hexadecimal digits"),
        (["meter", "register", "Anna", "0x" + "1" * 40, "--limit-kw", "much"], "kW"),
        (["meter", "send", __file__], "117 bytes"),
    ],
    ids=["address", "limit", "file"],
)
def test_what_is_wrong_about_a_meter_is_said(run, folder, arguments, said):
    with pytest.raises(InvalidValue, match=said):
        run(*arguments, "--region", folder, "--as", "roofs")


def test_every_command_and_option_says_what_it_is_for(run):
    import click

    def walk(command, path):
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), [*path, name])

    paths = list(walk(gridbourse, []))
    assert len(paths) > len(COMMANDS)
    for path, command in paths:
        assert (command.help or "").rstrip().endswith("."), path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (path, parameter.name)


def test_shells_complete_the_commands():
    completion = ShellComplete(gridbourse, {}, "gridbourse", "_GRIDBOURSE_COMPLETE")
    assert {item.value for item in completion.get_completions([], "ord")} == {"order"}
    assert {item.value for item in completion.get_completions(["order", "place"], "a")} == {"ask"}
