"""Schedules, nominations and capacities are records, and the regulator walks from a capacity back to the plants."""

from dataclasses import replace

import pytest
from small_region import PERIOD, Clock, ask, bid, records_of
from small_region import SPEC as SMALL

from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.grid.dispatch import Line, PowerNetwork
from gridbourse.ledger.balancing_records import CapacityDetails, ScheduleDetails
from gridbourse.market.types import EnergyType, Role, ZonePair
from gridbourse.node.dispatch import Scheduling
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

NETWORK = PowerNetwork(("north", "south"), [Line("line", "north", "south", 5_000, 100)])
SOUTH = 1
PERIODS = range(PERIOD, PERIOD + 2)
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
                NodeSpec("Anna", NodeKind.RESIDENTIAL, "House 1", SOUTH),
                NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 2", SOUTH),
                NodeSpec("Office", NodeKind.COMMERCIAL, "Office 3"),
                NodeSpec("Dispatch", NodeKind.DISPATCH, "Control centre"),
            ),
        ),
    ),
)
PLANS = {"Hydro": [3_000, 3_100], "Battery": [-500, 400]}
EXPECTED = {**PLANS, "Anna": [-800, -900], "Bert": [-700, 100], "Office": [-50, -60]}


def nominations_of(region, name):
    """What a master submitted to the dispatcher, as its encryption node reads it."""
    master = region.masters[name]
    entries = region.main.balancing.entries(1, region.main.chain.head().height)
    own = [entry.record for entry in entries if entry.master_id == master.membership.master_id]
    return [master.encryption_node.open_submitted(record) for record in own]


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    with Region.create(tmp_path_factory.mktemp("scheduled") / "region", SPEC, clock=Clock()) as region:
        yield region


@pytest.fixture(scope="module")
def published(region):
    """One round: plans, nominations, capacities."""
    scheduling = Scheduling(region, NETWORK)
    scheduling.plan(PERIOD, PLANS)
    scheduling.nominate(PERIOD, EXPECTED)
    capacity = scheduling.publish(PERIODS)
    region.anchor()
    return capacity


def test_every_plant_signs_its_schedule(region, published):
    assert records_of(region, "plants", ScheduleDetails) == [
        ScheduleDetails("Hydro", "north", PERIOD, (3_000, 3_100), (0, 0)),
        ScheduleDetails("Battery", "north", PERIOD, (0, 400), (500, 0)),
    ]


def test_masters_nominate_sums_by_zone_and_name_the_schedules_in_them(region, published):
    (plants,) = nominations_of(region, "plants")
    assert (plants.zone, plants.delivered_wh, plants.drawn_wh) == ("north", (3_000, 3_500), (500, 0))
    assert len(plants.schedules_hex) == 2
    north, south = nominations_of(region, "grid")
    assert (north.delivered_wh, north.drawn_wh, north.schedules_hex) == ((0, 0), (50, 60), ())
    assert (south.delivered_wh, south.drawn_wh) == ((0, 100), (1_500, 900))


def test_dispatch_records_what_it_summed_and_what_the_zones_may_exchange(region, published):
    assert records_of(region, "grid", CapacityDetails) == [published]
    assert (published.delivered_wh, published.drawn_wh) == ((3_000, 3_500, 0, 100), (550, 60, 1_500, 900))
    assert [published.capacity("north", "south", PERIOD + turn) for turn in range(2)] == [5_000, 5_000]
    assert published.capacity("north", "north", PERIOD) == 0


def test_the_main_chain_has_what_dispatch_recorded(region, published):
    market = region.main.market
    for turn in range(2):
        for start, end in ((0, 1), (1, 0)):
            known = market.transfer_capacity(ZonePair(PERIOD + turn, start, end))
            zones = published.zones[start], published.zones[end]
            assert known.capacity_wh == published.capacity(*zones, PERIOD + turn) > 0


