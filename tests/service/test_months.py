"""Monthly statements and delivered prices of a region that is served: worked numbers, files, pages, command line."""

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from month_scene import CALENDAR, FLATS, GRID, MWH, OVER, PARK, SET, SPEC, Clock, trade_and_meter
from openadr3.api import OpenADRClient

from gridbourse.cli.month import delivered, month
from gridbourse.client import Client, billing
from gridbourse.delivery import date_day
from gridbourse.region.shown_names import ShownNames
from gridbourse.rules.rule_set import RuleHistory
from gridbourse.rules.sharing import SharingKey
from gridbourse.service.billing import month_pdf
from gridbourse.service.billing.communities import Communities
from gridbourse.service.rights import Kind, Principal
from gridbourse.service.use_cases.statement_pdf import write_text
from gridbourse.text import LANGUAGES, read_translation
from gridbourse.units import MONEY_UNITS_PER_YUAN
from service import Service, until

AUGUST = date_day("2026-08-03")
NODES = ("Hill", "Town", "Home", "Mill", FLATS[0])
PATIENCE = 600.0
"""Seven months of four masters are settled meanwhile."""
BANDS = {"tip": 13 * 4, "peak": 11 * 4, "flat": 19 * 4, "valley": 3 * 4}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    clock, folder = Clock(), tmp_path_factory.mktemp("months") / "region"
    trade_and_meter(folder, clock)
    running = Service(folder, clock=clock).start()
    for name in NODES:
        running.account(name)
    for name in ("plants", "grid"):
        running.account(name, Kind.MASTER)
    with running.browser("plants") as master:
        until(lambda: len({own["month"] for own in master.get("/months").json()}) == 7, PATIENCE)
    with running.browser("grid") as master:
        until(lambda: {"Town", "Home"} <= {own["node_id"] for own in master.get("/months/2026-08").json()}, PATIENCE)
    yield running
    running.stop()


def statement(served, node_id, month_text):
    """What counts of a node's month, read by its master's client."""
    masters = {"Hill": "plants", "Coast": "plants", "Pump": "plants", "Town": "grid", "Home": "grid"}
    with served.browser(masters[node_id]) as client:
        (found,) = client.get(f"/months/{month_text}", params={"node_id": node_id}).json()
    return found


def money(found, *items):
    """What is paid in some lines less what is received, in yuan."""
    lines = [line for line in found["lines"] if line["item"] in items]
    return Fraction(sum(line["paid"] - line["received"] for line in lines), MONEY_UNITS_PER_YUAN)


@pytest.fixture(scope="module")
def specified():
    path = Path(__file__).parents[3] / "shared" / "data" / "market_rules.json"
    if not path.is_file():
        pytest.skip(f"the specification's numbers are not at {path}")
    return json.loads(path.read_text("utf-8"))


# Worked numbers


def test_two_steps(served, specified):
    hill = statement(served, "Hill", "2026-02")
    one_more = 500  # the trade that made the real-time price
    assert -money(hill, "energy_sold", "imbalance_short") - one_more == specified["two_settlement"]["yuan"]


@pytest.mark.parametrize(
    ("form", "master", "month_text", "node_id"),
    [("a", "plants", "2026-03", "Hill"), ("b", "shops", "2026-04", "Shop"), ("c", "works", "2026-05", "Works")],
)
def test_deviations_by_kind_of_participant(served, specified, form, master, month_text, node_id):
    records = served.exchange.index.months.statements(chain=master, month=int(month_text.replace("-", "")))
    own = next(record.details for record in records if record.details.user_id == node_id)
    charge = own.paid[own.items.index("deviation")]
    assert Fraction(charge, MONEY_UNITS_PER_YUAN) == specified["deviation"][form]["yuan"]
    assert sum(received for item, received in zip(own.items, own.received, strict=True) if "return" in item) == charge


@pytest.mark.parametrize(("turn", "month_text"), [(0, "2026-06"), (1, "2026-07")])
def test_the_mechanism_price(served, specified, turn, month_text):
    assert -money(statement(served, "Coast", month_text), "mechanism") == specified["mechanism_price"][turn]["yuan"]


def test_grid_fees_by_the_rules_of_each_day(served, specified):
    at_35, at_110, low = (Fraction(one["yuan_per_kwh"]) * 1_000 for one in specified["grid_fee_1901"])
    assert money(statement(served, "Town", "2026-08"), "network") == at_35 + at_110
    assert money(statement(served, "Home", "2026-08"), "network") == low


def test_the_tariff_of_a_day(served, specified):
    published = specified["delivered_price_sichuan_2026_08_two_part_1_10kV"]["yuan_per_kwh"]
    with served.browser("Mill") as client:
        found = client.get(f"/tariffs/{AUGUST}").json()
    assert len(found["periods"]) == 96
    for band, turn in BANDS.items():
        own = found["periods"][turn]
        assert own["band"] == band
        assert Fraction(own["price_microyuan"], 1_000_000) == Fraction(published[band])


# What an offer costs


