"""A user's statement of one day: period by period what was traded and metered, and who pays what to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gridbourse.settlement.imbalance import Imbalance, Traded


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One delivery period of one user.

    Parameters
    ----------
    period
        Its number.
    settled
        What was traded and metered.
    price_ticks
        The imbalance price.
    """

    period: int
    settled: Imbalance
    price_ticks: int

    @property
    def traded(self) -> Traded:
        """What was bought and sold."""
        return self.settled.traded

    @property
    def metered_wh(self) -> int | None:
        """Fed in less drawn; None while in doubt."""
        return self.settled.metered_wh

    @property
    def imbalance_wh(self) -> int | None:
        """Metered less traded: positive is long; None while the period is open."""
        return self.settled.imbalance_wh

    @property
    def imbalance_money(self) -> int:
        """What the settlement agent pays the user for it, in 1e-7 yuan; negative for what the user pays."""
        return self.settled.money(self.price_ticks)

    @property
    def money(self) -> int:
        """What the user gets for this period on balance, in 1e-7 yuan; negative for what it pays."""
        return self.traded.received - self.traded.paid + self.imbalance_money


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a statement's lines; energies in Wh, moneys in 1e-7 yuan.

    Parameters
    ----------
    bought_wh, paid, sold_wh, received
        Deals with other users: who bought has paid the seller already, when the deal was settled.
    fed_in_wh, drawn_wh
        Metered, period by period.
    long_wh, short_wh
        Imbalances either way.
    long_money, short_money
        What the settlement agent pays the user for the one, and the user pays the agent for the other.
    open_periods
        How many periods are not settled, for want of a reading.
    """

    bought_wh: int
    paid: int
    sold_wh: int
    received: int
    fed_in_wh: int
    drawn_wh: int
    long_wh: int
    long_money: int
    short_wh: int
    short_money: int
    open_periods: int

    @property
    def money(self) -> int:
        """What the user gets for the day on balance, in 1e-7 yuan; negative for what it pays."""
        return self.received - self.paid + self.long_money - self.short_money


@dataclass(frozen=True, slots=True)
class Statement:
    """One user's day.

    Parameters
    ----------
    user_id
        Whose.
    day
        Days since 1970-01-01.
    lines
        The periods, in their order.
    """

    user_id: str
    day: int
    lines: tuple[StatementLine, ...]

    @property
    def totals(self) -> Totals:
        """The sums."""
        metered = [line.metered_wh or 0 for line in self.lines]
        imbalances = [line.imbalance_wh or 0 for line in self.lines]
        moneys = [line.imbalance_money for line in self.lines]
        return Totals(
            bought_wh=sum(line.traded.bought_wh for line in self.lines),
            paid=sum(line.traded.paid for line in self.lines),
            sold_wh=sum(line.traded.sold_wh for line in self.lines),
            received=sum(line.traded.received for line in self.lines),
            fed_in_wh=sum(_above(metered)),
            drawn_wh=sum(_below(metered)),
            long_wh=sum(_above(imbalances)),
            long_money=sum(_above(moneys)),
            short_wh=sum(_below(imbalances)),
            short_money=sum(_below(moneys)),
            open_periods=sum(line.imbalance_wh is None for line in self.lines),
        )


def _above(values: Sequence[int]) -> Iterator[int]:
    return (value for value in values if value > 0)


def _below(values: Sequence[int]) -> Iterator[int]:
    return (-value for value in values if value < 0)
