"""C7 Retail packages 零售套餐: what an aggregator's user pays, and how a portfolio's imbalance is passed on.

Source: the packages of provincial retail markets (湘发改价调〔2025〕655号 among them): fixed price, a share of what is
saved against the market, time of use by the tariff's bands, and a limit to the aggregator's margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, apportion, round_half_away
from gridbourse.rules.parameters import Band


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """One price, whatever the market does.

    Parameters
    ----------
    price_ticks
        In ticks of 0.0001 yuan/kWh.
    """

    price_ticks: Exact

    def price(self, _band: Band) -> Exact:
        """The price of a band, in ticks."""
        return self.price_ticks


@dataclass(frozen=True, slots=True)
class SavingShare:
    """The user gets a share of what its aggregator buys cheaper than all: ``P_all - (P_all - P_own) x K``.

    Parameters
    ----------
    all_ticks, own_ticks
        Mean price of all aggregators and of the user's own.
    share
        K, from 0 to 1.
    """

    all_ticks: Exact
    own_ticks: Exact
    share: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvalidValue("share", self.share, "a share from 0 to 1")

    def price(self, _band: Band) -> Exact:
        """The price of a band, in ticks."""
        return self.all_ticks - (self.all_ticks - self.own_ticks) * self.share


@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """A price that follows the tariff's bands.

    Parameters
    ----------
    flat_ticks
        Price of the flat band.
    factors
        Of every band.
    """

    flat_ticks: Exact
    factors: Mapping[Band, Fraction]

    def __post_init__(self) -> None:
        if set(self.factors) != set(Band):
            raise InvalidValue("factors", sorted(self.factors), f"a factor for each of {', '.join(Band)}")

    def price(self, band: Band) -> Exact:
        """The price of a band, in ticks."""
        return self.flat_ticks * self.factors[band]


Package = FixedPrice | SavingShare | TimeOfUse


def bill(package: Package, energies_wh: Mapping[Band, int]) -> dict[Band, int]:
    """A user's bill by a package, line by line: what each band's energy costs, in 1e-7 yuan.

    Parameters
    ----------
    package
        The user's.
    energies_wh
        Drawn in each band.
    """
    return {band: round_half_away(energy_wh * package.price(band)) for band, energy_wh in energies_wh.items()}


def margin_returned(energy_wh: int, spread_ticks: Exact, line_ticks: Exact, returned_share: Fraction) -> int:
    """What an aggregator gives back of its margin to all its users, in 1e-7 yuan.

    Parameters
    ----------
    energy_wh
        Sold to its users.
    spread_ticks
        Mean selling price less mean buying price.
    line_ticks
        What it may keep wholly (parameter ``margin.line``).
    returned_share
        Part of what exceeds the line (parameter ``margin.returned_share``).
    """
    above = max(Fraction(spread_ticks) - line_ticks, Fraction(0))
    return round_half_away(energy_wh * above * returned_share)


class PassOn(StrEnum):
    """How a portfolio's imbalance reaches its users, as their package says."""

    NOT = "not"
    """The aggregator bears it, and its chance is in the price."""
    BY_ENERGY = "by_energy"
    """By what each drew."""
    BY_IMBALANCE = "by_imbalance"
    """By how far each was off, whichever way."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user of a portfolio in a period.

    Parameters
    ----------
    energy_wh
        Metered, without sign.
    imbalance_wh
        Metered less traded; negative is short.
    """

    energy_wh: int
    imbalance_wh: int


@dataclass(frozen=True, slots=True)
class PortfolioImbalance:
    """A portfolio's period.

    Parameters
    ----------
    imbalance_wh
        Sum of its users' imbalances: those against each other cost nothing.
    money
        What the portfolio gets for it, in 1e-7 yuan; negative for what it pays.
    passed_on
        Of that each user's part, in the users' order.
    """

    imbalance_wh: int
    money: int
    passed_on: tuple[int, ...]

    @property
    def kept(self) -> int:
        """The aggregator's own part."""
        return self.money - sum(self.passed_on)


def settle_portfolio(members: Sequence[Member], price_ticks: Exact, key: PassOn) -> PortfolioImbalance:
    """Settle the users of an aggregator together, and pass on what it comes to.

    Parameters
    ----------
    members
        The users.
    price_ticks
        Imbalance price.
    key
        Of the package.
    """
    imbalance_wh = sum(member.imbalance_wh for member in members)
    money = round_half_away(imbalance_wh * price_ticks)
    if key is PassOn.NOT:
        return PortfolioImbalance(imbalance_wh, money, (0,) * len(members))
    by_energy = key is PassOn.BY_ENERGY
    weights = [member.energy_wh if by_energy else abs(member.imbalance_wh) for member in members]
    passed_on = apportion(money, weights) if any(weights) else (0,) * len(members)
    return PortfolioImbalance(imbalance_wh, money, passed_on)
