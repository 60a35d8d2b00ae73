"""A slave chain as the regulator reads it: every record opened and judged, and the log they form.

Who runs the chain seals its blocks and could write into a receipt whatever it likes; what it cannot do is sign
for somebody else. So a record counts only if the transaction it stands in says the same, signed by its author.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Generic, TypeVar

from gridbourse.contracts.abi import Call
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, MasterChanged, record_leaf
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import MerkleLog, verify_inclusion
from gridbourse.crypto.pseudonym import DayKey
from gridbourse.errors import EnvelopeError, ProofError
from gridbourse.ledger.balancing_records import CapacityDetails, Duty, MeteredDetails, ScheduleDetails, StatementDetails
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.month_records import MonthStatement
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.records import (
    Cancellation,
    Confirmation,
    DayOpened,
    DealDetails,
    Details,
    NodeDetails,
    NodeRegistered,
    NodeReport,
    NodeRevoked,
    OrderDetails,
)
from gridbourse.ledger.sealing import open_record
from gridbourse.market.types import OrderId, Side
from gridbourse.text import Message

_Stated = TypeVar("_Stated", bound=Details)


@dataclass(frozen=True, slots=True)
class DecryptedRecord(Generic[_Stated]):
    """A record and what it states.

    Parameters
    ----------
    record
        The record as it lies on the chain.
    details
        What it states.
    fault
        Why it must not be believed, naming chain and record; None if it may.
    """

    record: LedgerRecord
    details: _Stated
    fault: str | None

    def is_anchored(self, anchor: Anchor | None) -> bool:
        """Whether it may be believed and is covered by its master's newest anchor."""
        return self.fault is None and anchor is not None and self.record.index < anchor.leaf_count


