"""A slave chain as the regulator reads it: every record opened, and the log it forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, record_leaf
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import MerkleLog, verify_inclusion
from gridbourse.errors import EnvelopeError, ProofError
from gridbourse.market.types import Side
from gridbourse.network.records import (
    DayOpened,
    DealDetails,
    Decision,
    Details,
    NodeRegistered,
    OrderDetails,
    open_record,
)
from gridbourse.network.slave import Slave


@dataclass(frozen=True, slots=True)
class Opened:
    """A record and what it says."""

    record: LedgerRecord
    details: Details


class SlaveReading:
    """Reads one slave chain and keeps up with it. Nothing it finds wrong stops it; `findings` says what it was.

    Parameters
    ----------
    name
        The master's name, to say whose chain it is.
    slave
        The chain.
    master
        The master's address, which alone registers nodes, opens days and writes deals.
    key
        The regulator's key.
    """

    def __init__(self, name: str, slave: Slave, master: Address, key: EncryptionKey) -> None:
        self.name = name
        self.slave = slave
        self._master = master
        self._key = key
        self._height = 0
        self._log = MerkleLog()
        self.orders: dict[bytes, Opened] = {}
        self.decisions: dict[tuple[int, Side], list[Opened]] = {}
        self.deals: dict[tuple[int, Side], list[Opened]] = {}
        self.nodes: dict[str, NodeRegistered] = {}
        self.day_keys: dict[int, bytes] = {}
        self.findings: list[str] = []

    def catch_up(self) -> None:
        """Read the blocks since the last time."""
        head = self.slave.chain.head().height
        for record in self.slave.records(after_block=self._height):
            self._read(record)
        self._height = head

    def __len__(self) -> int:
        return len(self._log)

    def require_signed(self, opened: Opened, node_id: str) -> None:
        """Check that a record stands in a transaction which its node signed.

        Raises
        ------
        ProofError
            Somebody else signed it, or the node is unknown.
        """
        record, node = opened.record, self.nodes.get(node_id)
        if node is None:
            raise ProofError(f"{self._name(record)} speaks for {node_id!r}, whom the master never registered")
        signed = self.slave.chain.transaction(record.transaction_hash)
        if signed is None or signed.sender != record.author or record.author.hex() != node.address_hex:
            raise ProofError(f"{self._name(record)} is not signed by {node_id!r}")

    def require_included(self, record: LedgerRecord, anchors: list[Anchor]) -> Anchor:
        """Prove that a record is in the log as the master anchored it first after writing it.

        Raises
        ------
        ProofError
            No anchor covers it, or the anchor is of another log.
        """
        anchor = next((anchor for anchor in anchors if anchor.leaf_count > record.index), None)
        if anchor is None:
            raise ProofError(f"{self._name(record)} is not anchored yet")
        if anchor.leaf_count > len(self._log):
            raise ProofError(f"slave chain {self.name} has {len(self._log)} records, {anchor.leaf_count} are anchored")
        try:
            proof = self._log.inclusion_proof(record.index, anchor.leaf_count)
            verify_inclusion(record.leaf, record.index, anchor.leaf_count, proof, anchor.root)
        except ProofError as error:
            blocks = f"blocks {anchor.first_block} to {anchor.last_block}"
            raise ProofError(f"{self._name(record)} is not in the log anchored with {blocks}: {error}") from error
        return anchor

    def wrong_anchors(self, anchors: list[Anchor]) -> Iterator[str]:
        """Compare every anchor with the chain; says which ranges of blocks are not what was anchored."""
        for anchor in anchors:
            size = anchor.leaf_count
            if size > len(self._log) or self._log.root(size) != anchor.root:
                blocks = f"blocks {anchor.first_block} to {anchor.last_block}"
                yield f"slave chain {self.name}, {blocks}: the {min(size, len(self))} records are not those anchored"

    def _read(self, record: LedgerRecord) -> None:
        leaf = record_leaf(record.author, record.kind, record.content)
        if record.index != len(self._log) or record.leaf != leaf:
            self.findings.append(f"{self._name(record)}: index or leaf is not that of its content")
        self._log.append(leaf)
        try:
            details = open_record(self.slave.ledger, record, self._key)
        except EnvelopeError as error:
            self.findings.append(f"{self._name(record)} does not open for the regulator: {error}")
            return
        opened = Opened(record, details)
        match details:
            case OrderDetails():
                self.orders[leaf] = opened
            case Decision():
                self.decisions.setdefault((details.deal_id, details.side), []).append(opened)
            case _ if record.author != self._master:
                self.findings.append(f"{self._name(record)} may only be written by the master")
            case DealDetails():
                self.deals.setdefault((details.deal_id, details.side), []).append(opened)
            case NodeRegistered():
                self.nodes[details.node_id] = details
            case DayOpened():
                self.day_keys[details.day] = bytes.fromhex(details.day_key_hex)

    def _name(self, record: LedgerRecord) -> str:
        return f"slave chain {self.name}, record {record.index} in block {record.height}"
