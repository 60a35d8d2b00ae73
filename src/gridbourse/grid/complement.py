"""How the sub-nodes of a source or an aggregator complement each other: one day at least cost.

An economic dispatch over all periods at once, as a linear programme (Wood, Wollenberg, Sheblé, *Power Generation,
Operation, and Control*, 3rd ed., chapters 3 and 5), solved by HiGHS through SciPy: choose what every sub-node does so
that in each period they deliver the master's commitment, at the least sum of energy costs, curtailment penalties
and penalties on what stays unserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from gridbourse.errors import InvalidValue
from gridbourse.grid.series import Series, check_range, rounded_down, whole_numbers, whole_wh
from gridbourse.grid.sub_nodes import Limits, Plan, SubNode, Vector, untied
from gridbourse.units import MAX_PRICE_TICKS, WH_PER_KWH


@dataclass(frozen=True, slots=True)
class Schedule:
    """What every sub-node is to do, in whole Wh; every series has shape (periods,).

    In each period the plans' delivered energies, less what they charge, plus `unserved_wh` are the commitment.

    Parameters
    ----------
    plans
        One plan per sub-node, by name.
    unserved_wh
        Commitment that nobody serves.
    residual_wh
        The part of `unserved_wh` that only the rounding to whole Wh leaves.
    marginal_ticks
        Cost of serving one more Wh, in ticks to the nearest: the dual of the period's balance. Where more than one
        price supports the schedule, one of them.
    cost
        Money units: all plans and the penalty on unserved energy.
    """

    plans: dict[str, Plan]
    unserved_wh: tuple[int, ...]
    residual_wh: tuple[int, ...]
    marginal_ticks: tuple[int, ...]
    cost: int


def complement(commitments_wh: Series, sub_nodes: Sequence[SubNode], *, unserved_ticks: int) -> Schedule:
    """Cover the commitments at least cost.

    Parameters
    ----------
    commitments_wh
        Shape (periods,): what the master has sold, net.
    sub_nodes
        Who can deliver it, each under its own name.
    unserved_ticks
        Penalty on commitment that stays unserved.

    Raises
    ------
    InvalidValue
        A forecast has another number of periods, two sub-nodes share a name, or the commitments cannot be
        met exactly: some sub-node must run where nothing takes its energy, or a store must end fuller than the
        others can make it. The error names the periods and the energy that does not fit.
    """
    commitments = whole_wh("commitments_wh", commitments_wh)
    check_range("unserved_ticks", unserved_ticks, 0, MAX_PRICE_TICKS, f"0 to {MAX_PRICE_TICKS} ticks")
    names = [node.name for node in sub_nodes]
    if not names or len(set(names)) < len(names):
        raise InvalidValue("sub_nodes", names, "one or more sub-nodes, no two of the same name")

    parts = [node.limits(len(commitments)) for node in sub_nodes]
    nobody = untied(unserved_ticks, commitments.astype(np.float64))
    found = _least_cost(commitments, [*parts, nobody])
    if found is None:
        raise _misfit(commitments, [*parts, nobody])
    (*chosen, unserved), prices = found
    plans = {node.name: node.plan(x) for node, x in zip(sub_nodes, chosen, strict=True)}

    net = sum(np.array(plan.delivered_wh) - plan.charged_wh for plan in plans.values())
    short = commitments - net
    residual = short - rounded_down(unserved)
    cost = sum(plan.cost for plan in plans.values()) + int(short.sum()) * unserved_ticks
    return Schedule(plans, whole_numbers(short), whole_numbers(residual), whole_numbers(np.rint(prices)), cost)


def _least_cost(commitments: NDArray[np.int64], parts: Sequence[Limits]) -> tuple[list[Vector], Vector] | None:
    """Keep every part within its limits and let them deliver the commitments, at least cost.

    Energies go to the solver in kWh, so that its absolute tolerance of 1e-7 is 1e-4 Wh.

    Returns
    -------
    tuple or None
        Each part's variables in Wh, and the duals of the periods' balances in ticks; None if nothing fits.
    """
    lower, upper = (np.concatenate([getattr(part, end) for part in parts]) for end in ("lower", "upper"))
    result = linprog(
        c=np.concatenate([part.cost_ticks for part in parts]),
        A_ub=sparse.block_diag([part.rows for part in parts], format="csr"),
        b_ub=np.concatenate([part.bounds for part in parts]) / WH_PER_KWH,
        A_eq=sparse.hstack([part.delivered for part in parts], format="csr"),
        b_eq=commitments / WH_PER_KWH,
        bounds=np.column_stack([lower, upper]) / WH_PER_KWH,
        method="highs",
    )
    if not result.success:
        return None
    ends = np.cumsum([len(part.cost_ticks) for part in parts])
    return np.split(result.x * WH_PER_KWH, ends[:-1]), result.eqlin.marginals


def _misfit(commitments: NDArray[np.int64], parts: Sequence[Limits]) -> InvalidValue:
    """Name the least energy that somebody else would have to take or deliver for the parts to fit together."""
    anything = np.full(len(commitments), np.inf)
    free = [replace(part, cost_ticks=np.zeros_like(part.cost_ticks)) for part in parts]
    found = _least_cost(commitments, [*free, untied(1, anything, sign=-1), untied(1, anything)])
    assert found is not None, "each part's own limits were checked when it was made"
    too_much, missing = (_present(energies) for energies in found[0][-2:])
    if too_much:
        given = {period: int(commitments[period]) for period in too_much}
        remedy = f"{too_much} Wh more to deliver in these periods, or sub-nodes that need not run so high then"
        return InvalidValue("commitments_wh", given, remedy)
    remedy = "a lower end_wh of a store, or sub-nodes that deliver that much more then"
    return InvalidValue("sub_nodes", f"short of {missing} Wh for charging", remedy)


def _present(energies_wh: Vector) -> dict[int, int]:
    """Energies above zero by period, rounded up to whole Wh."""
    whole = -rounded_down(-energies_wh)
    return {period: int(whole[period]) for period in np.flatnonzero(whole > 0).tolist()}
