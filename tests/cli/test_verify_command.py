"""`gridbourse chain verify --folder`: every byte of a region's chain files is read, and what is wrong is named."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.errors import ChainCorrupted, ChainLocked, InvalidValue
from gridbourse.market.types import Role, Settings
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

SPEC = RegionSpec(
    "small",
    500,
    Settings(300, 0, 9_000, 900, 64),
    (MasterSpec("grid", Role.GRID, (NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 3"),)),),
)
STORED_BYTES = 4_104
"""A page of a chain's file with its checksum."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "region"
    with Region.create(folder, SPEC) as region:
        region.open_day(5)
        region.anchor()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "region")


def run(*arguments):
    return CliRunner().invoke(gridbourse, ["chain", "verify", *map(str, arguments)])


@pytest.mark.parametrize("options", [[], ["--execute"]])
def test_sound_files_are_said_to_be_sound(folder, options):
    shown = run("--folder", folder, *options)
    assert shown.exit_code == 0, shown.output
    for name in ("main", "grid"):
        assert f"{name}: is what was sealed" in shown.output
    assert ("executing it gives the same" in shown.output) == bool(options)


def test_one_chain_is_asked_for_by_its_name(folder):
    shown = run("--folder", folder, "grid", "--json")
    assert json.loads(shown.stdout) == {"grid": None}
    with pytest.raises(InvalidValue, match="one of"):
        CliRunner().invoke(gridbourse, ["chain", "verify", "--folder", str(folder), "x"], catch_exceptions=False)


@pytest.mark.parametrize("name", ["main", "grid"])
def test_a_changed_byte_is_named_with_file_place_and_remedy(folder, name):
    path = folder / f"{name}.chain"
    content = bytearray(path.read_bytes())
    page = next(page for page in reversed(range(len(content) // STORED_BYTES)) if any(page_of(content, page)))
    content[page * STORED_BYTES + 11] ^= 4
    path.write_bytes(content)
    shown = run("--folder", folder, "--json")
    assert shown.exit_code == 2, shown.output
    found = json.loads(shown.stdout)
    assert f"{name}.chain: page {page}, bytes {page * STORED_BYTES} to " in found.pop(name)
    assert set(found.values()) <= {None}, "the other file is sound, or not looked at where this one does not open"


def page_of(content, page):
    return content[page * STORED_BYTES : (page + 1) * STORED_BYTES]


def test_while_a_node_runs_the_region_its_own_check_reads_the_files(folder):
    with Region.open(folder), pytest.raises(ChainLocked):
        CliRunner().invoke(gridbourse, ["chain", "verify", "--folder", str(folder)], catch_exceptions=False)


def test_without_a_folder_it_needs_the_name_of_a_slave_chain():
    with pytest.raises(InvalidValue, match="the name of a slave chain, or --folder"):
        CliRunner().invoke(gridbourse, ["chain", "verify"], catch_exceptions=False)


@pytest.mark.parametrize("name", ["main", "grid"])
@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_a_file_that_is_not_there_is_a_finding_and_not_passed_over(folder, name, lose):
    lose(folder / f"{name}.chain")
    for options in ([], [name]):
        shown = run("--folder", folder, "--json", *options)
        assert shown.exit_code == 2, shown.output
        assert "missing or empty" in json.loads(shown.stdout)[name]


def test_a_file_in_the_place_of_another_is_named(folder):
    shutil.copy(folder / "main.chain", folder / "grid.chain")
    shown = run("--folder", folder, "--json")
    assert shown.exit_code == 2, shown.output
    assert "grid.chain: genesis: the file is that of another chain" in json.loads(shown.stdout)["grid"]
    with pytest.raises(ChainCorrupted, match=r"grid.chain.*another chain"):
        Region.open(folder)


def test_bytes_behind_the_last_page_are_a_finding(folder):
    with (folder / "grid.chain").open("ab") as file:
        file.write(b"x" * 10)
    shown = run("--folder", folder, "--json")
    assert shown.exit_code == 2, shown.output
    assert "grid.chain" in json.loads(shown.stdout)["grid"]


def test_a_damaged_chain_leaves_no_traceback(folder, caplog):
    content = bytearray((folder / "main.chain").read_bytes())
    content[STORED_BYTES * 3 :] = bytes(byte ^ 4 for byte in content[STORED_BYTES * 3 :])
    (folder / "main.chain").write_bytes(content)
    with pytest.raises(ChainCorrupted):
        Region.open(folder)
    assert not [record for record in caplog.records if record.exc_info]
