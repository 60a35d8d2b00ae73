"""Transfer capacities for a market that knows zones and not lines: what it trades within them overloads no line.

A market that checks one number per pair of zones and period cannot see that all pairs share the same lines. So the
lines are divided among the pairs beforehand: a line may be used up by all pairs together that load it in one direction,
and nothing is counted on that would relieve it. Each pair gets what its share of the expected exchange entitles it to,
and what a pair cannot use because another line is full goes to the rest: weighted max-min fairness, found by
progressive filling (Bertsekas, Gallager, *Data Networks*, 2nd ed., section 6.5.2).

What is expected follows from the schedules: a market that does not look at zones serves the need of each zone from all
zones in proportion to what they deliver (proportional sharing: Bialek, IEE Proc. Gener. Transm. Distrib. 143(4), 1996).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import NO_INFLUENCE, PowerNetwork
from gridbourse.grid.series import Series, check_range, rounded_down, whole_numbers, whole_wh
from gridbourse.units import MAX_ENERGY_WH

PERMILLE = 1_000
UNEXPECTED_PERMILLE = 100
"""What a pair of zones is given for what nobody foresaw: so much of the mean expectation of all pairs."""

Vector = NDArray[np.float64]


def transfer_capacities(
    network: PowerNetwork,
    delivered_wh: Mapping[str, Series],
    drawn_wh: Mapping[str, Series],
    *,
    margin_permille: int = 0,
) -> dict[tuple[str, str], tuple[int, ...]]:
    """Divide the lines among the pairs of zones.

    Parameters
    ----------
    network
        Zones and lines.
    delivered_wh, drawn_wh
        By zone, each of shape (periods,): what the schedules feed in and draw.
    margin_permille
        Part of every line that is not given to the market: the transmission reliability margin, for what flows besides
        its deals.

    Returns
    -------
    dict
        By ordered pair of zones, shape (periods,): energy that may be sold from the first into the second.

    Raises
    ------
    InvalidValue
        A zone is missing or unknown, the series differ in length, or the margin is out of range.
    """
    check_range("margin_permille", margin_permille, 0, PERMILLE, f"0 to {PERMILLE}")
    delivered, drawn = (
        _by_zone(field, network, series) for field, series in (("delivered_wh", delivered_wh), ("drawn_wh", drawn_wh))
    )
    if delivered.shape != drawn.shape:
        raise InvalidValue("drawn_wh", f"{drawn.shape[1]} periods", f"{delivered.shape[1]} periods as in delivered_wh")
    pairs = list(permutations(range(len(network.zones)), 2))
    factors = np.column_stack([network.factors[:, start] - network.factors[:, end] for start, end in pairs])
    # Every line twice, once for each direction; what relieves it counts as nothing.
    loads = np.maximum(np.vstack([factors, -factors]), 0)
    loads[loads < NO_INFLUENCE] = 0
    limits = np.tile([line.limit_wh for line in network.lines], 2) * (PERMILLE - margin_permille) / PERMILLE
    shares = [_filled(loads, limits, weights) for weights in _weights(delivered, drawn, pairs).T]
    capacities = np.minimum(rounded_down(np.column_stack(shares)), MAX_ENERGY_WH)
    return {
        (network.zones[start], network.zones[end]): whole_numbers(row)
        for (start, end), row in zip(pairs, capacities, strict=True)
    }


def _by_zone(field: str, network: PowerNetwork, series: Mapping[str, Series]) -> NDArray[np.int64]:
    """Shape (zones, periods)."""
    if set(series) != set(network.zones):
        raise InvalidValue(field, sorted(series), f"one series for each of the zones {network.zones}")
    periods = len(series[network.zones[0]])
    return np.array([whole_wh(f"{field}[{zone}]", series[zone], periods=periods) for zone in network.zones])


def _weights(delivered: NDArray[np.int64], drawn: NDArray[np.int64], pairs: list[tuple[int, int]]) -> Vector:
    """Shape (pairs, periods): the exchange that the schedules let expect, and a little for every pair."""
    total = np.maximum(drawn.sum(axis=0), 1)
    expected: Vector = np.array([delivered[start] * (drawn[end] / total) for start, end in pairs])
    unforeseen: Vector = np.maximum(expected.mean(axis=0), 1) * UNEXPECTED_PERMILLE / PERMILLE
    return expected + unforeseen


def _filled(loads: Vector, limits: Vector, weights: Vector) -> Vector:
    """Raise all pairs together, each in proportion to its weight, until every one meets a full line.

    Parameters
    ----------
    loads
        Shape (limits, pairs): what one Wh of each pair puts on each line and direction, none below 0.
    limits
        Shape (limits,).
    weights
        Shape (pairs,), all above 0.
    """
    shares = np.zeros(len(weights))
    rising = np.ones(len(weights), dtype=bool)
    while rising.any():
        rates = loads[:, rising] @ weights[rising]
        room = np.maximum(limits - loads @ shares, 0)
        steps = np.divide(room, rates, out=np.full(len(limits), np.inf), where=rates > 0)
        step = steps.min()
        shares[rising] += step * weights[rising]
        full = steps <= step
        rising &= ~(loads[full] > 0).any(axis=0)
    return shares
