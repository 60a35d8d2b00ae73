"""Reads records: where each lies, what proves it, and what those say that somebody is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select

from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import MerkleFrontier, inclusion_proof
from gridbourse.index.database import Database, is_integer
from gridbourse.index.log import StoredLog
from gridbourse.index.schema import answers, day_records, kept_records, records, reports
from gridbourse.ledger.balancing_records import CapacityDetails, MeteredDetails, ScheduleDetails, StatementDetails
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.records import BlockSettings
from gridbourse.ledger.sealing import read_details
from gridbourse.market.types import Side

DayDetails = MeteredDetails | StatementDetails | ScheduleDetails


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """Where a record lies, and which function node and deal it is about; None if it is about none, or does not open."""

    chain: str
    index: int
    height: int
    kind: int
    author: Address
    leaf: bytes
    transaction_hash: bytes
    node_id: str | None
    deal_id: int | None


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """A report of a function node."""

    number: int
    master: str
    index: int
    node_id: str
    title: str
    body: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class DayRecord:
    """What is newest of a kind about a node and a delivery day.

    Parameters
    ----------
    node_id, day
        What it is about.
    version
        How many records of the kind there were about that.
    record, leaf
        The record's number on its chain, and its leaf.
    details
        What it says.
    """

    node_id: str
    day: int
    version: int
    record: int
    leaf: bytes
    details: DayDetails


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record of which not only the newest counts, by its number on its chain."""

    record: int
    leaf: bytes
    details: CapacityDetails | PayoutInstruction | BlockSettings


_RECORD = (
    records.c.chain,
    records.c.number,
    records.c.height,
    records.c.kind,
    records.c.author,
    records.c.leaf,
    records.c.transaction_hash,
    records.c.node_id,
    records.c.deal_id,
)
_AT = select(*_RECORD).where(records.c.chain == bindparam("chain"), records.c.number == bindparam("number"))
_BEGINNING = select(*_RECORD).where(records.c.leaf >= bindparam("first"), records.c.leaf <= bindparam("last"))
_NEWEST = (
    select(*_RECORD)
    .where(records.c.chain == bindparam("chain"), records.c.number < bindparam("before"))
    .order_by(records.c.number.desc())
    .limit(bindparam("limit"))
)
_NEWEST_OF_KIND = _NEWEST.where(records.c.kind == bindparam("kind"))
_ABOUT = (
    select(*_RECORD)
    .where(
        records.c.chain == bindparam("chain"),
        or_(records.c.deal_id == bindparam("deal_id"), records.c.leaf == bindparam("leaf")),
    )
    .order_by(records.c.number)
)
_REPORTS = (
    select(
        reports.c.number,
        reports.c.chain,
        reports.c.record,
        reports.c.node_id,
        reports.c.title,
        reports.c.body,
        reports.c.timestamp,
    )
    .where(reports.c.number < bindparam("before"), reports.c.node_id.in_(bindparam("node_ids", expanding=True)))
    .order_by(reports.c.number.desc())
    .limit(bindparam("limit"))
)
_NEWEST_NUMBER = 2**63 - 1


