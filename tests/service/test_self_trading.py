"""Masters that trade for themselves and have no sub-nodes, and one that has no node at all."""

import pytest
from small_market import ask, bid
from test_pages import visitor

from gridbourse.delivery import date_day
from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import MeteredTotal
from gridbourse.market.types import Role, Settings
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import GRACE_SECONDS
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.service.rights import Kind
from service import PASSWORD, Service, until

DAY = date_day("2026-06-01")
PERIOD = DAY * 96 + 48
SPEC = RegionSpec(
    "companies",
    920,
    Settings(300, floor_ticks=100, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64),
    (
        MasterSpec("plant", Role.SOURCE, (NodeSpec("Plant company", NodeKind.OWN, "Weir"),)),
        MasterSpec("grid", Role.GRID, (NodeSpec("Grid company", NodeKind.OWN, "City"),)),
        MasterSpec("chamber", Role.USER, ()),
    ),
)


class Clock:
    now = DAY * 86_400 - 4 * 3_600

    def __call__(self):
        return self.now


@pytest.fixture
def companies(tmp_path):
    clock = Clock()
    Region.create(tmp_path / "region", SPEC, clock=clock).close()
    service = Service(tmp_path / "region", clock=clock).start()
    service.clock = clock
    for name in ("plant", "grid", "chamber"):
        service.account(name, Kind.MASTER)
    yield service
    service.stop()


def open_own_account(service, master, node):
    """A master opens an account for its own desk, as it does for any node."""
    with service.browser(master) as browser:
        opened = browser.post("/accounts", json={"name": node, "node_id": node, "password": PASSWORD})
        assert opened.status_code == 201, opened.text


def trade(service):
    open_own_account(service, "plant", "Plant company")
    open_own_account(service, "grid", "Grid company")
    service.region(Region.open_day, DAY)
    service.region(Region.deposit, {"Grid company": 10**12}, DAY, b"\x01" * 32)
    with service.browser("Plant company") as seller, service.browser("Grid company") as buyer:
        assert seller.post("/orders", json=ask(period=PERIOD)).status_code == 201
        assert buyer.post("/orders", json=bid(period=PERIOD)).status_code == 201
        (deal,) = until(lambda: buyer.get("/deals").json()["items"])
        for browser in (seller, buyer):
            answered = browser.post(f"/deals/{deal['deal_id']}/confirm")
            assert answered.status_code == 200, answered.text
        service.clock.now += 301
        until(lambda: buyer.get(f"/deals/{deal['deal_id']}").json()["status"] == "settled")
    return deal


def test_companies_trade_for_themselves_from_the_order_to_the_audit(companies):
    deal = trade(companies)
    companies.clock.now = (DAY + 1) * 86_400 + GRACE_SECONDS + 60
    with companies.browser("Grid company") as buyer:
        path = f"/statements/{DAY}"
        lines = until(lambda: not (found := buyer.get(path).json())["unsettled_nodes"] and found["lines"])
        assert [(line["item"], line["side"], line["energy_wh"]) for line in lines] == [
            ("deal", "bid", 1_000),
            ("imbalance", "ask", 1_000),  # it has no connection: what it bought and did not sell is left over
        ]
        assert lines[0]["money"] == deal["price_ticks"] * 1_000
        assert buyer.get(f"{path}.csv").text.count("Grid company") >= 2
    assert companies.region(lambda region: region.regulator.audit()) == []
    totals = companies.region(
        lambda region: [own.master_id for own in region.balance.submissions if own.record.kind == MeteredTotal.KIND]
    )
    assert sorted(set(totals)) == [1, 2], "who has no node has nothing to submit, and nobody waits for it"


def test_pages_say_that_the_party_is_the_master_and_a_master_without_nodes_has_all_of_them(companies):
    open_own_account(companies, "plant", "Plant company")
    with visitor(companies, "plant", "zh") as browser:
        page = browser.get("/network").text
        assert "Plant company" in page
        assert "主节点自营" in page
    with visitor(companies, "chamber") as browser:
        for path in ("/", "/market", "/energy", "/energy/orders", "/energy/statement", "/chains/chamber", "/network"):
            assert browser.get(path).status_code == 200, path
    until(lambda: companies.region(lambda region: region.main.anchors.last_anchor(3)))


def test_a_master_is_itself_once(tmp_path):
    twice = (NodeSpec("Desk", NodeKind.OWN, "City"), NodeSpec("Other desk", NodeKind.OWN, "City"))
    with pytest.raises(InvalidValue, match=r"Desk, Other desk.*one node at most that is the master"):
        RegionSpec("twice", 921, SPEC.settings, (MasterSpec("grid", Role.GRID, twice),))
