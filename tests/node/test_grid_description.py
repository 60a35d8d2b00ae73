"""A region's zones and lines, as its file tells them."""

from dataclasses import replace

import pytest
from small_region import SPEC

from gridbourse.errors import InvalidValue
from gridbourse.node.planning import power_network
from gridbourse.region.description_file import read_region, write_region
from gridbourse.region.grid import GridSpec, LineSpec

LINE = LineSpec("pass", "hills", "river", 400, 500)
GRID = GridSpec(("hills", "river"), (LINE,), margin_permille=50)


def test_a_grid_is_written_and_read_back(tmp_path):
    spec = replace(SPEC, grid=GRID)
    write_region(spec, tmp_path / "region.toml")
    assert read_region(tmp_path / "region.toml") == spec


def test_a_limit_of_power_is_one_of_energy_in_a_period():
    network = power_network(GRID)
    assert (network.zones, network.lines[0].limit_wh) == (("hills", "river"), 100_000)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: GridSpec(("hills",), ()), "grid.zones"),
        (lambda: GridSpec(("hills", "hills"), (LINE,)), "grid.zones"),
        (lambda: GridSpec(("hills", "river"), ()), "grid.line"),
        (lambda: GridSpec(("hills", "river"), (replace(LINE, to_zone="sea"),)), "grid.line.to"),
        (lambda: GridSpec(("hills", "river"), (replace(LINE, to_zone="hills"),)), "grid.line.to"),
        (lambda: GridSpec(("hills", "river"), (replace(LINE, reactance_milliohm=0),)), "reactance"),
        (lambda: GridSpec(("hills", "river"), (LINE,), margin_permille=1_001), "margin"),
    ],
)
def test_a_grid_that_does_not_hold_together_is_refused_by_its_field(make, field):
    with pytest.raises(InvalidValue, match=field):
        make()


def test_a_node_in_no_zone_of_the_grid_is_refused():
    roofs, grid = SPEC.masters
    away = replace(roofs, nodes=(replace(roofs.nodes[0], zone=2), *roofs.nodes[1:]))
    with pytest.raises(InvalidValue, match="Anna"):
        replace(SPEC, grid=GRID, masters=(away, grid))
