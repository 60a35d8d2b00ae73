"""Local trade 隔墙售电: the grid fee 过网费 of a pair of voltage levels, and who pays it.

Source: 发改能源〔2017〕1901号 and its pilot notice: the fee is the transmission and distribution price of the user's
level less that of the highest level the trade uses. A set may have a table of fees; where it has a row for a pair, that
is the fee, and otherwise the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rules.parameters import Parameter, Parameters, TariffKind, VoltageLevel


@dataclass(frozen=True, slots=True)
class GridFee:
    """What the grid company gets for carrying a unit of energy.

    Parameters
    ----------
    price_ticks
        In ticks of 0.0001 yuan/kWh.
    parameters
        The rows it comes from: one of the table, or the two of the formula.
    """

    price_ticks: Fraction
    parameters: tuple[Parameter, ...]

    @property
    def whole_ticks(self) -> int:
        """The fee as the market's book has it.

        Raises
        ------
        InvalidValue
            The fee is finer than a tick.
        """
        if self.price_ticks.denominator != 1:
            raise InvalidValue("grid_fee", float(self.price_ticks), "a fee in whole ticks of 0.0001 yuan/kWh")
        return int(self.price_ticks)


def grid_fee(
    parameters: Parameters, tariff: TariffKind, user: VoltageLevel, highest: VoltageLevel, day: date
) -> GridFee:
    """The fee for a user's level and the highest level that a trade uses.

    Parameters
    ----------
    parameters
        Of the set in force.
    tariff
        Whose transmission and distribution prices the formula takes.
    user, highest
        Voltage levels.
    day
        Of delivery.

    Raises
    ------
    InvalidValue
        The highest level is below the user's, the set has no price for a level, or the fee would be negative.
    """
    if highest.rank < user.rank:
        raise InvalidValue("highest_level", highest, f"the user's own level, {user}, or one above it")
    by_table = parameters.find(f"grid_fee.{user}.{highest}", day)
    if by_table is not None:
        fee = GridFee(by_table.value, (by_table,))
    else:
        own, shared = (parameters.get(f"transmission.{tariff}.{level}", day) for level in (user, highest))
        fee = GridFee(own.value - shared.value, (own, shared))
    if fee.price_ticks < 0:
        raise InvalidValue("grid_fee", float(fee.price_ticks), "prices that do not rise with the voltage")
    return fee


@dataclass(frozen=True, slots=True)
class CarriedTrade:
    """Money of a trade that is carried over the grid: energy price and fee apart.

    Parameters
    ----------
    energy_wh
        How much.
    price_ticks
        What the seller gets for it.
    fee_ticks
        What the grid company gets, from the buyer.

    Raises
    ------
    InvalidValue
        Energy or fee is negative.
    """

    energy_wh: int
    price_ticks: int
    fee_ticks: int

    def __post_init__(self) -> None:
        for field in ("energy_wh", "fee_ticks"):
            if getattr(self, field) < 0:
                raise InvalidValue(field, getattr(self, field), "a whole number of 0 or more")

    @property
    def seller_receives(self) -> int:
        """In 1e-7 yuan."""
        return self.energy_wh * self.price_ticks

    @property
    def fee(self) -> int:
        """In 1e-7 yuan."""
        return self.energy_wh * self.fee_ticks

    @property
    def buyer_pays(self) -> int:
        """In 1e-7 yuan: never less than the seller receives."""
        return self.seller_receives + self.fee


def meets(bid_ticks: int, ask_ticks: int, fee_ticks: int) -> bool:
    """Whether a bid can pay an ask and the fee between the two."""
    return bid_ticks >= ask_ticks + fee_ticks
