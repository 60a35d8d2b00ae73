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

from gridbourse.errors import InvalidValue
from gridbourse.units import PERIODS_PER_DAY

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
    if not 1 <= ahead <= PERIODS_PER_DAY:
        raise InvalidValue("ahead", ahead, f"a number of periods from 1 to {PERIODS_PER_DAY}")
    candidates = []
    for guess in Guess:
        expected = _estimate(history, len(history) - 1 + ahead, ahead, guess)
        error = _mean_error(history, ahead, guess)
        if expected is not None and error is not None:
            candidates.append(Forecast(expected, error, guess))
    return min(candidates, key=lambda candidate: candidate.error_wh, default=None)


def _estimate(history: History, period: int, ahead: int, guess: Guess) -> int | None:
    """Guess for the period at index `period`, from what was known `ahead` periods before it."""
    if guess is Guess.LATEST:
        return _at(history, period - ahead)
    days = 1 if guess is Guess.DAY else _DAYS_PER_WEEK
    known = [value for day in range(1, days + 1) if (value := _at(history, period - day * PERIODS_PER_DAY)) is not None]
    return sum(known) // len(known) if known else None


def _mean_error(history: History, ahead: int, guess: Guess) -> int | None:
    """Mean absolute error of a guess over the last day, rounded up."""
    errors = []
    for period in range(max(0, len(history) - PERIODS_PER_DAY), len(history)):
        metered, expected = history[period], _estimate(history, period, ahead, guess)
        if metered is not None and expected is not None:
            errors.append(abs(metered - expected))
    return -(-sum(errors) // len(errors)) if errors else None


def _at(history: History, period: int) -> int | None:
    return history[period] if period >= 0 else None
