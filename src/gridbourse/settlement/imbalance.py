"""How far what was metered is from what was traded, and what that costs: single imbalance pricing.

The imbalance of a trader in a delivery period is its allocated volume less its final position, both positive for
energy fed into the grid: Commission Regulation (EU) 2017/2195 (balancing guideline), article 54. There is one price for
both directions, as that guideline and ACER Decision 18/2020 on imbalance settlement have it: who is long is paid it,
who is short pays it. It is made from what the period's energy was worth between portfolios on this market
(`reference_of`) and an incentive against the region's own imbalance (an additional component, as that decision allows):
dearer where the region is short, cheaper where it is long. So who helps the region to its balance gains by it, and who
does not loses.

Whom it is settled with: the settlement agent, which is the grid company. It brings what the region lacks from the grid
outside and takes what the region has over, and its money for that is the rest of what all others pay and get.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_PRICE_TICKS

PERMILLE = 1_000
OUTLIER = Fraction(1, 2)
"""A price further from the median than this part of it says nothing about what energy was worth."""


@dataclass(frozen=True, slots=True)
class SettledDeal:
    """A deal that was carried out: energy of one delivery period, at its price."""

    period: int
    seller: str
    buyer: str
    energy_wh: int
    price_ticks: int

    @property
    def money(self) -> int:
        """What the buyer paid the seller, in 1e-7 yuan."""
        return self.energy_wh * self.price_ticks


@dataclass(frozen=True, slots=True)
class Traded:
    """What one trader bought and sold for one delivery period, in Wh and in 1e-7 yuan."""

    bought_wh: int = 0
    sold_wh: int = 0
    paid: int = 0
    received: int = 0

    @property
    def position_wh(self) -> int:
        """What it promised to feed in, on balance; negative for what it bought to draw."""
        return self.sold_wh - self.bought_wh


@dataclass(frozen=True, slots=True)
class ImbalanceRule:
    """How the imbalance price is made.

    Parameters
    ----------
    fallback_ticks
        What energy is worth in a period of which nothing was traded.
    incentive_permille
        How much dearer it is when the region is short, and how much cheaper when it is long.
    floor_ticks, cap_ticks
        The market's own limits, which it keeps.

    Raises
    ------
    InvalidValue
        A number is outside its range.
    """

    fallback_ticks: int
    incentive_permille: int = 100
    floor_ticks: int = 0
    cap_ticks: int = MAX_PRICE_TICKS

    def __post_init__(self) -> None:
        for field, highest in (("fallback_ticks", MAX_PRICE_TICKS), ("incentive_permille", PERMILLE)):
            value = getattr(self, field)
            if not isinstance(value, int) or not 0 <= value <= highest:
                raise InvalidValue(field, value, f"a whole number from 0 to {highest}")

    def price_ticks(self, deals: Iterable[SettledDeal], region_imbalance_wh: int) -> int:
        """The imbalance price of a period.

        Rounded to whole ticks against the region's imbalance: up where it is short, down where it is long.

        Parameters
        ----------
        deals
            The period's.
        region_imbalance_wh
            Sum of all traders' imbalances; negative where the region is short.
        """
        money, energy_wh = reference_of(deals)
        if not energy_wh:
            money, energy_wh = self.fallback_ticks, 1
        if region_imbalance_wh < 0:
            price = -(-money * (PERMILLE + self.incentive_permille) // (energy_wh * PERMILLE))
        elif region_imbalance_wh > 0:
            price = money * (PERMILLE - self.incentive_permille) // (energy_wh * PERMILLE)
        else:
            price = (2 * money + energy_wh) // (2 * energy_wh)
        return min(max(price, self.floor_ticks), self.cap_ticks)


class Reference(NamedTuple):
    """What energy was worth: money, in 1e-7 yuan, and the energy that it was paid for; nothing where there was none."""

    money: int
    energy_wh: int


def reference_of(deals: Iterable[SettledDeal]) -> Reference:
    """What a period's energy was worth between portfolios: the volume-weighted mean of prices near their median.

    Who trades with itself moves no money and therefore no price. Nor do a few who agree on one: what is further from
    the volume-weighted median than `OUTLIER` of it is left out of the mean (a trimmed mean: Huber, Robust Statistics,
    1981, section 3.3), and the median moves only for more than half of all energy traded between portfolios.
    """
    between = sorted((deal for deal in deals if deal.seller != deal.buyer), key=attrgetter("price_ticks"))
    if not between:
        return Reference(0, 0)
    reached = list(accumulate(deal.energy_wh for deal in between))
    median = between[bisect_left(reached, -(-reached[-1] // 2))].price_ticks
    kept = [deal for deal in between if abs(deal.price_ticks - median) <= OUTLIER * median]
    return Reference(sum(deal.money for deal in kept), sum(deal.energy_wh for deal in kept))


@dataclass(frozen=True, slots=True)
class Imbalance:
    """One trader's settlement of one delivery period.

    Parameters
    ----------
    traded
        What it bought and sold.
    metered_wh
        Fed in less drawn; None while readings are missing or in doubt. Such a period stays open: nothing is
        estimated in its place, and it costs nothing until the readings are there.
    """

    traded: Traded
    metered_wh: int | None

    @property
    def imbalance_wh(self) -> int | None:
        """Metered less position: positive is long, negative is short."""
        return None if self.metered_wh is None else self.metered_wh - self.traded.position_wh

    def money(self, price_ticks: int) -> int:
        """What the settlement agent pays for it, in 1e-7 yuan; negative for what it is paid."""
        return (self.imbalance_wh or 0) * price_ticks


@dataclass(frozen=True, slots=True)
class PeriodSettlement:
    """A delivery period of the whole region.

    Parameters
    ----------
    period
        Its number.
    price_ticks
        The imbalance price.
    imbalances
        By trader.
    inflow_wh
        What came in from the grid outside, at the coupling point; negative for what went out, None while unknown.
    """

    period: int
    price_ticks: int
    imbalances: Mapping[str, Imbalance]
    inflow_wh: int | None

    @property
    def traded_wh(self) -> int:
        """Energy that changed hands."""
        return sum(own.traded.sold_wh for own in self.imbalances.values())

    @property
    def metered_wh(self) -> int:
        """What all traders fed in less what they drew, as far as it is known."""
        return sum(own.metered_wh or 0 for own in self.imbalances.values())

    @property
    def imbalance_wh(self) -> int:
        """Sum of the traders' imbalances, as far as they are known."""
        return sum(own.imbalance_wh or 0 for own in self.imbalances.values())

    @property
    def open_traders(self) -> tuple[str, ...]:
        """Whose metered energy is not known yet."""
        return tuple(trader for trader, own in self.imbalances.items() if own.metered_wh is None)

    @property
    def losses_wh(self) -> int | None:
        """What went into the region's grid and came out nowhere; None while anything is not metered.

        With it the energy of a period closes: positions, imbalances and inflow sum up to the losses, and as every deal
        has two sides the positions sum up to nothing.
        """
        if self.inflow_wh is None or self.open_traders:
            return None
        positions_wh = sum(own.traded.position_wh for own in self.imbalances.values())
        return positions_wh + self.imbalance_wh + self.inflow_wh

    @property
    def agent_money(self) -> int:
        """What the settlement agent gets on balance, in 1e-7 yuan: the rest of what all traders get and pay."""
        return -sum(own.money(self.price_ticks) for own in self.imbalances.values())


