"""C3 Settlement in two steps 日前与实时: contracts, the day-ahead difference, the real-time difference.

``Q_contract x P_contract + (Q_day-ahead - Q_contract) x P_day-ahead + (Q_metered - Q_day-ahead) x P_real-time``, which
equals ``Q_metered x P_real-time + Q_day-ahead x (P_day-ahead - P_real-time) + Q_contract x (P_contract -
P_day-ahead)``: the second reads as a spot market with two contracts for difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.rounding import Exact, round_half_away


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


@dataclass(frozen=True, slots=True)
class TwoSettlement:
    """The three lines of a period's settlement, in 1e-7 yuan: what a plant receives or a user pays.

    Parameters
    ----------
    contract
        Contracted energy at its price.
    day_ahead
        What the day-ahead session adds to the contracts, or takes from them.
    real_time
        What the meter adds to the day-ahead schedule, or takes from it.
    """

    contract: int
    day_ahead: int
    real_time: int

    @property
    def money(self) -> int:
        """Their sum."""
        return self.contract + self.day_ahead + self.real_time


def settle_in_two_steps(contract: Quantity, day_ahead: Quantity, metered: Quantity) -> TwoSettlement:
    """Settle a period.

    Parameters
    ----------
    contract
        All contracts together, at their mean price.
    day_ahead
        The schedule that the day-ahead session left, at its price.
    metered
        The meter, at the real-time price.
    """
    return TwoSettlement(
        round_half_away(contract.energy_wh * contract.price_ticks),
        round_half_away((day_ahead.energy_wh - contract.energy_wh) * day_ahead.price_ticks),
        round_half_away((metered.energy_wh - day_ahead.energy_wh) * metered.price_ticks),
    )
