"""The records of the slave chains: where each lies, what proves it, and what those say that somebody is shown.

A record's content stays sealed on its chain. Here stands in clear what the service shows the function node that a
record is about, its master and the regulator: reports, metered energies, statements, schedules, answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from gridbourse.api.schema import DealStatus
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.blocks import Block, MainBlock, SlaveBlock
from gridbourse.index.database import insert_rows, is_integer
from gridbourse.index.log import grow
from gridbourse.index.market_rows import DEAL_CHANGES
from gridbourse.index.queries.records import DayDetails
from gridbourse.index.schema import (
    IS_PENDING,
    answers,
    day_records,
    kept_records,
    month_statements,
    records,
    reports,
    trades,
)
from gridbourse.index.stored_text import stored_text
from gridbourse.ledger.balancing_records import CapacityDetails, MeteredDetails, ScheduleDetails, StatementDetails
from gridbourse.ledger.month_records import MonthStatement
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.ledger.records import BlockSettings, Confirmation, Details, NodeRegistered, NodeReport, NodeRevoked
from gridbourse.ledger.sealing import write_details
from gridbourse.market.types import Side
from gridbourse.units import MAX_PERIOD


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
        grow(connection, chain, sum(block.master == chain for block, _ in read), counts[chain])
    for block, found in read:
        match found.details:
            case Confirmation():
                _answer(connection, found.details)
            case NodeReport():
                _report(connection, block, found.record.index, found.details)
            case CapacityDetails() | PayoutInstruction() | BlockSettings():
                row = {"chain": block.master, "record": found.record.index, "kind": int(found.details.KIND)}
                content = stored_text(write_details(found.details))
                connection.execute(insert(kept_records), {**row, "leaf": found.record.leaf, "content": content})
            case MonthStatement():
                _state_month(connection, block.master, found.record, found.details)
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


def _state_month(connection: Connection, chain: str, record: RecordHead, own: MonthStatement) -> None:
    """Write what a record states; a month or number that no database holds is none."""
    if is_integer(own.month) and is_integer(own.number):
        row = {"chain": chain, "record": record.index, "leaf": record.leaf, "node_id": own.user_id}
        stated = {"month": own.month, "number": own.number, "content": stored_text(write_details(own))}
        connection.execute(insert(month_statements), row | stated)