class VerifiedLedger:
    """Reads one slave chain and keeps up with it. Nothing it finds wrong stops it; `findings` says what it was.

    Parameters
    ----------
    master_id, name
        The master's number, and its name to say whose chain it is.
    slave
        The chain.
    accounts
        Tells the addresses that the master ever had on the main chain, oldest first. It alone takes in nodes, opens
        days and writes deals, at each time with the address that the ledger then had for its master.
    keys
        The regulator's keys, newest first.
    """

    def __init__(
        self,
        master_id: int,
        name: str,
        slave: Slave,
        accounts: Callable[[], Sequence[Address]],
        keys: Sequence[EncryptionKey],
    ) -> None:
        self.master_id = master_id
        self.name = name
        self.slave = slave
        self._accounts = accounts
        self._master = accounts()[0]
        self._keys = keys
        self._height = 0
        self._log = MerkleLog()
        self._heights: list[int] = []
        self.orders: dict[bytes, DecryptedRecord[OrderDetails]] = {}
        self.amendments: dict[OrderId, list[DecryptedRecord[OrderDetails]]] = {}
        self.cancellations: dict[OrderId, list[DecryptedRecord[Cancellation]]] = {}
        self.decisions: dict[tuple[int, Side], list[DecryptedRecord[Confirmation]]] = {}
        self.deals: dict[tuple[int, Side], list[DecryptedRecord[DealDetails]]] = {}
        self.reports: list[DecryptedRecord[NodeReport]] = []
        self.duties: dict[bytes, DecryptedRecord[Duty]] = {}
        """Schedules, capacities, metered energies and statements, by leaf."""
        self.instructions: dict[bytes, DecryptedRecord[PayoutInstruction]] = {}
        """What users want paid out, by leaf."""
        self.months: list[DecryptedRecord[MonthStatement]] = []
        self.nodes: dict[str, NodeRegistered] = {}
        self.registrations: list[DecryptedRecord[NodeRegistered]] = []
        """Who was taken in, and with which connection, in the sequence of the records."""
        self.revocations: dict[str, LedgerRecord] = {}
        self.day_keys: dict[int, DayKey] = {}
        self._days: dict[int, LedgerRecord] = {}
        self.unreadable: dict[bytes, str] = {}
        self.findings: list[str] = []

    def catch_up(self) -> None:
        """Read the blocks since the last time."""
        head = self.slave.chain.head().height
        entries = self.slave.ledger.entries(first_block=self._height + 1, last_block=head)
        for transaction_hash, group in groupby(entries, attrgetter("transaction_hash")):
            together: list[LedgerRecord] = []
            for entry in group:
                if isinstance(entry, MasterChanged):
                    self._change_master(entry)
                else:
                    together.append(entry)
            signed = self._is_signed(transaction_hash, together)
            for record in together:
                self._read(record, signed=signed)
        self._height = head

    def __len__(self) -> int:
        return len(self._log)

    def require_included(self, record: LedgerRecord, anchors: Sequence[Anchor]) -> Anchor:
        """Prove that a record is in the log as the master anchored it first after writing it.

        Raises
        ------
        ProofError
            No anchor covers it, or the anchor is of another log.
        """
        anchor = next((anchor for anchor in anchors if anchor.leaf_count > record.index), None)
        if anchor is None:
            raise ProofError(Message("{place} is not anchored yet", place=self.place(record)))
        if anchor.leaf_count > len(self):
            text = "slave chain {name} has {count} records, {anchored} are anchored"
            raise ProofError(Message(text, name=self.name, count=len(self), anchored=anchor.leaf_count))
        try:
            proof = self._log.inclusion_proof(record.index, anchor.leaf_count)
            verify_inclusion(record.leaf, record.index, anchor.leaf_count, proof, anchor.root)
        except ProofError as error:
            text = "{place} is not in the log anchored with blocks {first} to {last}"
            blocks = {"first": anchor.first_block, "last": anchor.last_block}
            raise ProofError(Message(text, place=self.place(record), **blocks)) from error
        return anchor

    def is_named(self, user_id: str, day: int) -> bool:
        """Whether the master had to name a user for a day: the user was not revoked yet when the day was opened."""
        opened, revocation = self._days.get(day), self.revocations.get(user_id)
        return opened is not None and (revocation is None or opened.index < revocation.index)

    def wrong_anchors(self, anchors: Sequence[Anchor]) -> Iterator[str]:
        """Compare every anchor with the chain; says between which records the fault lies.

        What follows a fault does not agree either, so after the first wrong anchor the others are not named
        until one holds again.
        """
        sound, said = 0, False
        for anchor in anchors:
            if self._agrees(anchor):
                sound, said = anchor.leaf_count, False
            elif not said:
                said = True
                yield Message(
                    "slave chain {name}, records {start} to {end}, anchored with blocks {first} to {last}: the chain "
                    "does not hold these records",
                    name=self.name,
                    start=sound,
                    end=max(sound, anchor.leaf_count - 1),
                    first=anchor.first_block,
                    last=anchor.last_block,
                )

    def place(self, record: LedgerRecord) -> Message:
        """Say where a record lies."""
        text = "slave chain {name}, record {index} in block {block}"
        return Message(text, name=self.name, index=record.index, block=record.height)

    def _agrees(self, anchor: Anchor) -> bool:
        size = bisect_right(self._heights, anchor.last_block)
        return anchor.last_block <= self._height and anchor.leaf_count == size and anchor.root == self._log.root(size)

    def _is_signed(self, transaction_hash: bytes, records: Sequence[LedgerRecord]) -> bool:
        """Whether their author signed that just these records are written to this ledger."""
        ledger = self.slave.ledger
        stated = [(record.kind, record.content) for record in records]
        calls = [ledger.append_many(stated), *([ledger.append(*stated[0])] if len(stated) == 1 else [])]
        signer = self._signer(transaction_hash, calls)
        return signer is not None and all(record.author == signer for record in records)

    def _signer(self, transaction_hash: bytes, calls: Sequence[Call]) -> Address | None:
        """Who signed that one of these calls is made to this ledger; None if nobody did."""
        signed, ledger = self.slave.chain.transaction(transaction_hash), self.slave.ledger
        is_call = (
            signed is not None
            and signed.transaction.chain_id == ledger.chain.chain_id
            and signed.transaction.to == ledger.address
            and signed.transaction.data in [call.data for call in calls]
        )
        return signed.sender if signed is not None and is_call else None

    def _change_master(self, change: MasterChanged) -> None:
        """Follow the master to its next key, which the main chain knew before the slave chain did."""
        if change.master == self._master:
            return
        signer = self._signer(change.transaction_hash, [self.slave.ledger.change_master(change.master)])
        if signer == self._master and change.master in self._accounts():
            self._master = change.master
        else:
            text = (
                "slave chain {name}: its ledger was handed over to 0x{address}, which is not its master on the main "
                "chain"
            )
            self.findings.append(Message(text, name=self.name, address=change.master.hex()))

    def _read(self, record: LedgerRecord, *, signed: bool) -> None:
        leaf = record_leaf(record.author, record.kind, record.content)
        in_sequence = record.index == len(self) and record.leaf == leaf
        self._log.append(leaf)
        self._heights.append(record.height)
        try:
            details = open_record(self.slave.ledger, record, *self._keys)
        except EnvelopeError as error:
            text = "{place}, of 0x{author} does not open for the regulator: {error}"
            author = record.author.hex()
            self.unreadable[leaf] = Message(text, place=self.place(record), author=author, error=error)
            self.findings.append(self.unreadable[leaf])
            return
        wrong = (
            (Message("has not the index or leaf of its content") if not in_sequence else None)
            or (Message("is not what its author signed") if not signed else None)
            or self._fault(record.author, details)
        )
        fault = Message("{place}, {wrong}", place=self.place(record), wrong=wrong) if wrong else None
        if fault:
            self.findings.append(fault)
        self._take_in(leaf, record, details, fault)

    def _take_in(self, leaf: bytes, record: LedgerRecord, details: Details, fault: str | None) -> None:
        match details:
            case OrderDetails():
                opened = self.orders.setdefault(leaf, DecryptedRecord(record, details, fault))
                if details.replaces:
                    self.amendments.setdefault(OrderId.unpack(details.replaces), []).append(opened)
            case Cancellation():
                self.cancellations.setdefault(details.order_id, []).append(DecryptedRecord(record, details, fault))
            case Confirmation():
                self.decisions.setdefault((details.deal_id, details.side), []).append(
                    DecryptedRecord(record, details, fault)
                )
            case DealDetails():
                self.deals.setdefault((details.deal_id, details.side), []).append(
                    DecryptedRecord(record, details, fault)
                )
            case NodeReport():
                self.reports.append(DecryptedRecord(record, details, fault))
            case ScheduleDetails() | CapacityDetails() | MeteredDetails() | StatementDetails():
                self.duties.setdefault(leaf, DecryptedRecord(record, details, fault))
            case PayoutInstruction():
                self.instructions.setdefault(leaf, DecryptedRecord(record, details, fault))
            case MonthStatement():
                self.months.append(DecryptedRecord(record, details, fault))
            case NodeRegistered() | NodeRevoked() | DayOpened() if fault is None:
                self._enter(record, details)
            case _:
                pass

    def _enter(self, record: LedgerRecord, details: NodeRegistered | NodeRevoked | DayOpened) -> None:
        match details:
            case NodeRegistered():
                self.nodes[details.node_id] = details
                self.registrations.append(DecryptedRecord(record, details, None))
            case NodeRevoked():
                self.revocations.setdefault(details.node_id, record)
            case DayOpened():
                self.day_keys[details.day] = details.day_key()
                self._days.setdefault(details.day, record)

    def _fault(self, author: Address, details: Details) -> Message | None:
        """Why the author may not state this; None if it may.

        Nodes speak for themselves, and the master for nobody else: whom it took in once, it cannot give another
        key without that node's own signature, and what it called a day's key stays that day's key.
        """
        match details:
            case _ if isinstance(details, NodeDetails):
                node = self.nodes.get(details.user_id)
                if node is None:
                    return Message("speaks for {user!r}, whom the master never took in", user=details.user_id)
                if details.user_id in self.revocations:
                    return Message("speaks for {user!r}, who is revoked", user=details.user_id)
                if author.hex() != node.address_hex:
                    text = "speaks for {user!r}, but 0x{author} signed it"
                    return Message(text, user=details.user_id, author=author.hex())
            case NodeRegistered() if self.nodes.get(details.node_id, details) != details:
                if author.hex() != self.nodes[details.node_id].address_hex or details.node_id in self.revocations:
                    return Message("gives {user!r} other keys without its signature", user=details.node_id)
            case DayOpened() if self.day_keys.get(details.day, details.day_key()) != details.day_key():
                return Message("states another key for day {day}, whose users are named already", day=details.day)
            case _ if author != self._master:
                return Message("may only be written by the master")
        return None
