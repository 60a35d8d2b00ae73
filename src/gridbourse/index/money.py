"""What went into the market's accounts, out of them, and from one to another, beside what trades pay."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import bindparam, select

from gridbourse.index.database import Database
from gridbourse.index.schema import deposit_moves, payments

_PAYMENTS = select(payments).where(payments.c.number > bindparam("after")).order_by(payments.c.number)
_MOVES = select(deposit_moves).where(deposit_moves.c.number > bindparam("after")).order_by(deposit_moves.c.number)


class Money:
    """Sums payments and moves; what was summed is kept, and only what is newer is read.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._paid = self._moves = 0
        self._credited: dict[bytes, dict[int, int]] = {}
        self._withdrawn: dict[bytes, tuple[int, int]] = {}
        self._moved: dict[tuple[int, int], int] = defaultdict(int)

    def moved(self, from_account: int, to_account: int) -> int:
        """All that was ever moved from one account to another."""
        for row in self._database.rows(_MOVES, after=self._moves):
            self._moved[row.from_trader, row.to_trader] += row.money
            self._moves = row.number
        return self._moved.get((from_account, to_account), 0)

    def withdrawn(self, reference: bytes) -> tuple[int, int] | None:
        """Account and amount of what went out under a reference; None if nothing did."""
        self._read_payments()
        return self._withdrawn.get(reference)

    def came_in(self, account: int, reference: bytes) -> int:
        """What came in for an account under a reference."""
        self._read_payments()
        return self._credited.get(reference, {}).get(account, 0)

    def _read_payments(self) -> None:
        for row in self._database.rows(_PAYMENTS, after=self._paid):
            if row.is_out:
                _, before = self._withdrawn.get(row.reference, (0, 0))
                self._withdrawn[row.reference] = row.trader, before + row.money
            else:
                credited = self._credited.setdefault(row.reference, {})
                credited[row.trader] = credited.get(row.trader, 0) + row.money
            self._paid = row.number
