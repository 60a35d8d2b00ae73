"""The monthly statement 月度电费结算依据, as a master writes it for a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridbourse.ledger.kinds import RecordKind
from gridbourse.rules.month import MonthBill


@dataclass(frozen=True, slots=True)
class MonthStatement:
    """A user's month, line by line; the series have shape (lines,).

    Parameters
    ----------
    user_id
        Whose.
    month
        As ``202608``.
    number
        Of this document, counted on the slave chain from 1.
    corrects
        Number of the document that it takes the place of; 0 for the first one of a month.
    rules
        Versions of the sets of rules in force that month.
    records, as_of_block, trades
        It follows from so many first records of the slave chain, and from the main chain up to this block, which held
        so many settled trades of the month.
    items, energies_wh, paid, received
        The lines (`gridbourse.rules.month.Item`): energy in Wh, money in 1e-7 yuan.
    gaps
        What the rules lack, for lines that are missing.
    open_periods
        How many periods are not settled, for want of a reading.
    compared_wh, delivered, delivered_back, retail
        Energy of periods in which the user only drew; what it cost at the meter, or brought, and what it would have
        cost by the retail tariff, in 1e-7 yuan.
    """

    KIND: ClassVar[RecordKind] = RecordKind.MONTH_STATEMENT

    user_id: str
    month: int
    number: int
    corrects: int
    rules: tuple[str, ...]
    records: int
    as_of_block: int
    trades: int
    items: tuple[str, ...]
    energies_wh: tuple[int, ...]
    paid: tuple[int, ...]
    received: tuple[int, ...]
    gaps: tuple[str, ...]
    open_periods: int
    compared_wh: int
    delivered: int
    delivered_back: int
    retail: int

    @classmethod
    def of(cls, bill: MonthBill, basis: MonthBasis, user_id: str, number: int, corrects: int) -> MonthStatement:
        """Write a bill down."""
        moneys = [line.money for line in bill.lines]
        return cls(
            user_id=user_id,
            month=basis.month,
            number=number,
            corrects=corrects,
            rules=basis.rules,
            records=basis.records,
            as_of_block=basis.as_of_block,
            trades=basis.trades,
            items=tuple(line.item.value for line in bill.lines),
            energies_wh=tuple(line.energy_wh for line in bill.lines),
            paid=tuple(max(money, 0) for money in moneys),
            received=tuple(max(-money, 0) for money in moneys),
            gaps=bill.gaps,
            open_periods=bill.open_periods,
            compared_wh=bill.compared_wh,
            delivered=max(bill.delivered, 0),
            delivered_back=max(-bill.delivered, 0),
            retail=bill.retail,
        )

    @property
    def basis(self) -> MonthBasis:
        """What it follows from."""
        return MonthBasis(self.month, self.rules, self.records, self.as_of_block, self.trades)

    @property
    def stated(self) -> tuple[object, ...]:
        """What it says, apart from its number and what it was made of."""
        lines = self.items, self.energies_wh, self.paid, self.received
        compared = self.compared_wh, self.delivered, self.delivered_back, self.retail
        return self.rules, lines, self.gaps, self.open_periods, compared


@dataclass(frozen=True, slots=True)
class MonthBasis:
    """What the statements of a month follow from, as in `MonthStatement`."""

    month: int
    rules: tuple[str, ...]
    records: int
    as_of_block: int
    trades: int
