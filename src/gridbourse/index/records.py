"""The records of the slave chains: where each lies, what proves it, and what those say that somebody is shown.

A record's content stays sealed on its chain. Here stands in clear what the service shows the function node that a
record is about, its master and the regulator: reports, metered energies, statements, schedules, answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, func, insert, or_, select, update

from gridbourse.api.schema import DealStatus
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import MerkleFrontier, inclusion_proof, root_of_leaves
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.blocks import Block, MainBlock, SlaveBlock
from gridbourse.index.database import Database, insert_rows, is_integer
from gridbourse.index.market_rows import DEAL_CHANGES
from gridbourse.index.schema import (
    IS_PENDING,
    answers,
    day_records,
    kept_records,
    records,
    reports,
    subtrees,
    trades,
)
from gridbourse.index.stored_text import stored_text
from gridbourse.ledger.balancing_records import CapacityDetails, MeteredDetails, ScheduleDetails, StatementDetails
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.ledger.records import Confirmation, Details, NodeRegistered, NodeReport, NodeRevoked
from gridbourse.ledger.sealing import read_details, write_details
from gridbourse.market.types import Side
from gridbourse.units import MAX_PERIOD

SUBTREE_LEVELS = 8
"""The roots of full subtrees over 2^8, 2^16, ... leaves are kept: a proof hashes a few hundred others."""

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
    details: CapacityDetails | PayoutInstruction


@dataclass(slots=True)
class _Record:
    """A row of `records`."""

    chain: str
    number: int
    height: int
    kind: int
    author: bytes
    leaf: bytes
    transaction_hash: bytes
    is_valid: bool
    node_id: str | None
    deal_id: int | None


@dataclass(slots=True)
class _Subtree:
    """A row of `subtrees`."""

    chain: str
    level: int
    number: int
    hash: bytes


def apply(
    connection: Connection, blocks: Sequence[Block], calendar: DeliveryCalendar, counts: Mapping[str, int]
) -> None:
    """Write records, and what they say.

    Parameters
    ----------
    connection
        In a transaction.
    blocks
        New blocks.
    calendar
        The region's delivery days.
    counts
        How many records each chain has with them.
    """
    read = [(block, found) for block in blocks if isinstance(block, SlaveBlock) for found in block.records]
    if not read:
        return
    insert_rows(connection, records, [_row(block.master, found) for block, found in read])
    for chain in {block.master for block, _ in read}:
        _grow(connection, chain, sum(block.master == chain for block, _ in read), counts[chain])
    for block, found in read:
        match found.details:
            case Confirmation():
                _answer(connection, found.details)
            case NodeReport():
                _report(connection, block, found.record.index, found.details)
            case CapacityDetails() | PayoutInstruction():
                row = {"chain": block.master, "record": found.record.index, "kind": int(found.details.KIND)}
                content = stored_text(write_details(found.details))
                connection.execute(insert(kept_records), {**row, "leaf": found.record.leaf, "content": content})
            case MeteredDetails() | StatementDetails() | ScheduleDetails():
                _state(connection, block.master, found, calendar)
            case _:
                pass


def node_of(details: Details | None) -> str | None:
    """The function node that a record is about."""
    if isinstance(details, NodeRegistered | NodeRevoked):
        return details.node_id
    return getattr(details, "user_id", None)


def _row(chain: str, found: SlaveRecord) -> _Record:
    record, details = found.record, found.details
    deal_id = getattr(details, "deal_id", None)
    return _Record(
        chain,
        record.index,
        record.height,
        record.kind,
        record.author,
        record.leaf,
        record.transaction_hash,
        details is not None,
        node_of(details),
        deal_id if deal_id is not None and is_integer(deal_id) else None,
    )


def _answer(connection: Connection, details: Confirmation) -> None:
    """A node's first answer counts; a deal whose number no deal can have is none."""
    if not is_integer(details.deal_id):
        return
    key = {"deal_id": details.deal_id, "side": int(details.side), "node_id": details.user_id}
    if connection.execute(select(answers).filter_by(**key)).first() is None:
        connection.execute(insert(answers), {**key, "confirmed": details.confirmed, "is_pending": True})