def test_what_does_not_fit_between_zones_is_passed_over_and_what_fits_is_traded(tmp_path):
    with Region.create(tmp_path / "region", SPEC, clock=Clock()) as region:
        region.open_day(PERIOD // 96)
        region.deposit(dict.fromkeys(("Anna", "Office"), 10**10), PERIOD // 96, bytes(32))
        scheduling = Scheduling(region, NETWORK)
        scheduling.nominate(PERIOD, EXPECTED)
        scheduling.publish(PERIODS)
        region.offer([("Hydro", ask(9_000, 2_000, EnergyType.HYDRO)), ("Bert", ask(9_000, 3_000))])
        region.offer([("Anna", bid(6_000, 4_000)), ("Office", bid(6_000, 4_000))])
        deals = [region.main.market.deal(number) for number in range(1, region.main.market.deal_count() + 1)]
        trader = {name: region.master_of(name).trader(name, PERIOD // 96) for name in EXPECTED}
        carried = sum(
            deal.energy_wh for deal in deals if (deal.seller, deal.buyer) == (trader["Hydro"], trader["Anna"])
        )
        assert carried <= 5_000
        assert sum(deal.energy_wh for deal in deals if deal.buyer == trader["Anna"]) == 6_000
        assert sum(deal.energy_wh for deal in deals if deal.seller == trader["Hydro"]) >= 6_000


def test_a_capacity_that_dispatch_did_not_record_is_found_and_named(tmp_path):
    with Region.create(tmp_path / "region", SPEC, clock=Clock()) as region:
        scheduling = Scheduling(region, NETWORK)
        scheduling.nominate(PERIOD, EXPECTED)
        scheduling.publish(PERIODS)
        grid = region.masters["grid"]
        grid.main_wallet.send(region.main.market.publish_transfer_capacity({ZonePair(PERIOD, 0, 1): 9_999}))
        (finding,) = region.regulator.audit()
        assert "9999 Wh from zone 0 to 1" in finding


def test_only_the_dispatcher_opens_nominations_besides_their_master_and_the_regulator(region, published):
    plants, grid = region.masters["plants"], region.masters["grid"]
    own, *others = [entry.record for entry in region.main.balancing.entries(1, region.main.chain.head().height)]
    assert grid.encryption_node.open_submitted(own) == plants.encryption_node.open_submitted(own)
    for record in others:
        with pytest.raises(EnvelopeError):
            plants.encryption_node.open_submitted(record)


def test_dispatch_publishes_what_is_nominated_anew_and_the_newest_counts(tmp_path):
    with Region.create(tmp_path / "region", SPEC, clock=Clock()) as region:
        scheduling = Scheduling(region, NETWORK)
        scheduling.nominate(PERIOD, EXPECTED)
        scheduling.publish(PERIODS)
        scheduling.nominate(PERIOD, EXPECTED | {"Hydro": [2_000, 2_000]})
        again = scheduling.publish(PERIODS)
        assert (again.delivered_wh, len(again.nominations_hex)) == ((2_000, 2_400, 0, 100), 3)
        assert region.regulator.audit() == []


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
        Scheduling(small, NETWORK).publish(PERIODS)


def test_nominations_of_other_periods_are_not_summed(region, published):
    scheduling = Scheduling(region, NETWORK)
    scheduling.nominate(PERIOD + 4, EXPECTED)
    later = scheduling.publish(range(PERIOD + 4, PERIOD + 6))
    assert (len(later.nominations_hex), later.delivered_wh) == (3, published.delivered_wh)
    assert scheduling.publish(range(PERIOD + 4, PERIOD + 5)).nominations_hex == ()


LIES = {
    "sums otherwise than its nominations": (
        lambda stated: replace(stated, delivered_wh=(2_999, 3_500, 0, 100)),
        "delivered_wh is not the sum of the nominations",
    ),
    "names a nomination that nobody made": (
        lambda stated: replace(stated, nominations_hex=("ab" * 32,)),
        "that nobody submitted",
    ),
    "leaves a nomination out": (
        lambda stated: replace(
            stated,
            nominations_hex=stated.nominations_hex[1:],
            delivered_wh=(0, 0, 0, 100),
            drawn_wh=(50, 60, 1_500, 900),
        ),
        "does not sum the nominations that were submitted",
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
        scheduling = Scheduling(region, NETWORK)
        scheduling.plan(PERIOD, PLANS)
        scheduling.nominate(PERIOD, EXPECTED)
        honest = scheduling.publish(PERIODS)
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
        scheduling = Scheduling(region, NETWORK)
        scheduling.plan(PERIOD, PLANS)
        scheduling.nominate(PERIOD, EXPECTED)
        (honest,) = nominations_of(region, "plants")
        region.masters["plants"].submit([change(honest)], region.main.consortium.dispatcher())
        findings = region.regulator.audit()
        assert any("submission 3 of plants" in finding and words in finding for finding in findings)
