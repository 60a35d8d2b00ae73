"""What dispatch publishes: how the zones' schedules load the lines, and what each pair of zones can still exchange.

Flows follow the DC approximation (Stott, Jardim, Alsaç, "DC power flow revisited", IEEE Trans. Power Systems 24(3),
2009): lossless lines, flat voltage, small angles, so flows are linear in the injections. The matrix that maps one to
the other holds the power transfer distribution factors (PTDF). Free transfer capacity is NERC's available
transfer capability (*Available Transfer Capability Definitions and Determination*, 1996) for thermal limits: the
largest further transfer from one zone to another, alone, that no line forbids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gridbourse.errors import InvalidValue
from gridbourse.grid.series import Series, check_range, rounded_down, whole_numbers, whole_wh
from gridbourse.units import MAX_ENERGY_WH

NO_INFLUENCE = 1e-9
"""A distribution factor below this is zero but for the solver's noise."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a bundle of equal lines, between two zones.

    Parameters
    ----------
    name
        What flows and overloads call it.
    from_zone, to_zone
        Its ends; flows from the first to the second are positive.
    limit_wh
        Thermal limit: the most it may carry per period, either way.
    reactance_milliohm
        Series reactance, referred to one voltage for all lines of the network.
    """

    name: str
    from_zone: str
    to_zone: str
    limit_wh: int
    reactance_milliohm: int

    def __post_init__(self) -> None:
        check_range(f"{self.name}.limit_wh", self.limit_wh, 0, MAX_ENERGY_WH, "0 to 2^40 - 1 Wh per period")
        remedy = "a reactance of 1 milliohm or more"
        check_range(f"{self.name}.reactance_milliohm", self.reactance_milliohm, 1, 2**40, remedy)
        if self.from_zone == self.to_zone:
            raise InvalidValue(f"{self.name}.to_zone", self.to_zone, "another zone than from_zone")


@dataclass(frozen=True, slots=True)
class ZoneSchedule:
    """What one participant feeds into a zone.

    Parameters
    ----------
    zone
        Where.
    injection_wh
        Shape (periods,); negative where more is withdrawn than fed in.
    """

    zone: str
    injection_wh: Series


@dataclass(frozen=True, slots=True)
class Dispatch:
    """How the summed schedules load the network; every series has shape (periods,).

    Parameters
    ----------
    injection_wh
        Net injection scheduled per zone.
    imbalance_wh
        Sum of all schedules: the energy that the slack zone has to take up (or, where negative, to supply).
    flow_wh
        Flow per line, to the nearest Wh, positive from `Line.from_zone` to `Line.to_zone`.
    overload_wh
        What each line would carry beyond its limit, rounded up; 0 where it is within.
    free_wh
        Free transfer capacity per ordered pair of zones, rounded down.
    """

    injection_wh: dict[str, tuple[int, ...]]
    imbalance_wh: tuple[int, ...]
    flow_wh: dict[str, tuple[int, ...]]
    overload_wh: dict[str, tuple[int, ...]]
    free_wh: dict[tuple[str, str], tuple[int, ...]]


class PowerNetwork:
    """Zones joined by lines.

    Parameters
    ----------
    zones
        Two or more. The first is the slack: it takes up what the schedules leave unbalanced. Free transfer capacity
        between zones does not depend on which one that is while the schedules balance.
    lines
        Together they join all zones; parallel lines are allowed.

    Attributes
    ----------
    factors
        Shape (lines, zones): the PTDF, flow on each line per Wh fed into a zone and taken out at the slack.

    Raises
    ------
    InvalidValue
        A name is given twice, a line ends in no zone, or a zone is joined to the slack by no line.
    """

    def __init__(self, zones: Sequence[str], lines: Sequence[Line]) -> None:
        _check_names("zones", zones, least=2)
        _check_names("lines", [line.name for line in lines], least=1)
        self.zones = tuple(zones)
        self.lines = tuple(lines)
        self._incidence = self._ends()
        self._susceptance = 1 / np.array([line.reactance_milliohm for line in lines], dtype=np.float64)
        self._require_joined()
        self.factors = self._distribution()

    def dispatch(self, schedules: Iterable[ZoneSchedule], periods: int, *, outages: bool = False) -> Dispatch:
        """Sum the schedules and find what the lines leave free.

        Parameters
        ----------
        schedules
            Any number, several to a zone or none.
        periods
            Length of every schedule.
        outages
            Leave so much free that the loss of any one line overloads no other (N-1). A line without which
            the network falls apart counts as never lost.

        Raises
        ------
        InvalidValue
            A schedule names no zone of the network, or has another number of periods.
        """
        injections = self._sum(schedules, periods)
        flows = self.factors @ injections
        limits = np.array([[line.limit_wh] for line in self.lines], dtype=np.float64)
        watched = self._with_outages() if outages else self.factors
        watched_flows = watched @ injections
        watched_limits = np.tile(limits, (len(watched) // len(limits), 1))
        names = [line.name for line in self.lines]
        return Dispatch(
            injection_wh=_by_name(self.zones, injections),
            imbalance_wh=whole_numbers(injections.sum(axis=0)),
            flow_wh=_by_name(names, np.rint(flows)),
            overload_wh=_by_name(names, np.maximum(-rounded_down(limits - np.abs(flows)), 0)),
            free_wh={
                (source, sink): _capacity(
                    watched[:, start] - watched[:, end], flows=watched_flows, limits=watched_limits
                )
                for (start, source), (end, sink) in permutations(enumerate(self.zones), 2)
            },
        )

    def _ends(self) -> Matrix:
        """Shape (lines, zones): 1 where a line starts, -1 where it ends."""
        place = {zone: number for number, zone in enumerate(self.zones)}
        ends = np.zeros((len(self.lines), len(self.zones)))
        for row, line in zip(ends, self.lines, strict=True):
            for field, sign in (("from_zone", 1), ("to_zone", -1)):
                zone = getattr(line, field)
                if zone not in place:
                    raise InvalidValue(f"{line.name}.{field}", zone, f"one of the zones {self.zones}")
                row[place[zone]] = sign
        return ends

    def _require_joined(self) -> None:
        _, island = connected_components(csr_array(self._incidence.T @ self._incidence), directed=False)
        apart = [zone for zone, number in zip(self.zones, island, strict=True) if number != island[0]]
        if apart:
            raise InvalidValue("lines", apart, f"lines that join these zones to {self.zones[0]}")

    def _distribution(self) -> Matrix:
        """Flows per injection: susceptance times the angles that it causes, the slack's angle being zero."""
        angle_to_flow = self._susceptance[:, np.newaxis] * self._incidence[:, 1:]
        angle_to_injection = self._incidence[:, 1:].T @ angle_to_flow
        factors = np.zeros_like(self._incidence)
        factors[:, 1:] = np.linalg.solve(angle_to_injection, angle_to_flow.T).T
        return factors

    def _with_outages(self) -> Matrix:
        """Stack the factors of the whole network and of the network without each line in turn.

        A lost line's flow spreads over the others by the line outage distribution factors (Guo, Fu, Li,
        Shahidehpour, IEEE Trans. Power Systems 24(3), 2009).
        """
        between_ends = self.factors @ self._incidence.T
        cases = [self.factors]
        for lost in range(len(self.lines)):
            returning = 1 - between_ends[lost, lost]
            if returning > NO_INFLUENCE:
                spread = between_ends[:, lost] / returning
                spread[lost] = -1
                cases.append(self.factors + np.outer(spread, self.factors[lost]))
        return np.vstack(cases)

    def _sum(self, schedules: Iterable[ZoneSchedule], periods: int) -> NDArray[np.int64]:
        """Shape (zones, periods): net injections."""
        total = {zone: np.zeros(periods, dtype=np.int64) for zone in self.zones}
        for schedule in schedules:
            if schedule.zone not in total:
                raise InvalidValue("zone", schedule.zone, f"one of the zones {self.zones}")
            field = f"{schedule.zone}.injection_wh"
            total[schedule.zone] += whole_wh(field, schedule.injection_wh, periods=periods, least=-MAX_ENERGY_WH)
        return np.array([total[zone] for zone in self.zones])


def _capacity(influence: Matrix, *, flows: Matrix, limits: Matrix) -> tuple[int, ...]:
    """Largest transfer that keeps every flow within its limit, per period.

    Parameters
    ----------
    influence
        Shape (flows,): change of each flow per Wh transferred.
    flows, limits
        Shapes (flows, periods) and (flows, 1), Wh.
    """
    matters = np.abs(influence) > NO_INFLUENCE
    pull = influence[matters, np.newaxis]
    room = limits[matters] - np.sign(pull) * flows[matters]
    return whole_numbers(np.maximum(rounded_down((room / np.abs(pull)).min(axis=0)), 0))


def _by_name(names: Sequence[str], rows: NDArray[Any]) -> dict[str, tuple[int, ...]]:
    return {name: whole_numbers(row) for name, row in zip(names, rows, strict=True)}


def _check_names(field: str, names: Sequence[str], least: int) -> None:
    if len(names) < least or len(set(names)) < len(names):
        raise InvalidValue(field, list(names), f"{least} or more, no two of the same name")
