"""Transfer capacities: safe whatever is traded within them, and divided by what the schedules let expect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.grid.capacity import transfer_capacities
from gridbourse.grid.dispatch import Line, PowerNetwork

TWO = PowerNetwork(("a", "b"), [Line("a-b", "a", "b", 10_000, 100)])
RING = PowerNetwork(
    ("a", "b", "c"),
    [Line("a-b", "a", "b", 9_000, 100), Line("b-c", "b", "c", 6_000, 100), Line("a-c", "a", "c", 3_000, 100)],
)


@st.composite
def cases(draw):
    """A connected network of up to five zones, and schedules for two periods."""
    zones = [f"z{number}" for number in range(draw(st.integers(2, 5)))]
    ends = [(zones[draw(st.integers(0, number - 1))], zones[number]) for number in range(1, len(zones))]
    ends += draw(st.lists(st.permutations(zones).map(lambda mixed: (mixed[0], mixed[1])), max_size=4))
    lines = [
        Line(f"l{number}", start, end, draw(st.integers(0, 10**6)), draw(st.integers(1, 1_000)))
        for number, (start, end) in enumerate(ends)
    ]
    energies = st.lists(st.integers(0, 10**6), min_size=2, max_size=2)
    delivered, drawn = ({zone: draw(energies) for zone in zones} for _ in range(2))
    return PowerNetwork(zones, lines), delivered, drawn, draw(st.integers(0, 500))


def loads(network, pairs, traded):
    """Flow on every line when every pair of zones trades so much."""
    place = {zone: number for number, zone in enumerate(network.zones)}
    injections = np.zeros(len(network.zones))
    for (start, end), energy in zip(pairs, traded, strict=True):
        injections[place[start]] += energy
        injections[place[end]] -= energy
    return network.factors @ injections


@given(cases(), st.data())
def test_whatever_is_traded_within_the_capacities_no_line_is_overloaded(case, data):
    network, delivered, drawn, margin = case
    capacities = transfer_capacities(network, delivered, drawn, margin_permille=margin)
    pairs = list(capacities)
    for period in range(2):
        used = [data.draw(st.integers(0, capacities[pair][period])) for pair in pairs]
        for line, flow in zip(network.lines, loads(network, pairs, used), strict=True):
            assert abs(flow) <= line.limit_wh * (1_000 - margin) / 1_000 + 0.01 + 1e-9 * line.limit_wh


@given(cases())
def test_every_pair_meets_a_full_line_nothing_is_given_away(case):
    network, delivered, drawn, _ = case
    capacities = transfer_capacities(network, delivered, drawn)
    pairs = list(capacities)
    for period in range(2):
        given_wh = np.array([capacities[pair][period] for pair in pairs], dtype=float)
        influence = np.array([loads(network, [pair], [1]) for pair in pairs]).T
        both = np.maximum(np.vstack([influence, -influence]), 0)
        room = np.tile([line.limit_wh for line in network.lines], 2) - both @ given_wh
        full = room < len(pairs) + 1e-6 * np.tile([line.limit_wh for line in network.lines], 2)
        assert all((both[full, number] > 1e-9).any() for number in range(len(pairs)))


def test_a_single_line_is_given_to_both_directions_in_full():
    assert transfer_capacities(TWO, {"a": [500], "b": [500]}, {"a": [500], "b": [500]}) == {
        ("a", "b"): (10_000,),
        ("b", "a"): (10_000,),
    }


def test_a_margin_is_kept_back():
    capacities = transfer_capacities(TWO, {"a": [1], "b": [0]}, {"a": [0], "b": [1]}, margin_permille=200)
    assert capacities["a", "b"] == (8_000,)


def test_the_pair_of_which_more_exchange_is_expected_gets_more_of_the_line_that_both_need():
    from_a = transfer_capacities(RING, {"a": [8_000], "b": [0], "c": [0]}, {"a": [0], "b": [0], "c": [8_000]})
    from_b = transfer_capacities(RING, {"a": [0], "b": [8_000], "c": [0]}, {"a": [0], "b": [0], "c": [8_000]})
    assert from_a["a", "c"][0] > 2 * from_b["a", "c"][0]
    assert from_b["b", "c"][0] > 2 * from_a["b", "c"][0]


def test_a_pair_of_which_nothing_was_expected_may_still_exchange_something():
    capacities = transfer_capacities(RING, {"a": [8_000], "b": [0], "c": [0]}, {"a": [0], "b": [0], "c": [8_000]})
    assert min(series[0] for series in capacities.values()) > 50


@pytest.mark.parametrize(
    ("delivered", "drawn", "margin", "field"),
    [
        ({"a": [1]}, {"a": [1], "b": [1]}, 0, "delivered_wh"),
        ({"a": [1], "b": [1]}, {"a": [1], "b": [1], "x": [1]}, 0, "drawn_wh"),
        ({"a": [1], "b": [1]}, {"a": [1, 2], "b": [1, 2]}, 0, "drawn_wh"),
        ({"a": [1], "b": [-1]}, {"a": [1], "b": [1]}, 0, "delivered_wh"),
        ({"a": [1], "b": [1]}, {"a": [1], "b": [1]}, 1_001, "margin_permille"),
    ],
)
def test_schedules_that_do_not_fit_the_network_are_refused(delivered, drawn, margin, field):
    with pytest.raises(InvalidValue, match=field):
        transfer_capacities(TWO, delivered, drawn, margin_permille=margin)