def test_an_offer_beside_the_retail_tariff(served):
    period = CALENDAR.periods(AUGUST)[19 * 4]
    with served.browser("Town") as client:
        found = client.get(f"/delivered-prices/{period}", params={"price_ticks": 2_604}).json()
    (offer,) = found["offers"]
    network, own = ([part["price_microyuan"] for part in one["parts"]][2] for one in (found["retail"], offer))
    assert (network, own) == (229_900, 30_700)
    saved = found["retail"]["price_microyuan"] - offer["price_microyuan"]
    assert saved == 229_900 - 30_700 + 34
    assert found["rules"] == SET.version
    assert "system" in found["unconfirmed"]


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("Hill", f"/delivered-prices/{AUGUST * 96}?price_ticks=1", "no voltage level"),
        ("Town", f"/delivered-prices/{(AUGUST + 200) * 96}?price_ticks=1", "have no prices for"),
        ("Town", "/delivered-prices/96?price_ticks=1", "no set of market rules"),
        ("grid", f"/tariffs/{AUGUST}", "name the node"),
        ("Town", f"/tariffs/{AUGUST}?node_id=Home", "Home"),
    ],
)
def test_a_price_that_cannot_be_made_is_refused_with_the_reason(served, name, path, said):
    with served.browser(name) as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert said in answer.text


# Documents


def test_energy_and_fee_stand_apart_and_the_saving_beside_them(served):
    town = statement(served, "Town", "2026-08")
    assert money(town, "energy_bought") == 600
    assert town["rules"] == [SET.version] * 4
    assert town["compared_wh"] == 2 * MWH
    assert town["retail"] > town["delivered"] > 0
    assert town["gaps"] == []


def test_a_month_without_prices_names_what_the_rules_lack(served):
    town = statement(served, "Town", "2026-07")
    assert [line["item"] for line in town["lines"]] == ["energy_bought"]
    assert len(town["gaps"]) == 1
    assert SET.version in town["gaps"][0]


def test_the_files_say_the_same(served):
    with served.browser("grid") as client:
        stated = client.get("/months/2026-08").json()
        file = client.get("/months/2026-08.csv").content.decode("utf-8-sig")
        english, chinese = (client.get("/months/2026-08.pdf", params={"language": tag}) for tag in ("en", "zh"))
    rows = list(csv.DictReader(io.StringIO(file)))
    assert len(rows) == sum(len(own["lines"]) for own in stated)
    paid = sum(Fraction(row["paid_yuan"]) for row in rows) * MONEY_UNITS_PER_YUAN
    assert paid == sum(own["paid"] for own in stated)
    assert english.content.startswith(b"%PDF-")
    assert chinese.content.startswith(b"%PDF-")


def test_the_pdf_calls_the_node_by_name(served, monkeypatch):
    told = []
    monkeypatch.setattr(month_pdf, "write_text", lambda pdf, text: told.append(text) or write_text(pdf, text))
    stated = served.exchange.months.of_month(Principal(Kind.NODE, "Town", "grid"), "2026-08", node_id=None)
    names = {language: ShownNames.of(SPEC, language) for language in LANGUAGES}
    assert month_pdf.months_pdf(stated, names, read_translation("en")).startswith(b"%PDF-")
    assert told[0] == "months: Town shop"


def test_a_node_sees_its_own_alone(served):
    with served.browser("Home") as client:
        assert {own["node_id"] for own in client.get("/months").json()} == {"Home"}
        assert client.get("/months/2026-08", params={"node_id": "Town"}).status_code == 404
        assert client.get("/months/2026-13").status_code == 422


def test_the_client_and_the_command_line(served):
    with served.browser("Town") as browser:
        token = browser.post("/tokens", json={"name": "test", "scopes": ["read"]}).json()["secret"]
    period = CALENDAR.periods(AUGUST)[19 * 4]
    with Client(served.url, token=token) as client:
        (own,) = client.send(billing.month("2026-08"))
        assert client.send(billing.months())[0].month == "2026-08"
        assert client.send(billing.month_csv("2026-08")).startswith(b"\xef\xbb\xbf")
        assert client.send(billing.delivered_price(period, 3_000)).node_id == "Town"
        assert client.send(billing.tariff(AUGUST)).tariff == "single_part"
    options = ["--url", served.url, "--token", token]
    run = CliRunner().invoke(month, options)
    assert run.exit_code == 0, run.output
    assert own.number in run.output
    run = CliRunner().invoke(month, ["--month", "2026-13", *options])
    assert "give a month like 2026-08" in str(run.exception)
    run = CliRunner().invoke(delivered, ["--period", "2026-08-03T19:00", "--price", "0.3", *options])
    assert run.exit_code == 0, run.output
    assert "saves" in run.output


# What a community shares


