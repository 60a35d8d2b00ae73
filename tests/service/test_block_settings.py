"""A master sets how the blocks of its own slave chain are made."""

import pytest
from small_market import SPEC
from small_market import ask as order
from test_pages import visitor

from gridbourse.chain.block import BLOCK_GAS_LIMIT
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import BlockSettings
from gridbourse.node.jobs.anchor import Anchor
from gridbourse.node.region import Region

WANTED = {"interval_ms": 40, "gas_limit": 2 * GAS_LIMIT, "anchor_seconds": 3_600}


def head(service, name):
    return service.region(lambda region: region.masters[name].slave.chain.head().height)


def test_a_master_sets_its_own_chains_blocks_and_its_members_read_how(service):
    with service.browser("roofs") as master, service.browser("Anna") as node, service.browser("grid") as other:
        assert master.get("/chains/roofs/settings").json() == {
            "interval_ms": 0,
            "gas_limit": BLOCK_GAS_LIMIT,
            "anchor_seconds": 0,
        }
        assert master.put("/chains/settings", json=WANTED).status_code == 204
        assert node.get("/chains/roofs/settings").json() == WANTED
        assert other.get("/chains/roofs/settings").status_code == 403
        assert other.get("/chains/grid/settings").json()["interval_ms"] == 0, "everybody's own"
        assert node.put("/chains/settings", json=WANTED).status_code == 403
        assert master.put("/chains/settings", json=WANTED | {"gas_limit": GAS_LIMIT - 1}).status_code == 422
        kinds = [record["kind"] for record in master.get("/chains/roofs/records").json()["items"]]
        assert kinds.count("block_settings") == 1
        height = head(service, "roofs")
        assert master.put("/chains/settings", json=WANTED).status_code == 204
        assert head(service, "roofs") == height, "what is in force is not recorded again"
        assert node.post("/orders", json=order()).status_code == 201, "orders go on"
    assert service.region(lambda region: region.regulator.audit()) == []


def test_settings_are_in_force_again_after_a_start(tmp_path):
    with Region.create(tmp_path / "region", SPEC) as region:
        region.set_blocks("roofs", BlockSettings(gas_limit=GAS_LIMIT))
    with Region.open(tmp_path / "region") as region:
        roofs, height = region.masters["roofs"], region.masters["roofs"].slave.chain.head().height
        roofs.slave_wallet.send_many([roofs.slave.ledger.set_writers([], allowed=True)] * 3)
        assert roofs.slave.chain.head().height == height + 3, "one transaction fills a block"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_chain_shows_them_and_its_master_sets_them_there(service, language):
    with visitor(service, "roofs", language) as master:
        assert 'name="interval_ms"' in master.get("/chains/roofs").text
        answer = master.post("/chains/settings", data=WANTED)
        assert (answer.status_code, answer.url.path) == (200, "/chains/roofs")
        assert 'value="3600"' in answer.text
    with visitor(service, "Anna", language) as node:
        page = node.get("/chains/roofs").text
        assert "60000000" in page
        assert 'name="interval_ms"' not in page


def test_each_chain_is_anchored_as_often_as_its_master_says(tmp_path):
    now = [0.0]
    with Region.create(tmp_path / "region", SPEC) as region:
        region.set_blocks("roofs", BlockSettings(anchor_seconds=100))
        heights = {name: relay.slave_height for name, relay in region.relays.items()}
        job = Anchor(heights, 10.0, lambda: now[0])

        def anchored():
            tasks = list(job.tasks(region))
            for task in tasks:
                task.run()
            return [task.subject for task in tasks]

        assert anchored() == ["roofs", "grid"]
        assert anchored() == []
        now[0] = 10.0
        assert anchored() == ["grid"]
        now[0] = 100.0
        assert anchored() == ["roofs", "grid"]


def test_only_a_chain_of_its_own_has_settings(tmp_path):
    with Region.create(tmp_path / "region", SPEC) as region, pytest.raises(InvalidValue, match="master"):
        region.set_blocks("nobody", BlockSettings())


@pytest.mark.parametrize(
    ("field", "value"),
    [("interval_ms", 10_001), ("gas_limit", GAS_LIMIT - 1), ("gas_limit", BLOCK_GAS_LIMIT + 1), ("anchor_seconds", -1)],
)
def test_settings_out_of_range_are_named(field, value):
    with pytest.raises(InvalidValue, match=field):
        BlockSettings(**{field: value})