def note_submitted(connection: Connection, blocks: Sequence[Block]) -> None:
    """Let answers that the market knows, or whose deal has ended, not be pending any more.

    Parameters
    ----------
    connection
        In a transaction, in which what the blocks say of deals and answers stands already.
    blocks
        New blocks.
    """
    if any(
        any(isinstance(event, DEAL_CHANGES) for event in block.events)
        if isinstance(block, MainBlock)
        else any(isinstance(found.details, Confirmation) for found in block.records)
        for block in blocks
    ):
        connection.execute(_SUBMITTED)


def _report(connection: Connection, block: SlaveBlock, index: int, details: NodeReport) -> None:
    number = (connection.scalar(select(func.max(reports.c.number))) or 0) + 1
    row = {
        "number": number,
        "chain": block.master,
        "record": index,
        "node_id": details.user_id,
        "title": stored_text(details.title),
        "body": stored_text(details.body),
        "timestamp": block.head.timestamp,
    }
    connection.execute(insert(reports), row)


def _state(connection: Connection, chain: str, found: SlaveRecord, calendar: DeliveryCalendar) -> None:
    details = found.details
    assert isinstance(details, DayDetails), "it is one of these"
    if details.first_period > MAX_PERIOD:
        return
    key = {
        "chain": chain,
        "kind": int(details.KIND),
        "day": calendar.day_of(details.first_period),
        "node_id": details.user_id,
    }
    before = connection.scalar(select(day_records.c.version).filter_by(**key))
    if before is not None:
        connection.execute(delete(day_records).filter_by(**key))
    content = stored_text(write_details(details))
    row = {**key, "version": (before or 0) + 1, "record": found.record.index, "leaf": found.record.leaf}
    connection.execute(insert(day_records), {**row, "content": content})


# The log


def _grow(connection: Connection, chain: str, new: int, total: int) -> None:
    """Keep the roots of the subtrees that new leaves fill."""
    level, before = SUBTREE_LEVELS, total - new
    while total >> level:
        roots = []
        for number in range(before >> level, total >> level):
            first, stop = number << SUBTREE_LEVELS, number + 1 << SUBTREE_LEVELS
            below = _hashes(connection, chain, level - SUBTREE_LEVELS, first, stop)
            roots.append(_Subtree(chain, level, number, root_of_leaves(below)))
        insert_rows(connection, subtrees, roots)
        level += SUBTREE_LEVELS


def _hashes(connection: Connection, chain: str, level: int, first: int, stop: int) -> list[bytes]:
    """The leaves of a chain's log, or the roots that are kept of a level, from one number up to another."""
    if level == 0:
        found = select(records.c.leaf).where(
            records.c.chain == chain, records.c.number >= first, records.c.number < stop
        )
        return list(connection.scalars(found.order_by(records.c.number)))
    kept = select(subtrees.c.hash).where(
        subtrees.c.chain == chain,
        subtrees.c.level == level,
        subtrees.c.number >= first,
        subtrees.c.number < stop,
    )
    return list(connection.scalars(kept.order_by(subtrees.c.number)))


class _Log:
    """A chain's log as the index keeps it."""

    def __init__(self, connection: Connection, chain: str) -> None:
        self._connection = connection
        self._chain = chain

    def __call__(self, level: int, number: int) -> bytes:
        """Root of the full subtree over leaves ``number * 2**level`` to ``(number + 1) * 2**level - 1``."""
        below = level % SUBTREE_LEVELS
        first, stop = number << below, number + 1 << below
        return root_of_leaves(_hashes(self._connection, self._chain, level - below, first, stop))


_ASKED = case((answers.c.side == int(Side.ASK), trades.c.seller_confirmed), else_=trades.c.buyer_confirmed)
_SUBMITTED = (
    update(answers)
    .where(
        IS_PENDING,
        select(trades.c.deal_id)
        .where(trades.c.deal_id == answers.c.deal_id, or_(trades.c.status != DealStatus.INTENT.value, _ASKED))
        .exists(),
    )
    .values(is_pending=False)
)

# Queries

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
            return inclusion_proof(index, leaf_count, _Log(connection, chain))

    def frontier(self, chain: str, leaf_count: int) -> MerkleFrontier:
        """The right edge of a chain's log after its first records."""
        with self._database.reading() as connection:
            return MerkleFrontier.of(leaf_count, _Log(connection, chain))

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
