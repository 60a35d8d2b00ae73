"""Joining without running every block: the chain itself, in chunks.

A snapshot is all blocks up to one, as they are stored: headers, transactions, receipts and state changes. Any node
can cut it at any time, since blocks never change, and it needs no trust: each header names its parent's hash and
the roots of its content, and CometBFT's light client knows the hash of the last one from the validators'
signatures. Opening such a file folds the changes into the state; nothing is executed.
"""

from __future__ import annotations

from gridbourse.chain import rlp
from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.ordering import Ordering
from gridbourse.chain.cometbft.wire import Snapshot
from gridbourse.errors import ChainError

CHUNK_BYTES = 2_000_000
"""A chunk ends with the block that reaches this; CometBFT carries chunks of up to 16 MB."""
INTERVAL = 100
"""Nodes offer the same heights, so that chunks of one snapshot can come from all of them."""
_LIGHT_CLIENT_BLOCKS = 2
"""CometBFT's light client needs the headers of the next two blocks."""


class Snapshots:
    """The snapshots that a chain offers.

    Parameters
    ----------
    chain
        The chain.
    """

    FORMAT = 1

    def __init__(self, chain: CometChain) -> None:
        self._chain = chain
        self._first_blocks = [1]
        self._measured_height = 0
        self._open_bytes = 0

    def offered(self) -> list[Snapshot]:
        """The newest snapshot at a multiple of `INTERVAL`, or at all."""
        newest = self._chain.head().height
        provable = self._chain.ordered_height - _LIGHT_CLIENT_BLOCKS
        while newest and self._ordering(newest).height > provable:
            newest -= 1
        height = newest - newest % INTERVAL or newest
        if not height:
            return []
        header = self._chain.header(height)
        return [Snapshot(Ordering.of(header).height, self.FORMAT, len(self._chunks(height)), header.hash)]

    def chunk(self, ordered_height: int, snapshot_format: int, index: int) -> bytes:
        """A chunk of a snapshot; empty if there is none."""
        height = self._chain.ordered_at(ordered_height)
        if height is None or snapshot_format != self.FORMAT:
            return b""
        chunks = self._chunks(height)
        if not 0 <= index < len(chunks):
            return b""
        first, last = chunks[index]
        return rlp.encode([self._chain.encoded_block(height) for height in range(first, last + 1)])

    def _chunks(self, height: int) -> list[tuple[int, int]]:
        """First and last block of each chunk of the snapshot up to a height."""
        for measured in range(self._measured_height + 1, height + 1):
            self._open_bytes += len(self._chain.encoded_block(measured))
            if self._open_bytes >= CHUNK_BYTES:
                self._first_blocks.append(measured + 1)
                self._open_bytes = 0
        self._measured_height = max(self._measured_height, height)
        firsts = [first for first in self._first_blocks if first <= height]
        return [(first, following - 1) for first, following in zip(firsts, [*firsts[1:], height + 1], strict=True)]

    def _ordering(self, height: int) -> Ordering:
        return Ordering.of(self._chain.header(height))


class Restoration:
    """A snapshot on its way into a chain.

    Parameters
    ----------
    chain
        The chain that it replaces when it is complete.
    snapshot
        What was offered; its hash is known from the validators' signatures.
    """

    def __init__(self, chain: CometChain, snapshot: Snapshot) -> None:
        self._chain = chain
        self._snapshot = snapshot
        self._path = chain.path.with_name(chain.path.name + "-snapshot")
        for leftover in self._path.parent.glob(self._path.name + "*"):
            leftover.unlink()
        self._core = chain.empty_core(self._path)
        self._next_chunk = 0

    def apply(self, index: int, chunk: bytes) -> None:
        """Take the next chunk; with the last one the chain goes on from the snapshot.

        Raises
        ------
        ChainError
            It is not the next one.
        InvalidValue
            It is malformed.
        ChainCorrupted
            The snapshot is not what the validators vouch for.
        """
        if index != self._next_chunk:
            raise ChainError(f"chunk {index} of a snapshot: {self._next_chunk} is next")
        self._next_chunk += 1
        is_last = self._next_chunk == self._snapshot.chunks
        for block in rlp.to_list(rlp.decode(chunk)):
            self._core.append_encoded(rlp.to_bytes(block), self._snapshot.height if is_last else 0)
        if is_last:
            self._chain.adopt(self._core, self._path, self._snapshot.hash, self._snapshot.height)