class Records:
    """Reads records.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, chain: str, index: int) -> RecordEntry | None:
        """A record by its number in its chain's log; None if there is none."""
        row = self._database.first(_AT, chain=chain, number=index) if is_integer(index) else None
        return _entry(row) if row else None

    def newest(self, chain: str, kind: int | None, before: int | None, limit: int) -> list[RecordEntry]:
        """Records of a chain, of a kind or all, newest first, from before a number on."""
        wanted = {"chain": chain, "before": _NEWEST_NUMBER if before is None else before, "limit": limit}
        if kind is None:
            return list(map(_entry, self._database.rows(_NEWEST, **wanted)))
        return list(map(_entry, self._database.rows(_NEWEST_OF_KIND, **wanted, kind=kind)))

    def beginning(self, leaf_hex: str, chains: Iterable[str]) -> list[RecordEntry]:
        """Records of some chains whose leaf begins with some digits."""
        first, last = bytes.fromhex(leaf_hex.ljust(64, "0")), bytes.fromhex(leaf_hex.ljust(64, "f"))
        statement = _BEGINNING.where(records.c.chain.in_(list(chains))).order_by(records.c.chain, records.c.number)
        return list(map(_entry, self._database.rows(statement, first=first, last=last)))

    def about(self, chain: str, deal_id: int, order_leaf: bytes) -> list[RecordEntry]:
        """Records of a chain about a deal, and the one that has a leaf, oldest first."""
        return list(map(_entry, self._database.rows(_ABOUT, chain=chain, deal_id=deal_id, leaf=order_leaf)))

    def invalid(self, chain: str) -> list[RecordEntry]:
        """Records that do not open, or that another than the named node signed."""
        statement = select(*_RECORD).where(records.c.chain == chain, records.c.is_valid.is_(False))
        return list(map(_entry, self._database.rows(statement.order_by(records.c.number))))

    def inclusion_proof(self, chain: str, index: int, leaf_count: int) -> tuple[bytes, ...]:
        """Sibling hashes from a record's leaf up to the root of a chain's first records (RFC 9162, 2.1.3.1)."""
        with self._database.reading() as connection:
            return inclusion_proof(index, leaf_count, StoredLog(connection, chain))

    def frontier(self, chain: str, leaf_count: int) -> MerkleFrontier:
        """The right edge of a chain's log after its first records."""
        with self._database.reading() as connection:
            return MerkleFrontier.of(leaf_count, StoredLog(connection, chain))

    def reports(self, node_ids: Iterable[str], before: int | None, limit: int) -> list[ReportEntry]:
        """Reports of some function nodes, newest first, from before a number on."""
        wanted = {"before": _NEWEST_NUMBER if before is None else before, "limit": limit, "node_ids": list(node_ids)}
        return [ReportEntry(*row) for row in self._database.rows(_REPORTS, **wanted)]

    def of_day(
        self,
        kind: RecordKind,
        *,
        chain: str | None = None,
        day: int | None = None,
        node_ids: Iterable[str] | None = None,
    ) -> list[DayRecord]:
        """The newest records of a kind about delivery days: of a chain, a day, some nodes, or all; by day and node."""
        statement = select(day_records).where(day_records.c.kind == int(kind))
        if chain is not None:
            statement = statement.where(day_records.c.chain == chain)
        if day is not None:
            statement = statement.where(day_records.c.day == day)
        if node_ids is not None:
            statement = statement.where(day_records.c.node_id.in_(list(node_ids)))
        rows = self._database.rows(statement.order_by(day_records.c.day, day_records.c.node_id))
        return [_day_record(row) for row in rows]

    def of_days(self, kind: RecordKind, chain: str, after: int) -> list[DayRecord]:
        """The newest records of a kind about delivery days on a chain, as far as they stand behind a record."""
        newer = select(day_records).filter_by(chain=chain, kind=int(kind)).where(day_records.c.record > after)
        return [_day_record(row) for row in self._database.rows(newer.order_by(day_records.c.record))]

    def kept(self, kind: RecordKind, chain: str, after: int) -> list[KeptRecord]:
        """Records of a kind on a chain of which not only the newest counts, as far as they stand behind a record."""
        newer = select(kept_records).filter_by(chain=chain, kind=int(kind)).where(kept_records.c.record > after)
        found = []
        for row in self._database.rows(newer.order_by(kept_records.c.record)):
            details: Any = read_details(row.kind, row.content)
            found.append(KeptRecord(row.record, row.leaf, details))
        return found

    def block_settings(self, chain: str) -> BlockSettings:
        """How a master wants the blocks of its slave chain to be made, as it said last."""
        stated = self.kept(RecordKind.BLOCK_SETTINGS, chain, -1)
        settings = stated[-1].details if stated else BlockSettings()
        assert isinstance(settings, BlockSettings), "of this kind"
        return settings

    def reported(self, chain: str, after: int) -> list[tuple[int, str, str]]:
        """Reports on a chain as far as they stand behind a record: the record, who reported, and on what."""
        newer = select(reports.c.record, reports.c.node_id, reports.c.title).where(
            reports.c.chain == chain, reports.c.record > after
        )
        return [(record, node_id, title) for record, node_id, title in self._database.rows(newer)]

    def statements(self, node_ids: Iterable[str], day: int) -> list[StatementDetails]:
        """How masters settled nodes' delivery day."""
        found = self.of_day(RecordKind.STATEMENT, day=day, node_ids=node_ids)
        return [own.details for own in found if isinstance(own.details, StatementDetails)]

    def newest_statements(self) -> list[DayRecord]:
        """Of every node its statement of the last day that has one."""
        last = (
            select(day_records.c.node_id, func.max(day_records.c.day).label("day"))
            .where(day_records.c.kind == int(RecordKind.STATEMENT))
            .group_by(day_records.c.node_id)
            .subquery()
        )
        statement = (
            select(day_records)
            .join(last, and_(day_records.c.node_id == last.c.node_id, day_records.c.day == last.c.day))
            .where(day_records.c.kind == int(RecordKind.STATEMENT))
            .order_by(day_records.c.node_id)
        )
        return [_day_record(row) for row in self._database.rows(statement)]

    def answer(self, node_id: str, deal_id: int, side: Side) -> bool | None:
        """Whether a node confirmed, on a side of a deal; None if it has not answered."""
        statement = select(answers.c.confirmed).filter_by(node_id=node_id, deal_id=deal_id, side=int(side))
        found: bool | None = self._database.value(statement)
        return found


def _entry(row: Sequence[Any]) -> RecordEntry:
    chain, number, height, kind, author, leaf, transaction_hash, node_id, deal_id = row
    return RecordEntry(chain, number, height, kind, Address(author), leaf, transaction_hash, node_id, deal_id)


def _day_record(row: Any) -> DayRecord:
    details: Any = read_details(row.kind, row.content)
    return DayRecord(row.node_id, row.day, row.version, row.record, row.leaf, details)
