"""What wind, PV, hydro, thermal and storage sub-nodes can do in a day, as linear limits on their energies.

Each kind answers two questions of the complementary schedule: which energies per period are possible (`limits`),
and which whole Wh to do when the best ones turn out fractional (`plan`). Rounding is always to the safe side:
a sub-node delivers what it was asked rounded down and charges it rounded up, so it never promises more than it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gridbourse.grid.series import Series, check_range, rounded_down, whole_numbers, whole_wh
from gridbourse.units import MAX_ENERGY_WH, MAX_PRICE_TICKS

PERMILLE = 1_000

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sub-node can do: ``lower <= x <= upper`` and ``rows @ x <= bounds``, x in Wh.

    Parameters
    ----------
    cost_ticks
        Shape (variables,), ticks: what one more Wh of each variable costs.
    lower, upper
        Shape (variables,), Wh.
    rows, bounds
        Shapes (rows, variables) and (rows,): the limits that tie periods together.
    delivered
        Shape (periods, variables): what the variables add up to at the sub-node's meter.
    """

    cost_ticks: Vector
    lower: Vector
    upper: Vector
    rows: sparse.csr_array
    bounds: Vector
    delivered: sparse.csr_array


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sub-node is to do, in whole Wh; every series has shape (periods,).

    Parameters
    ----------
    delivered_wh
        Fed in.
    charged_wh
        Drawn to charge; zeros for all but storage.
    level_wh
        In store at the end of each period, to the nearest Wh; zeros for wind, PV and thermal.
    curtailed_wh
        Forecast but not fed in; zeros for all but wind and PV.
    cost
        Money units: what this plan costs.
    """

    delivered_wh: tuple[int, ...]
    charged_wh: tuple[int, ...]
    level_wh: tuple[int, ...]
    curtailed_wh: tuple[int, ...]
    cost: int


class SubNode(Protocol):
    """A part of a source or an aggregator that feeds in energy."""

    @property
    def name(self) -> str:
        """What the schedule calls it."""

    def limits(self, periods: int) -> Limits:
        """Say what is possible in a day of `periods` periods."""

    def plan(self, energies_wh: Vector) -> Plan:
        """Round a feasible choice of the variables of `limits` to whole Wh."""


@dataclass(frozen=True, slots=True)
class Renewable:
    """Wind or PV: its forecast is fed in or curtailed.

    Parameters
    ----------
    name
        What the schedule calls it.
    forecast_wh
        Shape (periods,).
    price_ticks
        Cost of energy fed in.
    curtailment_ticks
        Penalty on energy curtailed.
    """

    name: str
    forecast_wh: Series
    price_ticks: int
    curtailment_ticks: int

    def __post_init__(self) -> None:
        whole_wh(f"{self.name}.forecast_wh", self.forecast_wh)
        _check_price(f"{self.name}.price_ticks", self.price_ticks)
        _check_price(f"{self.name}.curtailment_ticks", self.curtailment_ticks)

    def limits(self, periods: int) -> Limits:
        """One variable per period: the output."""
        forecast = whole_wh(f"{self.name}.forecast_wh", self.forecast_wh, periods=periods)
        return untied(self.price_ticks - self.curtailment_ticks, forecast.astype(np.float64))

    def plan(self, energies_wh: Vector) -> Plan:
        """Feed in what was asked, rounded down, and curtail the rest."""
        output = whole_numbers(rounded_down(energies_wh))
        curtailed = tuple(int(most) - wh for most, wh in zip(self.forecast_wh, output, strict=True))
        zeros = (0,) * len(output)
        cost = sum(output) * self.price_ticks + sum(curtailed) * self.curtailment_ticks
        return Plan(output, zeros, zeros, curtailed, cost)


@dataclass(frozen=True, slots=True)
class Thermal:
    """A thermal unit that runs all day: between its minimum and maximum output, within its ramp.

    Parameters
    ----------
    name
        What the schedule calls it.
    smallest_wh, largest_wh
        Output per period.
    ramp_wh
        Most that the output may rise or fall from one period to the next.
    before_wh
        Output in the period before the first.
    price_ticks
        Cost of energy fed in.
    """

    name: str
    smallest_wh: int
    largest_wh: int
    ramp_wh: int
    before_wh: int
    price_ticks: int

    def __post_init__(self) -> None:
        _check_energy(f"{self.name}.largest_wh", self.largest_wh)
        _check_energy(f"{self.name}.smallest_wh", self.smallest_wh, self.largest_wh, "largest_wh")
        _check_energy(f"{self.name}.ramp_wh", self.ramp_wh)
        _check_price(f"{self.name}.price_ticks", self.price_ticks)
        least, most = max(0, self.smallest_wh - self.ramp_wh), self.largest_wh + self.ramp_wh
        remedy = f"{least} to {most} Wh, from where the ramp reaches the first period's limits"
        check_range(f"{self.name}.before_wh", self.before_wh, least, most, remedy)

    def limits(self, periods: int) -> Limits:
        """One variable per period: the output. Two rows per period: the ramp up and down."""
        rise = _change(periods)
        before = np.zeros(periods)
        before[0] = self.before_wh
        return Limits(
            cost_ticks=np.full(periods, float(self.price_ticks)),
            lower=np.full(periods, float(self.smallest_wh)),
            upper=np.full(periods, float(self.largest_wh)),
            rows=sparse.vstack([rise, -rise], format="csr"),
            bounds=np.concatenate([self.ramp_wh + before, self.ramp_wh - before]),
            delivered=_each_period(periods),
        )

    def plan(self, energies_wh: Vector) -> Plan:
        """Feed in what was asked, rounded down: that keeps whole limits and whole ramps as they are."""
        output = whole_numbers(rounded_down(energies_wh))
        zeros = (0,) * len(output)
        return Plan(output, zeros, zeros, zeros, sum(output) * self.price_ticks)


@dataclass(frozen=True, slots=True)
class Hydro:
    """A reservoir and its turbine. Water is counted as the energy it will give; a full reservoir spills.

    Parameters
    ----------
    name
        What the schedule calls it.
    inflow_wh
        Shape (periods,).
    largest_wh
        Output per period.
    reservoir_wh
        What the reservoir holds.
    start_wh, end_wh
        Level at the start of the day, and the least level at its end.
    price_ticks
        Cost of energy fed in, the value of the water included.
    """

    name: str
    inflow_wh: Series
    largest_wh: int
    reservoir_wh: int
    start_wh: int
    end_wh: int
    price_ticks: int

    def __post_init__(self) -> None:
        inflow = whole_wh(f"{self.name}.inflow_wh", self.inflow_wh)
        _check_energy(f"{self.name}.largest_wh", self.largest_wh)
        _check_energy(f"{self.name}.reservoir_wh", self.reservoir_wh)
        _check_energy(f"{self.name}.start_wh", self.start_wh, self.reservoir_wh, "reservoir_wh")
        _check_price(f"{self.name}.price_ticks", self.price_ticks)
        highest = min(self.start_wh + int(inflow.sum()), self.reservoir_wh)
        _check_energy(f"{self.name}.end_wh", self.end_wh, highest, "what inflow alone can fill")

    def limits(self, periods: int) -> Limits:
        """Two variables per period, release and level; one row: no water from nowhere (it may spill)."""
        inflow = whole_wh(f"{self.name}.inflow_wh", self.inflow_wh, periods=periods).astype(np.float64)
        inflow[0] += self.start_wh
        each = _each_period(periods)
        return Limits(
            cost_ticks=np.repeat([float(self.price_ticks), 0.0], periods),
            lower=_ending(np.zeros(2 * periods), self.end_wh),
            upper=np.repeat([float(self.largest_wh), float(self.reservoir_wh)], periods),
            rows=sparse.hstack([each, _change(periods)], format="csr"),
            bounds=inflow,
            delivered=sparse.hstack([each, sparse.csr_array((periods, periods))], format="csr"),
        )

    def plan(self, energies_wh: Vector) -> Plan:
        """Release what was asked, rounded down; the reservoir then holds at least what was planned."""
        asked, _ = energies_wh.reshape(2, -1)
        level, output, levels = self.start_wh, [], []
        for release, inflow in zip(whole_numbers(rounded_down(asked)), self.inflow_wh, strict=True):
            output.append(min(release, level + int(inflow)))
            level = min(level + int(inflow) - output[-1], self.reservoir_wh)
            levels.append(level)
        zeros = (0,) * len(output)
        return Plan(tuple(output), zeros, tuple(levels), zeros, sum(output) * self.price_ticks)


@dataclass(frozen=True, slots=True)
class Storage:
    """A store that charges from the other sub-nodes and gives back what losses leave.

    Parameters
    ----------
    name
        What the schedule calls it.
    largest_charge_wh, largest_discharge_wh
        Drawn and fed in per period, as metered outside the store.
    charging_permille, discharging_permille
        Efficiencies: stored per 1,000 Wh drawn, and fed in per 1,000 Wh taken from the store.
    capacity_wh
        What the store holds between its least and its greatest permitted state of charge.
    start_wh, end_wh
        State of charge at the start of the day, and the least one at its end.
    price_ticks
        Cost of energy fed in: the wear of the store.
    """

    name: str
    largest_charge_wh: int
    largest_discharge_wh: int
    charging_permille: int
    discharging_permille: int
    capacity_wh: int
    start_wh: int
    end_wh: int
    price_ticks: int

    def __post_init__(self) -> None:
        _check_energy(f"{self.name}.largest_charge_wh", self.largest_charge_wh)
        _check_energy(f"{self.name}.largest_discharge_wh", self.largest_discharge_wh)
        for field in ("charging_permille", "discharging_permille"):
            check_range(f"{self.name}.{field}", getattr(self, field), 1, PERMILLE, "1 to 1000 permille")
        _check_energy(f"{self.name}.capacity_wh", self.capacity_wh)
        _check_energy(f"{self.name}.start_wh", self.start_wh, self.capacity_wh, "capacity_wh")
        _check_energy(f"{self.name}.end_wh", self.end_wh, self.capacity_wh, "capacity_wh")
        _check_price(f"{self.name}.price_ticks", self.price_ticks)

    def limits(self, periods: int) -> Limits:
        """Three variables per period: charge, discharge, state of charge.

        Rows: the state of charge follows from the other two (``<=`` and ``>=``), and a period is shared in time
        between charging and discharging.
        """
        reachable = self.start_wh + periods * self.largest_charge_wh * self.charging_permille // PERMILLE
        _check_energy(f"{self.name}.end_wh", self.end_wh, reachable, "what charging all day can fill")
        each, none = _each_period(periods), sparse.csr_array((periods, periods))
        stored, taken = self.charging_permille / PERMILLE, PERMILLE / self.discharging_permille
        follows = sparse.hstack([-stored * each, taken * each, _change(periods)])
        pace = self.largest_charge_wh / max(self.largest_discharge_wh, 1)
        start = np.zeros(periods)
        start[0] = self.start_wh
        largest = [self.largest_charge_wh, self.largest_discharge_wh, self.capacity_wh]
        return Limits(
            cost_ticks=np.repeat([0.0, float(self.price_ticks), 0.0], periods),
            lower=_ending(np.zeros(3 * periods), self.end_wh),
            upper=np.repeat(np.array(largest, dtype=np.float64), periods),
            rows=sparse.vstack([follows, -follows, sparse.hstack([each, pace * each, none])], format="csr"),
            bounds=np.concatenate([start, -start, np.full(periods, float(self.largest_charge_wh))]),
            delivered=sparse.hstack([-each, each, none], format="csr"),
        )

    def plan(self, energies_wh: Vector) -> Plan:
        """Charge rounded up, discharge rounded down, and follow the state of charge exactly.

        It never falls below the planned one. What rounding leaves over when the store is full is lost: for each
        period up to then, less than 1 Wh drawn and 1 Wh not fed in.
        """
        charge, discharge, _ = energies_wh.reshape(3, -1)
        charged = whole_numbers(-rounded_down(-charge))
        level, fed_in, levels = Fraction(self.start_wh), [], []
        for drawn, asked in zip(charged, whole_numbers(rounded_down(discharge)), strict=True):
            level += Fraction(drawn * self.charging_permille, PERMILLE)
            fed_in.append(min(asked, floor(level * self.discharging_permille / PERMILLE)))
            level -= Fraction(fed_in[-1] * PERMILLE, self.discharging_permille)
            level = min(level, Fraction(self.capacity_wh))
            levels.append(round(level))
        zeros = (0,) * len(levels)
        return Plan(tuple(fed_in), charged, tuple(levels), zeros, sum(fed_in) * self.price_ticks)


def untied(cost_ticks: int, upper_wh: Vector, *, sign: int = 1) -> Limits:
    """One variable per period, tied to nothing, that adds to what is delivered or, with `sign` -1, takes from it."""
    periods = len(upper_wh)
    return Limits(
        cost_ticks=np.full(periods, float(cost_ticks)),
        lower=np.zeros(periods),
        upper=upper_wh,
        rows=sparse.csr_array((0, periods)),
        bounds=np.zeros(0),
        delivered=sign * _each_period(periods),
    )


def _each_period(periods: int) -> sparse.csr_array:
    return sparse.eye_array(periods, format="csr")


def _change(periods: int) -> sparse.csr_array:
    """Shape (periods, periods): each period's value less the one before; the first stands as it is."""
    return sparse.csr_array(sparse.eye_array(periods) - sparse.eye_array(periods, k=-1))


def _ending(lower: Vector, end_wh: int) -> Vector:
    """Lower bounds whose last variable, the level after the last period, has to reach `end_wh`."""
    lower[-1] = end_wh
    return lower


def _check_energy(field: str, value: int, largest: int = MAX_ENERGY_WH, limit: str = "2^40 - 1") -> None:
    check_range(field, value, 0, largest, f"0 to {largest} Wh ({limit})")


def _check_price(field: str, value: int) -> None:
    check_range(field, value, 0, MAX_PRICE_TICKS, f"0 to {MAX_PRICE_TICKS} ticks of 0.0001 yuan/kWh")
