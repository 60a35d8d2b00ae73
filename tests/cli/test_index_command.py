"""`gridbourse index`: what is told of the index, and how it is built again."""

import shutil

import pytest
from click.testing import CliRunner

from gridbourse.cli.main import gridbourse
from gridbourse.errors import InvalidValue
from gridbourse.index.database import Database
from gridbourse.index.queries.reader import IndexReader
from gridbourse.market.types import Role, Settings
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.layout import INDEX_FILE

SPEC = RegionSpec(
    "small",
    500,
    Settings(300, 0, 9_000, 900, 64),
    (MasterSpec("grid", Role.GRID, (NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 3"),)),),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "region"
    with Region.create(folder, SPEC) as region:
        region.open_day(5)
        region.catch_up()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "region")


def run(*arguments):
    return CliRunner().invoke(gridbourse, list(map(str, arguments)))


def heights(folder):
    return {name: chain.head.height for name, chain in IndexReader(Database.of(folder)).chains.heads().items()}


def test_the_status_tells_how_far_the_index_is_and_what_it_holds(folder):
    shown = run("index", "status", folder)
    assert shown.exit_code == 0, shown.output
    assert "0 orders, 0 trades" in shown.output
    assert str(heights(folder)["main"]) in shown.output


def test_an_index_that_is_rebuilt_is_as_far_as_it_was(folder):
    before = heights(folder)
    for file in folder.glob(f"{INDEX_FILE}*"):
        file.unlink()
    shown = run("index", "rebuild", folder)
    assert shown.exit_code == 0, shown.output
    assert heights(folder) == before


def test_what_is_not_built_yet_is_said(folder):
    for file in folder.glob(f"{INDEX_FILE}*"):
        file.unlink()
    shown = run("index", "status", folder)
    assert isinstance(shown.exception, InvalidValue)
    assert "rebuild" in str(shown.exception)


def test_a_folder_that_holds_no_region_is_refused(tmp_path):
    assert isinstance(run("index", "status", tmp_path).exception, InvalidValue)
    assert not (tmp_path / INDEX_FILE).exists()
