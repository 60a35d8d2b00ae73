"""What is long about a slave chain: its records and its anchors."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.crypto.keys import Address
from gridbourse.index.shelf import Finder, Names, Rows, Shelf

_RECORD = "<IB20s32s32sIQ"
"""Height, kind, author, leaf, hash of the transaction, number of the node's name, deal or 0."""
_ANCHOR = "<QQQ32sQQ"
"""First block, last block, leaf count, root, height, time."""
_BEGINNING_BYTES = 4


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


class Records:
    """The records of a slave chain, by their numbers in it.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, _RECORD)
        self._nodes = Names()
        self._by_beginning = Finder()
        self._by_deal = Finder()
        self._of_kind: dict[int, array[int]] = defaultdict(lambda: array("I"))

    def append(self, record: RecordHead, node_id: str | None, deal_id: int | None) -> None:
        """Add the next record, and which node and deal it is about."""
        assert record.index == len(self), "a slave chain numbers its records"
        place = record.height, record.kind, record.author, record.leaf, record.transaction_hash
        self._rows.append(*place, self._nodes.number(node_id), deal_id or 0)
        self._by_beginning.add(record.leaf[:_BEGINNING_BYTES], record.index)
        self._of_kind[record.kind].append(record.index)
        if deal_id:
            self._by_deal.add(_key(deal_id), record.index)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> RecordEntry:
        height, kind, author, leaf, transaction_hash, node, deal_id = self._rows[index]
        return RecordEntry(
            index, height, kind, Address(author), leaf, transaction_hash, self._nodes[node], deal_id or None
        )

    def of_kind(self, kind: int) -> Sequence[int]:
        """Numbers of the records of a kind, rising."""
        return self._of_kind.get(kind, ())

    def beginning(self, leaf_hex: str) -> list[RecordEntry]:
        """Records whose leaf begins with some digits, eight or more."""
        beginning = bytes.fromhex(leaf_hex[: 2 * _BEGINNING_BYTES])
        found = (self[index] for index in self._by_beginning.find(beginning))
        return [entry for entry in found if entry.leaf.hex().startswith(leaf_hex)]

    def about(self, deal_id: int, order_leaf: bytes) -> list[RecordEntry]:
        """Records about a deal, and the one that has a leaf, oldest first."""
        of_deal = (self[index] for index in self._by_deal.find(_key(deal_id)))
        order = [entry for entry in self.beginning(order_leaf.hex()) if entry.deal_id != deal_id]
        found = [*order, *(entry for entry in of_deal if entry.deal_id == deal_id)]
        return sorted(found, key=lambda entry: entry.index)


class Anchors(Sequence[AnchorEntry]):
    """The anchors of a slave chain, oldest first.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, _ANCHOR)

    def append(self, entry: AnchorEntry) -> None:
        """Add the next anchor."""
        anchor = entry.anchor
        covered = anchor.first_block, anchor.last_block, anchor.leaf_count, anchor.root
        self._rows.append(*covered, entry.height, entry.timestamp)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> AnchorEntry: ...
    @overload
    def __getitem__(self, number: slice) -> list[AnchorEntry]: ...
    def __getitem__(self, number: int | slice) -> AnchorEntry | list[AnchorEntry]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        *covered, height, timestamp = self._rows[number + len(self) if number < 0 else number]
        return AnchorEntry(Anchor(*covered), height, timestamp)

    def covering(self, index: int) -> AnchorEntry | None:
        """The first anchor that covers a record; None if none does yet."""
        number = bisect_right(self, index, key=lambda entry: entry.anchor.leaf_count)
        return self[number] if number < len(self) else None

    def made_in(self, height: int) -> list[AnchorEntry]:
        """Anchors that were made in a block of the main chain."""
        return self[bisect_left(self, height, key=_height) : bisect_right(self, height, key=_height)]


def _height(entry: AnchorEntry) -> int:
    return entry.height


def _key(deal_id: int) -> bytes:
    return deal_id.to_bytes(8, "big")
