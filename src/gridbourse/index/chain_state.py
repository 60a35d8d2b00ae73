"""The chains as they stand: newest heads, records and Merkle logs of the slave chains, anchors and votes.

Like the market state it belongs to the event loop and is folded from news.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from gridbourse.contracts.abi import DecodedEvent
from gridbourse.crypto.merkle import MerkleLog
from gridbourse.index.chain_tables import AnchorEntry, Anchors, Records
from gridbourse.index.news import Head, MainBlock, SlaveBlock
from gridbourse.index.shelf import Hashes, Shelf
from gridbourse.ledger.records import Details, NodeRegistered, NodeReport, NodeRevoked

KEPT_HEADS = 500
MAIN = "main"


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


class ChainEntry:
    """One chain.

    Parameters
    ----------
    shelf
        Where what is long about it is kept.

    Attributes
    ----------
    heads
        Its newest blocks.
    records, log, anchors
        Of a slave chain, what is written on it.
    unanchored_since
        Since when records wait for an anchor; None if none do.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.heads: deque[Head] = deque(maxlen=KEPT_HEADS)
        self.records = Records(shelf)
        self.log = MerkleLog(new_list=partial(Hashes, shelf))
        self.anchors = Anchors(shelf)
        self.unanchored_since: int | None = None

    @property
    def head(self) -> Head | None:
        """Its newest block; None before the first."""
        return self.heads[-1] if self.heads else None

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
    shelf
        Where what is long about the chains is kept.
    """

    def __init__(self, names: dict[int, str], shelf: Shelf) -> None:
        self._names = names
        self.chains = {name: ChainEntry(shelf) for name in (MAIN, *names.values())}
        self.reports: list[ReportEntry] = []
        self.votes: dict[bytes, list[VoteEntry]] = {}
        """By action, one entry for each time that it was put to the vote."""

    def note_main_block(self, block: MainBlock) -> None:
        """Take in a block of the main chain."""
        self.chains[MAIN].heads.append(block.head)
        for master_id, anchor in block.anchors:
            chain = self.chains[self._names[master_id]]
            chain.anchors.append(AnchorEntry(anchor, block.head.height, block.head.timestamp))
            if anchor.leaf_count >= len(chain.records):
                chain.unanchored_since = None
        for event in block.governance:
            self._note_vote(event, block.head.timestamp)

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in a block of a slave chain."""
        chain = self.chains[block.master]
        chain.heads.append(block.head)
        for found in block.records:
            details = found.details
            chain.records.append(found.record, node_of(details), getattr(details, "deal_id", None))
            chain.log.append(found.record.leaf)
            if isinstance(found.details, NodeReport):
                self.reports.append(ReportEntry(block.master, found.details, found.record.index, block.head.timestamp))
        if block.records and chain.unanchored_since is None:
            chain.unanchored_since = block.head.timestamp

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