@pytest.mark.parametrize("key", list(SharingKey))
def test_sixteen_flats_share_a_quarter_hour(served, specified, key):
    numbers = specified["sharing_wh"]
    (park,) = PARK
    works = next(master for master in SPEC.masters if master.name == "works")
    spec = replace(SPEC, masters=(replace(works, communities=(replace(park, key=key),)), *GRID))
    shared = Communities(served.exchange.index, spec, RuleHistory([]))
    found = shared.month(Principal(Kind.MASTER, "works", "works"), "Park", "2026-08")
    assert (found.generated_wh, found.drawn_wh) == (numbers["generation"], sum(numbers["consumption"]))
    assert found.shared_wh + found.to_grid_wh == found.generated_wh
    assert all(one.shared_wh <= one.drawn_wh for one in found.members)
    first_four = [one.shared_wh for one in found.members[:4]]
    if key is SharingKey.DYNAMIC:
        assert first_four == numbers["dynamic_first_four"]
    elif key is SharingKey.RESHARED:
        assert first_four == numbers["reshared_first_four"]
    else:
        exact = Fraction(numbers["static_used"]), Fraction(numbers["static_to_grid"])
        assert (found.shared_wh, found.to_grid_wh) == tuple(map(round, exact))


def test_a_flat_sees_the_sums_and_itself_and_the_tests_of_local_use(served):
    with served.browser(FLATS[0]) as client:
        (own,) = client.get("/communities").json()
        found = client.get("/communities/Park/2026-08").json()
        page = client.get(f"{served.url}/energy/community?month=2026-08", headers={"Accept-Language": "zh"}).text
        assert client.get("/communities/Park/2026-07").json()["generated_wh"] == 0
    assert own["members"] == [FLATS[0]]
    assert [(one["drawn_wh"], one["shared_wh"]) for one in found["members"]] == [(482, 242)]
    assert [(test["name"], test["passed"]) for test in found["local_use"]] == [
        ("own_of_available", True),
        ("own_of_consumed", True),
        ("fed_in_of_available", True),
    ]
    assert "园区共享" in page
    assert "01号房" in page
    with served.browser("Town") as client:
        assert client.get("/communities").json() == []
        assert client.get("/communities/Park/2026-08").status_code == 404


# Prices for devices


def test_a_foreign_openadr_client_reads_programs_and_prices(served):
    with served.browser("Mill") as browser:
        token = browser.post("/tokens", json={"name": "heat pump", "scopes": ["read"]}).json()["secret"]
        today = CALENDAR.day_at(OVER)
        tariff = browser.get(f"/tariffs/{today}").json()
    with OpenADRClient(f"{served.url}/openadr3/3.1.0", token=token) as device:
        (program,) = device.programs()
        assert device.program(program.id) == program
        assert device.find_program_by_name(program.program_name) == program
        first, second = device.events(programID=program.id)
        assert device.event(first.id) == first
        assert device.get_event_by_id("tariff-0").status_code == 404
        assert len(device.events(limit=1)) == 1
    assert first.interval_period.start.timestamp() == CALENDAR.starts_at(today)
    assert second.interval_period.start.timestamp() == CALENDAR.starts_at(today + 1)
    assert first.interval_period.duration.in_minutes() == 15
    read = [Fraction(str(one.payloads[0].values[0])) for one in first.intervals]
    assert read == [Fraction(one["price_microyuan"], 1_000_000) for one in tariff["periods"]]
    (descriptor,) = program.payload_descriptors
    assert (descriptor.payload_type, descriptor.units, descriptor.currency) == ("PRICE", "KWH", "CNY")


def test_a_device_without_a_token_is_told_to_bring_one(served):
    with OpenADRClient(f"{served.url}/openadr3/3.1.0") as device:
        assert device.get_programs().status_code == 401


# Pages


@pytest.mark.parametrize(
    ("language", "title", "name"), [("en", "Monthly statement", "Town shop"), ("zh", "月度电费结算依据", "镇上商店")]
)
def test_the_page_of_a_month(served, language, title, name):
    with served.browser("Town") as client:
        headers = {"Accept-Language": language}
        page = client.get(f"{served.url}/energy/month", headers=headers).text
        earlier = client.get(f"{served.url}/energy/month?month=2026-07", headers=headers).text
    assert title in page
    assert f"<h3>{name}</h3>" in page
    assert f"<td>{name}</td>" in page
    assert "2026-08" in page
    assert "grid-0" in page
    assert SET.version in earlier


def test_the_quote_of_a_purchase_shows_it_at_the_meter(served):
    period = CALENDAR.periods(AUGUST)[19 * 4]
    asked = {"period": period, "side": "bid", "energy_kwh": "1", "price_yuan_per_kwh": "0.3", "energy_types": "pv"}
    with served.browser("Town") as client:
        quote = client.get(f"{served.url}/market/quote", params=asked, headers={"Accept-Language": "en"}).text
        sale = client.get(f"{served.url}/market/quote", params=asked | {"side": "ask"}).text
    assert "Delivered price" in quote
    assert "Retail tariff" in quote
    assert "Retail tariff" not in sale


def test_the_audit_of_the_region_finds_nothing(served):
    assert served.region(lambda region: region.regulator.audit()) == []
