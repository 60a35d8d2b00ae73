"""What surplus or need a metering point will have: three plain guesses, and the one that did best yesterday.

=========== =============================================== ==============================================
guess       is                                              good for
=========== =============================================== ==============================================
LATEST      what is metered now                             wind, hydro: they change slowly
DAY         the same period of the day before               sun, working days
WEEK        the mean of the same period of the 7 days before habits: households
=========== =============================================== ==============================================

docs/metering.md states the errors on the data set that comes with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gridbourse.errors import InvalidValue
from gridbourse.units import PERIODS_IN_24_HOURS

_Energies = NDArray[np.int64]
_Mask = NDArray[np.bool_]

_DAYS_PER_WEEK = 7

History = Sequence[int | None]


class Guess(Enum):
    """How a forecast is made."""

    LATEST = "latest"
    DAY = "day before"
    WEEK = "week before"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The surplus to be expected in a delivery period.

    Parameters
    ----------
    surplus_wh
        Expected surplus; negative for need.
    error_wh
        How far off this guess was on average (mean absolute error) over the last 96 periods.
    guess
        How it was made.
    """

    surplus_wh: int
    error_wh: int
    guess: Guess


def forecast(history: History, ahead: int) -> Forecast | None:
    """Forecast the surplus `ahead` periods after the last one of `history`.

    Parameters
    ----------
    history
        Surplus of consecutive periods in Wh, None where it is unknown; 8 days are enough.
    ahead
        From 1 to 96.

    Returns
    -------
    Forecast | None
        None if too little is known for any guess to be tried.

    Raises
    ------
    InvalidValue
        `ahead` is out of range.
    """
    if not 1 <= ahead <= PERIODS_IN_24_HOURS:
        raise InvalidValue("ahead", ahead, f"a number of periods from 1 to {PERIODS_IN_24_HOURS}")
    values, known = _padded(history)
    candidates = []
    for guess in Guess:
        expected, expectable = _estimates(values, known, ahead, guess)
        judged = known[-PERIODS_IN_24_HOURS:] & expectable[-PERIODS_IN_24_HOURS - ahead : -ahead]
        if expectable[-1] and judged.any():
            errors = np.abs(values[-PERIODS_IN_24_HOURS:] - expected[-PERIODS_IN_24_HOURS - ahead : -ahead])[judged]
            mean_error = -(-int(errors.sum()) // len(errors))
            candidates.append(Forecast(int(expected[-1]), mean_error, guess))
    return min(candidates, key=lambda candidate: candidate.error_wh, default=None)


def _padded(history: History) -> tuple[_Energies, _Mask]:
    """Energies, and which of them are known, with so much unknown before them that every guess can look back."""
    before = (None,) * (PERIODS_IN_24_HOURS * (_DAYS_PER_WEEK + 1))
    values = np.array([0 if value is None else value for value in (*before, *history)], dtype=np.int64)
    known = np.array([value is not None for value in (*before, *history)])
    return values, known


def _estimates(values: _Energies, known: _Mask, ahead: int, guess: Guess) -> tuple[_Energies, _Mask]:
    """Guesses for the last day's periods and the `ahead` ones after it, from what was known `ahead` before each.

    Returns
    -------
    tuple
        Shape (96 + ahead,): the guesses, and whether there was anything to guess from.
    """
    wanted = np.arange(len(values) - PERIODS_IN_24_HOURS, len(values) + ahead)
    if guess is Guess.LATEST:
        return values[wanted - ahead], known[wanted - ahead]
    days = np.arange(1, (1 if guess is Guess.DAY else _DAYS_PER_WEEK) + 1)[:, np.newaxis]
    earlier = wanted - days * PERIODS_IN_24_HOURS
    counts = known[earlier].sum(axis=0)
    sums = np.where(known[earlier], values[earlier], 0).sum(axis=0)
    return sums // np.maximum(counts, 1), counts > 0
