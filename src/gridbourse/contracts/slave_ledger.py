"""The record of a slave chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.contracts.abi import Call, Contract
from gridbourse.contracts.newest_blocks import NewestBlocks
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import leaf_hash


@dataclass(frozen=True, slots=True)
class RecordHead:
    """All of a record but its content.

    Parameters
    ----------
    index
        Its number in the chain's Merkle log, from 0.
    author
        Who wrote it.
    kind
        What it is (see ``gridbourse.ledger.records``).
    leaf
        Its leaf as the ledger computed it.
    height, transaction_hash
        The slave block and the transaction it lies in.
    """

    index: int
    author: Address
    kind: int
    leaf: bytes
    height: int
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class LedgerRecord(RecordHead):
    """A record as it lies on a slave chain; `content` is an envelope."""

    content: bytes

    @property
    def head(self) -> RecordHead:
        """What stays to be known of it once it was opened."""
        return RecordHead(self.index, self.author, self.kind, self.leaf, self.height, self.transaction_hash)


@dataclass(frozen=True, slots=True)
class MasterChanged:
    """From here on another address is the master of the ledger."""

    master: Address
    height: int
    transaction_hash: bytes


def record_leaf(author: Address, kind: int, content: bytes) -> bytes:
    """Leaf of a record: ``SHA-256(0x00 || author || kind || content)`` (RFC 9162, section 2.1.1)."""
    return leaf_hash(author + bytes([kind]) + content)


class SlaveLedger(Contract):
    """A master's private ledger of details: every record is the next leaf of the chain's Merkle log."""

    NAME = "SlaveLedger"

    def __init__(self, chain: Chain, address: Address) -> None:
        super().__init__(chain, address)
        # Up-link, anchors and whoever else watches the chain read the same newest blocks.
        self._newest_blocks = NewestBlocks(self._read_entries)

    def set_writers(self, writers: Sequence[Address], *, allowed: bool) -> Call:
        """Let addresses write, or stop them; master only."""
        return self._call("setWriters", list(writers), allowed)

    def change_master(self, master: Address) -> Call:
        """Hand the ledger over to the master's next key; the caller no longer may write."""
        return self._call("changeMaster", master)

    def append(self, kind: int, content: bytes) -> Call:
        """Append one record."""
        return self._call("append", kind, content)

    def append_many(self, records: Sequence[tuple[int, bytes]]) -> Call:
        """Append many records, each a kind and a content."""
        return self._call("appendMany", [kind for kind, _ in records], [content for _, content in records])

    def master(self) -> Address:
        """The master of this chain."""
        (account,) = self._view("master")
        return Address(bytes.fromhex(account[2:]))

    def leaf_count(self) -> int:
        """How many records there are."""
        (count,) = self._view("leafCount")
        return int(count)

    def may_write(self, writer: Address) -> bool:
        """Whether an address may write."""
        (allowed,) = self._view("mayWrite", writer)
        return bool(allowed)

    def records(self, *, first_block: int = 1, last_block: int | None = None) -> Iterator[LedgerRecord]:
        """Records of a range of blocks, in the order of the log."""
        for entry in self.entries(first_block=first_block, last_block=last_block):
            if isinstance(entry, LedgerRecord):
                yield entry

    def entries(self, *, first_block: int = 1, last_block: int | None = None) -> Iterator[LedgerRecord | MasterChanged]:
        """Records of a range of blocks, and between them where the ledger got another master, also the first."""
        last = self.chain.head().height if last_block is None else last_block
        return self._newest_blocks.between(first_block, last)

    def _read_entries(self, first_block: int, last_block: int) -> Iterator[LedgerRecord | MasterChanged]:
        changed = self.abi.topic("MasterChanged")
        topics = [{self.abi.topic("RecordAppended"), changed}]
        for log in self.chain.logs(address=self.address, topics=topics, first_block=first_block, last_block=last_block):
            is_record = log.topics[0] != changed
            yield (
                self.record(log)
                if is_record
                else MasterChanged(Address(log.topics[1][12:]), log.height, log.transaction_hash)
            )

    def record(self, log: Log) -> LedgerRecord:
        """Read a record from its log."""
        event = self.abi.event(log)
        assert event is not None, "selected by its topic"
        return LedgerRecord(**event.values, height=log.height, transaction_hash=log.transaction_hash)