def settle_period(
    period: int,
    deals: Iterable[SettledDeal],
    metered_wh: Mapping[str, int | None],
    rule: ImbalanceRule,
    *,
    inflow_wh: int | None = None,
) -> PeriodSettlement:
    """Settle a delivery period.

    Parameters
    ----------
    period
        Its number.
    deals
        What was carried out, of this period.
    metered_wh
        By trader, everybody who has a meter: fed in less drawn; None while that is unknown or in doubt.
    rule
        How the price is made.
    inflow_wh
        From the grid outside; None while unknown.

    Raises
    ------
    InvalidValue
        A deal is of another period, or of a trader without a meter.
    """
    own = list(deals)
    for deal in own:
        if deal.period != period:
            raise InvalidValue("deal.period", deal.period, f"a deal of delivery period {period}")
    traded = traded_by(own)
    for trader in traded:
        if trader not in metered_wh:
            raise InvalidValue("metered_wh", trader, "an energy, or None, for every party of a deal")
    imbalances = {trader: Imbalance(traded.get(trader, Traded()), metered) for trader, metered in metered_wh.items()}
    region_wh = sum(imbalance.imbalance_wh or 0 for imbalance in imbalances.values())
    return PeriodSettlement(period, rule.price_ticks(own, region_wh), imbalances, inflow_wh)


def traded_by(deals: Iterable[SettledDeal]) -> dict[str, Traded]:
    """What each trader bought and sold, over all deals given."""
    traded: dict[str, Traded] = {}
    for deal in deals:
        seller = traded.get(deal.seller, Traded())
        traded[deal.seller] = Traded(
            seller.bought_wh, seller.sold_wh + deal.energy_wh, seller.paid, seller.received + deal.money
        )
        buyer = traded.get(deal.buyer, Traded())
        traded[deal.buyer] = Traded(
            buyer.bought_wh + deal.energy_wh, buyer.sold_wh, buyer.paid + deal.money, buyer.received
        )
    return traded
