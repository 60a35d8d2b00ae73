"""From surplus or need to an offer, within the limits that the owner set."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.errors import InvalidValue
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.units import MAX_ENERGY_WH, MAX_PRICE_TICKS


@dataclass(frozen=True, slots=True)
class AutoTradingLimits:
    """What an owner lets its node do by itself.

    Parameters
    ----------
    active
        Whether it may offer at all.
    energy_type
        What the owner's plant produces: exactly one type.
    accepted_types
        What the owner buys: one or more types.
    lowest_sell_ticks
        Price below which it does not sell; its asks carry it.
    highest_buy_ticks
        Price above which it does not buy; its bids carry it.
    reserve_wh
        Surplus of every period that is not offered.
    smallest_wh
        Offers of less energy are not made.
    max_share_permille
        The most of a period's surplus (less the reserve) or need that is offered, in thousandths.

    Raises
    ------
    InvalidValue
        A limit is outside its range.
    """

    active: bool
    energy_type: EnergyType
    accepted_types: EnergyType
    lowest_sell_ticks: int
    highest_buy_ticks: int
    reserve_wh: int = 0
    smallest_wh: int = 1
    max_share_permille: int = 1000

    def __post_init__(self) -> None:
        for field, lowest, highest in (
            ("lowest_sell_ticks", 0, MAX_PRICE_TICKS),
            ("highest_buy_ticks", 0, MAX_PRICE_TICKS),
            ("reserve_wh", 0, MAX_ENERGY_WH),
            ("smallest_wh", 1, MAX_ENERGY_WH),
            ("max_share_permille", 1, 1000),
        ):
            value = getattr(self, field)
            if not lowest <= value <= highest:
                raise InvalidValue(field, value, f"a whole number from {lowest} to {highest}")
        if self.energy_type.bit_count() != 1:
            raise InvalidValue("energy_type", self.energy_type, "exactly one energy type")
        if not self.accepted_types:
            raise InvalidValue("accepted_types", self.accepted_types, "one or more energy types")


def propose(limits: AutoTradingLimits, period: int, surplus_wh: int) -> Offer | None:
    """Offer a period's surplus, or ask for its need.

    Parameters
    ----------
    limits
        The owner's.
    period
        Delivery period.
    surplus_wh
        Metered or expected surplus; negative for need.

    Returns
    -------
    Offer | None
        None if the limits leave nothing to offer.
    """
    sells = surplus_wh > 0
    tradable_wh = surplus_wh - limits.reserve_wh if sells else -surplus_wh
    energy_wh = min(tradable_wh * limits.max_share_permille // 1000, MAX_ENERGY_WH)
    if not limits.active or energy_wh < limits.smallest_wh:
        return None
    if sells:
        return Offer(Side.ASK, limits.energy_type, period, energy_wh, limits.lowest_sell_ticks)
    return Offer(Side.BID, limits.accepted_types, period, energy_wh, limits.highest_buy_ticks)
