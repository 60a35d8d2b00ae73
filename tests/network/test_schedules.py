"""Schedules, nominations and capacities are records, and the regulator walks from a capacity back to the plants."""

from dataclasses import replace

import pytest
from small_region import PERIOD, Clock, records_of
from small_region import SPEC as SMALL

from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.grid.dispatch import Line, PowerNetwork
from gridbourse.market.types import Role
from gridbourse.network.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.network.records import CapacityDetails, Nomination, ScheduleDetails
from gridbourse.network.region import Region
from gridbourse.network.schedules import Scheduling

NETWORK = PowerNetwork(("north", "south"), [Line("line", "north", "south", 5_000, 100)])
ZONE_OF = {"Hydro": "north", "Battery": "north", "Anna": "south", "Bert": "south", "Office": "north"}
SPEC = RegionSpec(
    "scheduled",
    600,
    SMALL.settings,
    (
        MasterSpec(
            "plants",
            Role.SOURCE,
            (NodeSpec("Hydro", NodeKind.HYDRO, "Weir"), NodeSpec("Battery", NodeKind.STORAGE, "Hall")),
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (
                NodeSpec("Anna", NodeKind.RESIDENTIAL, "House 1"),
                NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 2"),
                NodeSpec("Office", NodeKind.COMMERCIAL, "Office 3"),
                NodeSpec("Dispatch", NodeKind.DISPATCH, "Control centre"),
            ),
        ),
    ),
)
PLANS = {"Hydro": [3_000, 3_100], "Battery": [-500, 400]}
EXPECTED = {**PLANS, "Anna": [-800, -900], "Bert": [-700, 100], "Office": [-50, -60]}


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    with Region.create(tmp_path_factory.mktemp("scheduled") / "region", SPEC, clock=Clock()) as region:
        yield region


@pytest.fixture(scope="module")
def published(region):
    """One round: plans, nominations, capacities."""
    scheduling = Scheduling(region, NETWORK, ZONE_OF)
    scheduling.plan(PERIOD, PLANS)
    capacity = scheduling.publish(scheduling.nominate(PERIOD, EXPECTED))
    region.anchor()
    return capacity


def test_every_plant_signs_its_schedule(region, published):
    assert records_of(region, "plants", ScheduleDetails) == [
        ScheduleDetails("Hydro", "north", PERIOD, (3_000, 3_100), (0, 0)),
        ScheduleDetails("Battery", "north", PERIOD, (0, 400), (500, 0)),
    ]


def test_masters_nominate_sums_by_zone_and_name_the_schedules_in_them(region, published):
    (plants,) = records_of(region, "plants", Nomination)
    assert (plants.zone, plants.delivered_wh, plants.drawn_wh) == ("north", (3_000, 3_500), (500, 0))
    assert len(plants.schedules_hex) == 2
    north, south = records_of(region, "grid", Nomination)
    assert (north.delivered_wh, north.drawn_wh, north.schedules_hex) == ((0, 0), (50, 60), ())
    assert (south.delivered_wh, south.drawn_wh) == ((0, 100), (1_500, 900))


def test_dispatch_records_what_it_summed_and_what_the_zones_may_exchange(region, published):
    assert records_of(region, "grid", CapacityDetails) == [published]
    assert (published.delivered_wh, published.drawn_wh) == ((3_000, 3_500, 0, 100), (550, 60, 1_500, 900))
    assert [published.capacity("north", "south", PERIOD + turn) for turn in range(2)] == [5_000, 5_000]
    assert published.capacity("north", "north", PERIOD) == 0


def test_dispatch_opens_nominations_and_no_schedules_and_no_other_node_opens_either(region, published):
    plants, grid = region.masters["plants"], region.masters["grid"]
    for record in plants.slave.records():
        details = plants.encryption_node.open(record)
        for node in grid.nodes.values():
            may = isinstance(details, Nomination) and node.spec.kind is NodeKind.DISPATCH
            if may:
                assert node.read(record, plants.slave.ledger) == details
            else:
                with pytest.raises(EnvelopeError):
                    node.read(record, plants.slave.ledger)


def test_the_regulator_walks_from_a_capacity_to_the_plants(region, published):
    trace = region.regulator.trace_capacity(PERIOD + 1, "north", "south")
    assert (trace.capacity_wh, trace.capacity.details, trace.findings) == (5_000, published, ())
    plants = [schedule.details.user_id for _, schedules in trace.nominations for schedule in schedules]
    assert sorted(plants) == ["Battery", "Hydro"]
    assert [source.reading.name for source, _ in trace.nominations] == ["plants", "grid", "grid"]
    assert region.regulator.audit() == []


@pytest.mark.parametrize(
    ("period", "start", "end", "field"),
    [
        (PERIOD + 2, "north", "south", "period"),
        (PERIOD, "west", "south", "from_zone"),
        (PERIOD, "north", "x", "to_zone"),
    ],
)
def test_a_capacity_that_there_is_not_has_no_trace(region, published, period, start, end, field):
    with pytest.raises(InvalidValue, match=field):
        region.regulator.trace_capacity(period, start, end)


def test_a_region_without_dispatch_publishes_nothing(tmp_path):
    with (
        Region.create(tmp_path / "region", SMALL, clock=Clock()) as small,
        pytest.raises(InvalidValue, match="dispatch"),
    ):
        Scheduling(small, NETWORK, {})


def test_nominations_of_different_periods_are_not_summed(region):
    scheduling = Scheduling(region, NETWORK, ZONE_OF)
    mixed = scheduling.nominate(PERIOD, EXPECTED) + scheduling.nominate(PERIOD + 4, EXPECTED)
    with pytest.raises(InvalidValue, match="same periods"):
        scheduling.publish(mixed)


LIES = {
    "sums otherwise than its nominations": (
        lambda stated: replace(stated, delivered_wh=(2_999, 3_500, 0, 100)),
        "delivered_wh is not the sum of the nominations",
    ),
    "names a nomination that nobody made": (
        lambda stated: replace(stated, nominations_hex=("ab" * 32,)),
        "on no slave chain",
    ),
    "is by a node that does not dispatch": (
        lambda stated: replace(stated, user_id="Anna"),
        "is no dispatch node",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_false_capacity_is_found_and_named(tmp_path, lie):
    change, words = LIES[lie]
    with Region.create(tmp_path / "region", SPEC, clock=Clock()) as region:
        scheduling = Scheduling(region, NETWORK, ZONE_OF)
        scheduling.plan(PERIOD, PLANS)
        honest = scheduling.publish(scheduling.nominate(PERIOD, EXPECTED))
        region.write([change(honest)])
        (finding,) = region.regulator.audit()
        assert "slave chain grid" in finding
        assert words in finding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stated: replace(stated, delivered_wh=(2_000, 3_500)), "2000 Wh, its schedules say 3000 Wh"),
        (lambda stated: replace(stated, zone="south"), "not of its master's nodes in zone south"),
        (lambda stated: replace(stated, schedules_hex=("cd" * 32,)), "names schedules that are not"),
    ],
)
def test_a_master_that_nominates_otherwise_than_it_scheduled_is_found_and_named(tmp_path, change, words):
    with Region.create(tmp_path / "region", SPEC, clock=Clock()) as region:
        scheduling = Scheduling(region, NETWORK, ZONE_OF)
        scheduling.plan(PERIOD, PLANS)
        scheduling.nominate(PERIOD, EXPECTED)
        (honest,) = records_of(region, "plants", Nomination)
        region.masters["plants"].write([(change(honest), ())])
        findings = region.regulator.audit()
        assert any("slave chain plants" in finding and words in finding for finding in findings)
