"""The chains as they stand: newest heads, records and Merkle logs of the slave chains, anchors and votes.

Like the market state it belongs to the event loop and is folded from news.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from gridbourse.console.news import MainBlock, SlaveBlock, SlaveRecord
from gridbourse.contracts.abi import DecodedEvent
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.crypto.merkle import MerkleLog
from gridbourse.network.records import Details, NodeRegistered, NodeReport, NodeRevoked

KEPT_HEADS = 500
MAIN = "main"


@dataclass(frozen=True, slots=True)
class Head:
    """A block's head, as block strips show it."""

    height: int
    timestamp: int
    hash: bytes
    parent_hash: bytes
    transaction_count: int


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """Where a record lies, and which function node and deal it is about; None if it is about none, or does not open."""

    index: int
    height: int
    kind: int
    author: bytes
    leaf: bytes
    transaction_hash: bytes
    node_id: str | None
    deal_id: int | None


@dataclass(frozen=True, slots=True)
class AnchorEntry:
    """An anchor, and where and when it was made."""

    anchor: Anchor
    height: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """A report of a function node."""

    master: str
    report: NodeReport
    index: int
    timestamp: int


@dataclass(slots=True)
class VoteEntry:
    """An action that masters voted for."""

    action_id: bytes
    action: bytes
    opened_at: int
    voters: list[int] = field(default_factory=list)
    is_carried: bool = False


@dataclass(slots=True)
class ChainEntry:
    """One chain."""

    heads: deque[Head] = field(default_factory=lambda: deque(maxlen=KEPT_HEADS))
    records: list[RecordEntry] = field(default_factory=list)
    log: MerkleLog = field(default_factory=MerkleLog)
    by_beginning: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Numbers of records by the first four bytes of their leaves."""
    anchors: list[AnchorEntry] = field(default_factory=list)
    unanchored_since: int | None = None

    @property
    def head(self) -> Head | None:
        """Its newest block; None before the first."""
        return self.heads[-1] if self.heads else None

    def covering(self, index: int) -> AnchorEntry | None:
        """The first anchor that covers a record; None if none does yet."""
        return next((entry for entry in self.anchors if entry.anchor.leaf_count > index), None)

    def records_beginning(self, leaf_hex: str) -> list[RecordEntry]:
        """Records whose leaf begins with some digits, eight or more."""
        numbers = self.by_beginning.get(bytes.fromhex(leaf_hex[:8]), [])
        return [self.records[number] for number in numbers if self.records[number].leaf.hex().startswith(leaf_hex)]

    @property
    def anchored_count(self) -> int:
        """How many records the newest anchor covers."""
        return self.anchors[-1].anchor.leaf_count if self.anchors else 0


class ChainState:
    """All chains of the region.

    Parameters
    ----------
    names
        Names of the masters, by number.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names
        self.chains: dict[str, ChainEntry] = {MAIN: ChainEntry()} | {name: ChainEntry() for name in names.values()}
        self.reports: list[ReportEntry] = []
        self.votes: dict[bytes, list[VoteEntry]] = {}
        """By action, one entry for each time that it was put to the vote."""

    def note_main_block(self, block: MainBlock) -> None:
        """Take in a block of the main chain."""
        self.chains[MAIN].heads.append(_head(block))
        for master_id, anchor in block.anchors:
            chain = self.chains[self._names[master_id]]
            chain.anchors.append(AnchorEntry(anchor, block.header.height, block.header.timestamp))
            if anchor.leaf_count >= len(chain.records):
                chain.unanchored_since = None
        for event in block.governance:
            self._note_vote(event, block.header.timestamp)

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in a block of a slave chain."""
        chain = self.chains[block.master]
        chain.heads.append(_head(block))
        for found in block.records:
            chain.records.append(_entry(found))
            chain.log.append(found.record.leaf)
            chain.by_beginning[found.record.leaf[:4]].append(found.record.index)
            if isinstance(found.details, NodeReport):
                self.reports.append(
                    ReportEntry(block.master, found.details, found.record.index, block.header.timestamp)
                )
        if block.records and chain.unanchored_since is None:
            chain.unanchored_since = block.header.timestamp

    def _note_vote(self, event: DecodedEvent, timestamp: int) -> None:
        if event.name == "Voted":
            rounds = self.votes.setdefault(event.values["actionId"], [])
            if not rounds or rounds[-1].is_carried:
                rounds.append(VoteEntry(event.values["actionId"], event.values["action"], timestamp))
            rounds[-1].voters.append(event.values["masterId"])
        elif event.name == "ActionCarried":
            self.votes[event.values["actionId"]][-1].is_carried = True


def node_of(details: Details | None) -> str | None:
    """The function node that a record is about."""
    if isinstance(details, NodeRegistered | NodeRevoked):
        return details.node_id
    return getattr(details, "user_id", None)


def _head(block: MainBlock | SlaveBlock) -> Head:
    header = block.header
    return Head(header.height, header.timestamp, header.hash, header.parent_hash, block.transaction_count)


def _entry(found: SlaveRecord) -> RecordEntry:
    record = found.record
    return RecordEntry(
        record.index,
        record.height,
        record.kind,
        record.author,
        record.leaf,
        record.transaction_hash,
        node_of(found.details),
        getattr(found.details, "deal_id", None),
    )
