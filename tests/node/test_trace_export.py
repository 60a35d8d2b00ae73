"""What a trace looks like outside: JSON for programs, a page for people."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from small_region import PERIOD, Clock, ask, bid, trade

from gridbourse.cli.main import gridbourse
from gridbourse.market.types import Side
from gridbourse.node.region import Region
from gridbourse.regulator.export import trace_document, trace_page
from gridbourse.regulator.trace import Step
from gridbourse.text import Message


@pytest.fixture
def traced(region):
    region.offer([("Anna", ask())])
    region.offer([("Bert", bid())])
    trade(region)
    return region.regulator.trace(1)


def with_fault(trace, finding):
    trace.parties[1].steps[2] = Step("inclusion under an anchor", holds=False, finding=finding)
    return trace


class Words(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs).get("class")))

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


def test_the_document_says_what_was_traded_by_whom_and_what_proves_it(traced, region):
    document = json.loads(json.dumps(trace_document(traced)))
    assert (document["deal"], document["holds"], document["state"]) == (1, True, "settled")
    assert (document["period"], document["energy_wh"], document["price_ticks"]) == (PERIOD, 1_000, 3_600)
    assert document["money_1e-7_yuan"] == 3_600_000
    seller, anna = document["parties"]["seller"], region.masters["roofs"].nodes["Anna"]
    assert (seller["user"], seller["location"], seller["master"]) == ("Anna", "Roof 1", "roofs")
    assert seller["record"]["author"] == f"0x{anna.address.hex()}"
    (placed,) = (party.placed for party in traced.parties if party.side is Side.ASK)
    assert seller["record"]["leaf"] == placed.record_hash.hex()
    assert seller["anchor"]["root"] == region.main.anchors.anchors(1)[0].root.hex()
    assert [step["holds"] for party in document["parties"].values() for step in party["steps"]] == [True] * 18


def test_a_document_of_a_walk_that_ended_early_leaves_open_what_was_not_reached(traced):
    seller, _ = traced.parties
    seller.order = seller.anchor = None
    document = trace_document(traced)["parties"]["seller"]
    assert document["user"] is document["location"] is document["record"] is document["anchor"] is None


def test_the_page_shows_both_parties_and_every_step(traced):
    page = Words(trace_page(traced))
    assert "Deal 1: every step holds" in page.text
    assert "Anna, Roof 1; slave chain of master roofs" in page.text
    assert "Bert, House 3; slave chain of master grid" in page.text
    assert page.tags.count(("li", None)) == 18
    assert ("div", "faults") not in page.tags


def test_the_page_begins_with_what_does_not_hold(traced):
    page = Words(trace_page(with_fault(traced, "record 7 is another")))
    assert "Deal 1: does not hold" in page.text
    assert "Buyer, step 3: record 7 is another" in page.text
    assert page.tags.count(("li", "fails")) == 1


def test_the_page_in_chinese_says_the_same_in_chinese(traced):
    page = Words(trace_page(traced, "zh").partition("</style>")[2])
    assert page.text.startswith("成交 1： 每一步都成立")
    assert "1 千瓦时，0.36 元/千瓦时，共 0.36 元" in page.text
    assert "Anna，Roof 1；主节点 roofs 的从链" in page.text
    assert page.tags.count(("li", None)) == 18
    assert "卖出光伏 1 千瓦时" in page.text
    left = [word for word in page.words if word.isascii() and word.isalpha()]
    assert {*left} <= {"Anna", "Bert", "Roof", "House", "roofs", "grid", "kWh", "UTC"}


def test_the_page_in_chinese_begins_with_what_does_not_hold(traced):
    page = Words(trace_page(with_fault(traced, Message("{place} is not anchored yet", place="roofs 7")), "zh"))
    assert "买方，第 3 步：roofs 7 尚未锚定" in page.text
    assert ("div", "faults") in page.tags


def test_the_command_speaks_chinese(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with Region.open(folder, clock=Clock()) as region:
        region.offer([("Anna", ask())])
        region.offer([("Bert", bid())])
        trade(region)
    files = {"--html": tmp_path / "deal.html", "--json": tmp_path / "deal.json"}
    options = [str(part) for option in files.items() for part in option]
    result = CliRunner().invoke(gridbourse, ["trace", "1", "--region", str(folder), "--lang", "zh", *options])
    assert result.exit_code == 0, result.output
    for text in ("成交 1：卖方", "锚定下的存在性证明", "由 Anna 签名", "每一步都成立。"):
        assert text in result.output
    assert "卖出光伏 1 千瓦时" in files["--html"].read_text("utf-8")
    steps = json.loads(files["--json"].read_text("utf-8"))["parties"]["seller"]["steps"]
    assert steps[0]["title"] == "order on the main chain", "what programs read stays in one language"


def test_nothing_that_a_user_wrote_becomes_markup(traced):
    traced.parties[0].order = replace(
        traced.parties[0].order, details=replace(traced.parties[0].details, user_id="<script>alert(1)</script>")
    )
    page = trace_page(with_fault(traced, "<b>bold</b> & <script>"))
    assert "<script" not in page
    assert "<b>" not in page
    assert "<script>alert(1)</script>" in Words(page).text
