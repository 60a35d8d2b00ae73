"""Monthly statements in the index, with all corrections, and the settled days that they follow from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from gridbourse.index.database import Database
from gridbourse.index.schema import day_records, month_statements
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.month_records import MonthStatement
from gridbourse.ledger.sealing import read_details


@dataclass(frozen=True, slots=True)
class MonthRecord:
    """A monthly statement, and the record that it is on its chain."""

    chain: str
    record: int
    leaf: bytes
    details: MonthStatement


class Months:
    """Reads monthly statements.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def statements(
        self, *, chain: str | None = None, node_ids: Iterable[str] | None = None, month: int | None = None
    ) -> list[MonthRecord]:
        """Monthly statements: of a chain, some nodes, a month, or all; the oldest first."""
        statement = select(month_statements).order_by(month_statements.c.chain, month_statements.c.record)
        if chain is not None:
            statement = statement.where(month_statements.c.chain == chain)
        if node_ids is not None:
            statement = statement.where(month_statements.c.node_id.in_(list(node_ids)))
        if month is not None:
            statement = statement.where(month_statements.c.month == month)
        return [_month_record(row) for row in self._database.rows(statement)]

    def newest_settled(self, chain: str, days: range) -> int:
        """Number of the newest record that settles any of some delivery days on a chain; -1 if there is none."""
        statement = select(func.max(day_records.c.record)).where(*_settled(chain, days))
        found = self._database.value(statement)
        return -1 if found is None else int(found)

    def settled(self, chain: str, days: range) -> list[StatementDetails]:
        """How a master settled some delivery days, by day and node."""
        statement = select(day_records).where(*_settled(chain, days))
        rows = self._database.rows(statement.order_by(day_records.c.day, day_records.c.node_id))
        found = [read_details(row.kind, row.content) for row in rows]
        return [details for details in found if isinstance(details, StatementDetails)]


def _settled(chain: str, days: range) -> tuple[ColumnElement[bool], ...]:
    is_statement = day_records.c.kind == int(RecordKind.STATEMENT)
    return day_records.c.chain == chain, is_statement, day_records.c.day >= days.start, day_records.c.day < days.stop


def _month_record(row: Any) -> MonthRecord:
    details: Any = read_details(int(RecordKind.MONTH_STATEMENT), row.content)
    return MonthRecord(row.chain, row.record, row.leaf, details)
