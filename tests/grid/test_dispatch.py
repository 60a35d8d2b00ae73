"""Dispatch: networks solved by hand, the laws of circuits, and capacity that is exactly what the lines leave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import Line, PowerNetwork, ZoneSchedule

ZONES = "ABCDE"
UNTIMED = settings(deadline=None)


def lines(*ends, limit_wh=100, reactances=None):
    reactances = reactances or [100] * len(ends)
    return [Line(pair, *pair, limit_wh, reactance) for pair, reactance in zip(ends, reactances, strict=True)]


def dispatch(network, injections, **options):
    schedules = [ZoneSchedule(zone, [wh]) for zone, wh in injections.items()]
    return network.dispatch(schedules, 1, **options)


def only(series_by_name):
    return {name: wh for name, (wh,) in series_by_name.items()}


TRIANGLE = PowerNetwork("ABC", lines("AB", "BC", "AC"))


def test_in_a_triangle_of_equal_lines_two_thirds_take_the_direct_way():
    outcome = dispatch(TRIANGLE, {"A": 90, "C": -90})
    assert only(outcome.flow_wh) == {"AB": 30, "BC": 30, "AC": 60}
    assert only(outcome.free_wh) == {
        ("A", "C"): 60,  # AC has 40 left and takes 2/3
        ("C", "A"): 240,  # AC turns round: 160 at 2/3
        ("A", "B"): 105,  # AB has 70 left and takes 2/3
        ("B", "A"): 195,
        ("B", "C"): 105,
        ("C", "B"): 195,
    }


def test_flow_divides_against_reactance():
    network = PowerNetwork("ABC", lines("AB", "BC", "AC", reactances=[100, 200, 100]))
    assert only(dispatch(network, {"A": 80, "C": -80}).flow_wh) == {"AB": 20, "BC": 20, "AC": 60}


def test_in_a_ring_of_four_three_quarters_take_the_direct_way():
    network = PowerNetwork("ABCD", lines("AB", "BC", "CD", "DA"))
    assert only(dispatch(network, {"A": 80, "B": -80}).flow_wh) == {"AB": 60, "BC": -20, "CD": -20, "DA": -20}
    assert only(dispatch(network, {"A": 80, "C": -80}).flow_wh) == {"AB": 40, "BC": 40, "CD": -40, "DA": -40}


def test_a_bridged_ring_of_four_is_balanced_across_its_bridge():
    network = PowerNetwork("ABCD", lines("AB", "BC", "CD", "DA", "BD"))
    assert only(dispatch(network, {"A": 80, "C": -80}).flow_wh)["BD"] == 0
    assert only(dispatch(network, {"B": 80, "D": -80}).flow_wh) == {"AB": -20, "BC": 20, "CD": 20, "DA": -20, "BD": 40}


def test_parallel_lines_share_and_the_weaker_one_limits():
    pair = [Line("strong", "A", "B", 100, 100), Line("weak", "A", "B", 40, 100)]
    outcome = dispatch(PowerNetwork("AB", pair), {"A": 30, "B": -30})
    assert only(outcome.flow_wh) == {"strong": 15, "weak": 15}
    assert only(outcome.free_wh) == {("A", "B"): 50, ("B", "A"): 110}


def test_schedules_of_one_zone_add_up():
    schedules = [ZoneSchedule("A", [50, 10]), ZoneSchedule("B", [-20, 0]), ZoneSchedule("A", [-30, 5])]
    outcome = TRIANGLE.dispatch(schedules, 2)
    assert outcome.injection_wh == {"A": (20, 15), "B": (-20, 0), "C": (0, 0)}
    assert outcome.imbalance_wh == (0, 15)


def test_an_overloaded_line_is_named_and_only_relief_is_free():
    outcome = dispatch(TRIANGLE, {"A": 180, "C": -180})
    assert only(outcome.overload_wh) == {"AB": 0, "BC": 0, "AC": 20}
    free = only(outcome.free_wh)
    assert free["A", "C"] == free["A", "B"] == free["B", "C"] == 0
    assert free["C", "A"] == 330


def test_with_outages_the_way_round_must_carry_everything():
    outcome = dispatch(TRIANGLE, {"A": 60, "C": -60}, outages=True)
    assert only(outcome.free_wh)["A", "C"] == 40
    assert only(outcome.free_wh)["C", "A"] == 160


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: PowerNetwork("A", []), "zones"),
        (lambda: PowerNetwork("AA", lines("AB")), "zones"),
        (lambda: PowerNetwork("AB", []), "lines"),
        (lambda: PowerNetwork("AB", lines("AB", "AB")), "lines"),
        (lambda: PowerNetwork("AB", lines("AX")), "AX.to_zone: 'X'"),
        (lambda: PowerNetwork("ABCD", lines("AB", "CD")), r"lines: \['C', 'D'\]"),
        (lambda: Line("x", "A", "A", 1, 1), "x.to_zone"),
        (lambda: Line("x", "A", "B", -1, 1), "x.limit_wh"),
        (lambda: Line("x", "A", "B", 1, 0), "x.reactance_milliohm"),
        (lambda: dispatch(TRIANGLE, {"X": 1}), "zone: 'X'"),
        (lambda: TRIANGLE.dispatch([ZoneSchedule("A", [1])], 2), "A.injection_wh: '1 periods'"),
    ],
)
def test_an_input_that_cannot_be_is_named(make, named):
    with pytest.raises(InvalidValue, match=named):
        make()


@st.composite
def loaded_networks(draw):
    """Zones on a random tree with further lines, and balanced injections."""
    zones = ZONES[: draw(st.integers(2, len(ZONES)))]
    ends = [(draw(st.sampled_from(zones[:n])), zone) for n, zone in enumerate(zones) if n]
    ends += draw(st.lists(st.sampled_from([(a, b) for a in zones for b in zones if a != b]), max_size=4))
    network = [
        Line(f"{n}", *pair, draw(st.integers(0, 10_000)), draw(st.integers(1, 500))) for n, pair in enumerate(ends)
    ]
    injections = {zone: draw(st.integers(-5_000, 5_000)) for zone in zones[1:]}
    return PowerNetwork(zones, network), injections | {zones[0]: -sum(injections.values())}


@UNTIMED
@given(loaded_networks())
def test_what_enters_a_zone_leaves_it(case):
    network, injections = case
    flows = network.factors @ [injections[zone] for zone in network.zones]
    for zone, wh in injections.items():
        leaving = sum(
            flow * ((line.from_zone == zone) - (line.to_zone == zone))
            for line, flow in zip(network.lines, flows, strict=True)
        )
        assert leaving == pytest.approx(wh, abs=1e-6)


@UNTIMED
@given(loaded_networks())
def test_flows_lose_least_of_all_that_carry_the_injections(case):
    """Thomson's principle: an independent definition of the flows."""
    network, injections = case
    ends = np.array([[(line.from_zone == z) - (line.to_zone == z) for line in network.lines] for z in network.zones])
    weight = np.sqrt([line.reactance_milliohm for line in network.lines])
    least, *_ = np.linalg.lstsq(ends / weight, [injections[zone] for zone in network.zones], rcond=None)
    assert network.factors @ [injections[zone] for zone in network.zones] == pytest.approx(least / weight, abs=1e-6)


