"""Blocks as they are read from the chains, on their way into the index."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.chain.interface import BlockView
from gridbourse.contracts.abi import DecodedEvent
from gridbourse.contracts.balancing import Publication, Submission
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.crypto.keys import Address
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.market.events import Event


@dataclass(frozen=True, slots=True)
class Head:
    """A block's head, as block strips show it; the hash was computed where the block was read."""

    height: int
    timestamp: int
    hash: bytes
    parent_hash: bytes
    transaction_count: int

    @classmethod
    def of(cls, block: BlockView) -> Head:
        """The head of a block."""
        header = block.header
        return cls(header.height, header.timestamp, header.hash, header.parent_hash, len(block.transactions))


@dataclass(frozen=True, slots=True)
class MainBlock:
    """A block of the main chain.

    Parameters
    ----------
    head
        The block's head.
    events
        The market's events in it.
    anchors
        What masters anchored in it, by the number of the master.
    governance
        The consortium's events: votes, and what they carried.
    balance
        What masters submitted sealed, and imbalance prices.
    """

    head: Head
    events: tuple[Event, ...]
    anchors: tuple[tuple[int, Anchor], ...]
    governance: tuple[DecodedEvent, ...]
    balance: tuple[Submission | Publication, ...]


@dataclass(frozen=True, slots=True)
class SlaveBlock:
    """A block of a slave chain and its records.

    Parameters
    ----------
    master
        Whose chain it is.
    head
        The block's head.
    records
        What it holds.
    author
        Who speaks for the master after it.
    """

    master: str
    head: Head
    records: tuple[SlaveRecord, ...]
    author: Address | None


Block = MainBlock | SlaveBlock
