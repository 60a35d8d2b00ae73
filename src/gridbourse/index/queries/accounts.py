"""Reads day accounts: money, energy claims, and payments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gridbourse.index.database import Database
from gridbourse.index.schema import day_accounts, payments, positions
from gridbourse.market.types import Position, Trader

_ACCOUNT = select(
    day_accounts.c.master_id, day_accounts.c.free_money, day_accounts.c.held_money, day_accounts.c.zone
).where(day_accounts.c.trader == bindparam("trader"))
_POSITION = select(positions.c.quota_wh, positions.c.held_wh, positions.c.sold_wh, positions.c.bought_wh).where(
    positions.c.trader == bindparam("trader"), positions.c.period == bindparam("period")
)
_PAYMENTS = select(payments.c.trader, payments.c.money).where(
    payments.c.reference == bindparam("reference"), payments.c.is_out.is_(False)
)


@dataclass(frozen=True, slots=True)
class DayAccount:
    """A node's money on one delivery day."""

    node_id: str
    day: int
    trader: int
    free_money: int
    held_money: int


@dataclass(frozen=True, slots=True)
class Claims:
    """A node's energy claims in one delivery period."""

    node_id: str
    period: int
    position: Position


class Accounts:
    """Reads accounts.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self, trader: int) -> Trader:
        """A trader's master and money."""
        row = self._database.first(_ACCOUNT, trader=trader)
        return Trader(*row) if row else Trader(0)

    def position(self, trader: int, period: int) -> Position:
        """A trader's energy claims in a period."""
        row = self._database.first(_POSITION, trader=trader, period=period)
        return Position(*row) if row else Position()

    def of_nodes(self, node_ids: Iterable[str], day: int | None = None) -> list[DayAccount]:
        """The accounts of nodes, on one delivery day or all, by node and day."""
        statement = select(
            day_accounts.c.node_id,
            day_accounts.c.day,
            day_accounts.c.trader,
            day_accounts.c.free_money,
            day_accounts.c.held_money,
        ).where(day_accounts.c.node_id.in_(list(node_ids)))
        if day is not None:
            statement = statement.where(day_accounts.c.day == day)
        rows = self._database.rows(statement.order_by(day_accounts.c.node_id, day_accounts.c.day))
        return [DayAccount(*row) for row in rows]

    def claims(self, node_ids: Iterable[str], periods: range) -> list[Claims]:
        """The energy claims of nodes in delivery periods, by node and period."""
        statement = (
            select(day_accounts.c.node_id, positions)
            .join(positions, positions.c.trader == day_accounts.c.trader)
            .where(
                day_accounts.c.node_id.in_(list(node_ids)),
                positions.c.period >= periods.start,
                positions.c.period < periods.stop,
            )
            .order_by(day_accounts.c.node_id, positions.c.period)
        )
        return [
            Claims(row.node_id, row.period, Position(row.quota_wh, row.held_wh, row.sold_wh, row.bought_wh))
            for row in self._database.rows(statement)
        ]

    def credited(self, payment_reference: bytes) -> dict[int, int]:
        """What was credited against a payment reference, in 1e-7 yuan by trader."""
        found: dict[int, int] = {}
        for trader, money in self._database.rows(_PAYMENTS, reference=payment_reference):
            found[trader] = found.get(trader, 0) + money
        return found
