"""C5 Mechanism price 机制电价: a contract for difference between a plant and all users.

Source: 发改价格〔2025〕136号. A share of a plant's on-grid energy is settled at the mechanism price: beside what the
market pays, the plant gets (or pays) the difference to the average market price of its technology in that month. That
energy leaves the base of deviation charges and earns no certificate, its origin being paid by all users.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, round_half_away


@dataclass(frozen=True, slots=True)
class MechanismSettlement:
    """A plant's month.

    Parameters
    ----------
    mechanism_wh
        Energy at the mechanism price, in Wh.
    market_wh
        All other energy: the base of deviation charges and certificates.
    money
        What the plant gets beside its market income, in 1e-7 yuan; negative for what it pays back.
    """

    mechanism_wh: int
    market_wh: int
    money: int


def settle_mechanism(
    on_grid_wh: int, share: Fraction, mechanism_ticks: Exact, average_ticks: Exact
) -> MechanismSettlement:
    """Settle the difference: on-grid energy x share x (mechanism price - average market price).

    Parameters
    ----------
    on_grid_wh
        Fed in during the month.
    share
        Part of it that is under the mechanism.
    mechanism_ticks
        The plant's price.
    average_ticks
        Mean of all settled trades of the technology that month, weighted by energy (`month.Volume`).

    Raises
    ------
    InvalidValue
        The energy is negative, or the share is not from 0 to 1.
    """
    if on_grid_wh < 0:
        raise InvalidValue("on_grid_wh", on_grid_wh, "an energy of 0 Wh or more")
    if not 0 <= share <= 1:
        raise InvalidValue("share", share, "a share from 0 to 1")
    mechanism_wh = round_half_away(on_grid_wh * share)
    money = round_half_away(on_grid_wh * share * (mechanism_ticks - average_ticks))
    return MechanismSettlement(mechanism_wh, on_grid_wh - mechanism_wh, money)
