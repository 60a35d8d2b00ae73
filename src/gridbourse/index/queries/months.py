"""Reads monthly statements, with all corrections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gridbourse.index.database import Database
from gridbourse.index.schema import month_statements
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


def _month_record(row: Any) -> MonthRecord:
    details: Any = read_details(int(RecordKind.MONTH_STATEMENT), row.content)
    return MonthRecord(row.chain, row.record, row.leaf, details)
