"""A region is one folder: whole, or not there."""

from dataclasses import replace

import pytest
from small_region import SPEC, Clock, PowerCut

from gridbourse.errors import ChainLocked, GridbourseError, InvalidValue
from gridbourse.market.types import Role
from gridbourse.node.region import Region


def test_a_region_is_a_folder_with_its_description_its_keys_and_its_chains(tmp_path, clock):
    with Region.create(tmp_path / "region", SPEC, clock=clock) as region:
        assert region.spec == SPEC
        assert {master.role for master in region.main.consortium.masters().values()} == {Role.AGGREGATOR, Role.GRID}
    found = {str(path.relative_to(tmp_path / "region")) for path in (tmp_path / "region").rglob("*") if path.is_file()}
    keys = {"regulator", "masters/roofs", "masters/grid", "nodes/Anna", "nodes/Arno", "nodes/Bert", "nodes/Bea"}
    assert {"region.toml", "main.chain", "roofs.chain", "grid.chain"} <= found
    assert {f"keys/{name}.json" for name in keys} == {name for name in found if name.startswith("keys/")}


def test_an_empty_folder_becomes_a_region(tmp_path):
    (tmp_path / "region").mkdir()
    Region.create(tmp_path / "region", SPEC).close()
    Region.open(tmp_path / "region").close()


@pytest.mark.parametrize("failing_at", ["region.toml", "keys", "chains", "contracts"])
def test_a_region_that_cannot_be_made_leaves_nothing_behind(tmp_path, monkeypatch, failing_at):
    def fail(*_, **__):
        raise PowerCut

    name = {
        "region.toml": "gridbourse.node.region.write_region",
        "keys": "gridbourse.crypto.node_keys.KeyFolder.save_node",
        "chains": "gridbourse.node.folder.chains.EmbeddedChain",
        "contracts": "gridbourse.ledger.merkle_log.Slave.create",
    }[failing_at]
    monkeypatch.setattr(name, fail)
    with pytest.raises(PowerCut):
        Region.create(tmp_path / "region", SPEC)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["a file", "a folder with something in it"])
def test_what_is_there_already_is_not_touched(tmp_path, kind):
    place = tmp_path / "region"
    if kind == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine").write_text("mine")
    with pytest.raises(InvalidValue, match="new or empty folder"):
        Region.create(place, SPEC)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_folder_without_a_region_is_named(tmp_path):
    with pytest.raises(InvalidValue, match=str(tmp_path)):
        Region.open(tmp_path)


@pytest.mark.parametrize("name", ["main.chain", "roofs.chain"])
def test_a_lost_chain_is_named_and_no_new_one_begun(folder, name):
    (folder / name).unlink()
    with pytest.raises(InvalidValue, match=name):
        Region.open(folder)
    assert not (folder / name).exists()


def test_a_lost_key_is_named_and_the_chains_are_let_go(folder):
    key = folder / "keys" / "nodes" / "Bea.json"
    content = key.read_text()
    key.unlink()
    with pytest.raises(InvalidValue, match="Bea"):
        Region.open(folder)
    key.write_text(content)
    Region.open(folder).close()


def test_a_region_is_open_once_at_a_time(folder):
    with Region.open(folder), pytest.raises(ChainLocked):
        Region.open(folder)


def test_a_node_that_nobody_has_is_named(region):
    with pytest.raises(InvalidValue, match="Nobody"):
        region.master_of("Nobody")


def test_a_day_that_is_not_open_is_named(region):
    with pytest.raises(InvalidValue, match="day"):
        region.deposit({"Bert": 1}, 1, bytes(32))


def test_settings_that_the_contract_refuses_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(GridbourseError, match="price_floor"):
        Region.create(tmp_path / "region", replace(SPEC, settings=replace(SPEC.settings, floor_ticks=9_001)))
    assert list(tmp_path.iterdir()) == []


def test_whoever_looks_on_sees_every_chain_by_its_name(folder):
    seen = {}
    with Region.open(folder, clock=Clock(), observe=seen.setdefault) as region:
        assert set(seen) == {"main", "roofs", "grid"}
        assert seen["roofs"] is region.masters["roofs"].slave.chain
