"""Anchors of the slave chains on the main chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridbourse.contracts.abi import Call, Contract


@dataclass(frozen=True, slots=True)
class Anchor:
    """After block `last_block` of a slave chain its Merkle log had `leaf_count` leaves and this root."""

    first_block: int
    last_block: int
    leaf_count: int
    root: bytes


class SlaveAnchors(Contract):
    """Masters anchor their slave chains range after range; no gap, no overlap, no rewriting."""

    NAME = "SlaveAnchors"

    def anchor(self, anchor: Anchor) -> Call:
        """Anchor the calling master's slave chain; repeating the last anchor changes nothing."""
        return self._call("anchor", anchor.first_block, anchor.last_block, anchor.leaf_count, anchor.root)

    def anchors(self, master_id: int) -> list[Anchor]:
        """All anchors of a master, in their order."""
        (count,) = self._view("anchorCount", master_id)
        return [self.anchor_at(master_id, index) for index in range(count)]

    def last_anchor(self, master_id: int) -> Anchor | None:
        """The newest anchor of a master."""
        (count,) = self._view("anchorCount", master_id)
        return self.anchor_at(master_id, count - 1) if count else None

    def height_of(self, master_id: int, leaf_index: int) -> int | None:
        """Height of the main-chain block since which an anchor covers a leaf; None if none does."""
        topics = [{self.abi.topic("Anchored")}, {master_id.to_bytes(32, "big")}]
        for log in self.chain.logs(address=self.address, topics=topics):
            event = self.abi.event(log)
            if event is not None and event.values["leafCount"] > leaf_index:
                return log.height
        return None

    def anchor_at(self, master_id: int, index: int) -> Anchor:
        """An anchor by its number, from 0."""
        ((first, last, leaves, root),) = self._view("anchorAt", master_id, index)
        return Anchor(first, last, leaves, root)

    def includes(self, master_id: int, index: int, leaf_index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
        """Ask the contract itself whether a leaf is in the log that an anchor states."""
        (included,) = self._view("includes", master_id, index, leaf_index, leaf, list(proof))
        return bool(included)
