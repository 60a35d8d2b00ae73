"""Energies per delivery period, checked once at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_ENERGY_WH

Series = Sequence[int] | NDArray[np.integer]
"""Shape (periods,), whole Wh."""

NOISE_WH = 2.0**-11
"""How far computing in floats may be off: below half a thousandth of a Wh for grids up to GWh per period."""


def whole_wh(field: str, values: Series, *, periods: int | None = None, least: int = 0) -> NDArray[np.int64]:
    """Read one energy per period.

    Parameters
    ----------
    field
        What to call the series in an error.
    values
        Shape (periods,), Wh.
    periods
        How many there must be; any number above zero if not given.
    least
        Smallest energy allowed.

    Returns
    -------
    NDArray[np.int64]
        Shape (periods,), Wh.

    Raises
    ------
    InvalidValue
        The series is empty, of another length, not of whole numbers, or out of range.
    """
    series = np.asarray(values)
    if series.dtype.kind not in "iu" or series.ndim != 1 or not series.size:
        raise InvalidValue(field, values, "whole numbers of Wh, one per delivery period")
    if periods is not None and len(series) != periods:
        raise InvalidValue(field, f"{len(series)} periods", f"one energy for each of the {periods} periods")
    outside = np.flatnonzero((series < least) | (series > MAX_ENERGY_WH))
    if outside.size:
        period = int(outside[0])
        raise InvalidValue(f"{field}[{period}]", int(series[period]), f"{least} to {MAX_ENERGY_WH} Wh")
    return series.astype(np.int64)


def check_range(field: str, value: int, least: int, largest: int, remedy: str) -> None:
    """Refuse a number that is not whole or lies outside `least` to `largest`.

    Raises
    ------
    InvalidValue
        Names `field` and says `remedy`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= largest:
        raise InvalidValue(field, value, remedy)


def rounded_down(energies_wh: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to whole Wh, down; what lies less than `NOISE_WH` below a whole Wh counts as that Wh."""
    return np.floor(energies_wh + NOISE_WH).astype(np.int64)


def whole_numbers(values: NDArray[Any]) -> tuple[int, ...]:
    """Turn whole values of shape (periods,) into Python's integers."""
    return tuple(int(value) for value in values)
