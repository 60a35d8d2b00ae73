"""Exact amounts brought to whole units: half away from zero, and parts that add up (largest remainder).

Every other module computes with integers and ``Fraction`` and comes here once, at the end of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from gridbourse.errors import InvalidValue

Exact = int | Fraction


def round_half_away(value: Exact) -> int:
    """The nearest whole number; a half goes away from zero."""
    magnitude = floor(abs(Fraction(value)) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def round_parts(parts: Sequence[Exact]) -> tuple[int, ...]:
    """Round parts so that they add up to their rounded sum (largest remainder, Hamilton's method).

    Every part goes to the whole number below or above it, and one that is whole stays. The largest remainders go up;
    of equal ones the first.
    """
    whole = [floor(part) for part in parts]
    up = round_half_away(sum(parts)) - sum(whole)
    by_remainder = sorted(range(len(parts)), key=lambda index: (whole[index] - parts[index], index))
    for index in by_remainder[:up]:
        whole[index] += 1
    return tuple(whole)


def apportion(total: int, weights: Sequence[Exact]) -> tuple[int, ...]:
    """Divide a total in proportion to weights, to the last unit.

    Parameters
    ----------
    total
        What is divided; parts of a negative total are those of the positive one, negated.
    weights
        Not negative, and not all of them zero unless the total is.

    Raises
    ------
    InvalidValue
        A weight is negative, or there is nobody to give the total to.
    """
    if any(weight < 0 for weight in weights):
        raise InvalidValue("weights", min(weights), "weights of 0 or more")
    of_all = sum(weights)
    if not total:
        return (0,) * len(weights)
    if not of_all:
        raise InvalidValue("weights", of_all, f"at least one weight above 0: {total} has to go to somebody")
    parts = round_parts([Fraction(abs(total) * weight) / of_all for weight in weights])
    return parts if total > 0 else tuple(-part for part in parts)
