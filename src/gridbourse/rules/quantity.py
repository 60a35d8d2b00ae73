"""An energy and its price, and the mean price of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact


@dataclass(frozen=True, slots=True)
class Quantity:
    """An energy and its price.

    Parameters
    ----------
    energy_wh
        In Wh; positive for what a plant sells or a user buys.
    price_ticks
        In ticks of 0.0001 yuan/kWh.
    """

    energy_wh: int
    price_ticks: Exact


def mean_price_ticks(quantities: Sequence[Quantity]) -> Fraction:
    """The mean price, weighted by energy, exactly.

    Raises
    ------
    InvalidValue
        There is no energy to weigh by.
    """
    energy_wh = sum(one.energy_wh for one in quantities)
    if not energy_wh:
        raise InvalidValue("quantities", energy_wh, "quantities with some energy, or a price for a month without any")
    return Fraction(sum(one.energy_wh * one.price_ticks for one in quantities)) / energy_wh