@UNTIMED
@given(loaded_networks())
def test_the_slack_zone_does_not_matter_to_balanced_schedules(case):
    network, injections = case
    other = PowerNetwork(network.zones[::-1], network.lines)
    ours, theirs = dispatch(network, injections), dispatch(other, injections)
    assert ours.free_wh == theirs.free_wh
    assert ours.overload_wh == theirs.overload_wh


@UNTIMED
@given(loaded_networks())
def test_reversed_injections_mirror_everything(case):
    network, injections = case
    ours = dispatch(network, injections)
    mirror = dispatch(network, {zone: -wh for zone, wh in injections.items()})
    assert only(mirror.flow_wh) == {name: -wh for name, wh in only(ours.flow_wh).items()}
    assert mirror.free_wh == {(b, a): wh for (a, b), wh in ours.free_wh.items()}


@UNTIMED
@given(loaded_networks())
def test_free_capacity_fits_and_not_a_wh_more(case):
    network, injections = case
    limits = [line.limit_wh for line in network.lines]
    for (source, sink), free in only(dispatch(network, injections).free_wh).items():

        def excess(transfer, source=source, sink=sink):
            moved = injections | {source: injections[source] + transfer, sink: injections[sink] - transfer}
            return np.abs(network.factors @ [moved[zone] for zone in network.zones]) - limits

        assert (excess(free) <= np.maximum(excess(0), 0) + 1e-3).all()
        assert excess(free + 1).max() > -1e-9


@UNTIMED
@given(loaded_networks())
def test_capacity_with_outages_is_the_least_over_the_networks_that_remain(case):
    network, injections = case
    expected = [dispatch(network, injections).free_wh]
    for lost in network.lines:
        try:
            rest = PowerNetwork(network.zones, [line for line in network.lines if line is not lost])
        except InvalidValue:
            continue
        expected.append(dispatch(rest, injections).free_wh)
    least = {pair: min(free[pair] for free in expected) for pair in expected[0]}
    assert dispatch(network, injections, outages=True).free_wh == least
