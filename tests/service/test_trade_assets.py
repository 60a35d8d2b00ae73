"""What masters have to trade: published by themselves, sums without persons, read by masters and the regulator."""

from dataclasses import replace

import pytest
from small_market import SPEC
from test_pages import visitor

from gridbourse.crypto.envelope import key_id, recipients_of
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.ledger.balancing_records import TradeAssets
from gridbourse.market.types import Role
from gridbourse.node import assets
from gridbourse.node.assets import publish_assets, published_assets, sum_assets
from gridbourse.node.connections import register_meter
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec
from service import until

ROOFS = [
    {"kind": "pv", "zone": 0, "node_count": 1, "capacity_w": 0},
    {"kind": "storage", "zone": 0, "node_count": 1, "capacity_w": 0},
]


def assets_of(browser):
    return {published["master"]: published["rows"] for published in browser.get("/assets").json()}


def test_every_master_and_the_regulator_read_what_all_masters_publish_by_themselves(service):
    for reader in ("grid", "roofs", "regulator"):
        with service.browser(reader) as browser:
            assert until(lambda browser=browser: assets_of(browser)) == {"roofs": ROOFS}
    with service.browser("Anna") as node:
        assert node.get("/assets").status_code == 403
    service.region(register_meter, "Anna", SigningKey.generate().address, 8_000)
    with service.browser("grid") as browser:
        until(lambda: assets_of(browser)["roofs"][0]["capacity_w"] == 8_000)
        (published,) = browser.get("/assets").json()
        shown = browser.get(f"/chains/main/transactions/{published['transaction']}").json()
        assert shown["height"] == published["height"], "the record behind it is found on the main chain"
    assert service.region(lambda region: region.regulator.audit()) == []


def test_the_page_shows_them_with_the_block_that_holds_them(service):
    with service.browser("roofs") as browser:
        until(lambda: assets_of(browser))
    with visitor(service, "grid", "zh") as browser:
        page = browser.get("/network").text
        assert "交易资产" in page
        assert "/chains/main/transactions/0x" in page


@pytest.fixture
def street(tmp_path):
    """A grid company with three households in one zone, two in another, and a works; nothing runs by itself."""
    roofs, grid = SPEC.masters
    homes = [NodeSpec(f"Home {number}", NodeKind.RESIDENTIAL, "", zone=number // 3) for number in range(5)]
    works = NodeSpec("Works", NodeKind.INDUSTRIAL, "")
    spec = replace(SPEC, masters=(roofs, replace(grid, nodes=(*homes, works))))
    with Region.create(tmp_path / "region", spec) as region:
        yield region


def test_a_sum_over_few_consumers_is_left_out(street):
    assert sum_assets(street, "grid") == TradeAssets(("residential",), (0,), (3,), (0,))


def test_what_is_published_already_is_not_published_again_until_it_or_its_readers_change(street):
    def count():
        street.catch_up()
        return len(street.balance.submissions)

    publish_assets(street, "roofs")
    assert count() == 1
    publish_assets(street, "roofs")
    assert count() == 1
    street.rotate_keys("grid/encryption")
    publish_assets(street, "roofs")
    assert count() == 2
    street.revoke_node("Arno")
    publish_assets(street, "roofs")
    assert count() == 3
    (published,) = published_assets(street)
    assert published.assets.asset_kinds == ("pv",)


def test_more_masters_than_an_envelope_has_readers_are_told_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "READERS_AT_ONCE", 1)
    roofs, grid = SPEC.masters
    plants = [MasterSpec(f"plant-{number}", Role.SOURCE, ()) for number in range(2)]
    with Region.create(tmp_path / "region", replace(SPEC, masters=(roofs, grid, *plants))) as region:
        for _ in range(2):
            publish_assets(region, "roofs")
            region.catch_up()
        told = region.balance.submissions
        assert len(told) == 4, "once each"
        for name, master in region.masters.items():
            opened = [own for own in told if key_id(master.encryption_node.readers[0]) in readers_of(own)]
            assert opened, name
        (published,) = published_assets(region)
        assert published.assets.asset_kinds == ("pv", "storage")


def readers_of(submission):
    return recipients_of(submission.record.content[HASH_BYTES:])
