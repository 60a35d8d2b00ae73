"""Joining without running every block: the chain itself, in chunks.

A snapshot is all blocks up to one, as they are stored: headers, transactions, receipts and state changes. Any node
can cut it at any time, since blocks never change, and it needs no trust: each header names its parent's hash and
the roots of its content, and CometBFT's light client knows the hash of the last one from the validators'
signatures. So the chunk with the newest blocks comes first: each is checked when it arrives, and one that is bad is
fetched from somebody else. When all are there they are folded into the state, the oldest first; nothing is executed.
"""

from __future__ import annotations

from pathlib import Path

from gridbourse._native import ordered_root
from gridbourse.chain import rlp
from gridbourse.chain.block import Header, Log, Receipt
from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.ordering import Ordering
from gridbourse.chain.cometbft.wire import Snapshot
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainError, GridbourseError

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
        first, last = chunks[-1 - index]
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


class BadChunk(ChainError):
    """A chunk of a snapshot is not what the validators vouch for: it is to be fetched from somebody else."""


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
        self._discard()
        self._proven_hash = snapshot.hash
        self._next_chunk = 0

    def apply(self, index: int, chunk: bytes) -> None:
        """Take the next chunk; with the last one the chain goes on from the snapshot.

        Raises
        ------
        BadChunk
            It does not end with the block whose hash is proven, or a block holds something else than its header says.
        ChainError
            It is not the next one, or the snapshot has fewer chunks than its blocks take.
        """
        if index != self._next_chunk:
            raise ChainError(f"chunk {index} of a snapshot: {self._next_chunk} is next")
        try:
            proven_hash = self._proven_hash
            for block in reversed(_blocks(chunk)):
                proven_hash = _parent_of_proven(block, proven_hash)
        except (GridbourseError, ValueError) as error:
            raise BadChunk(f"chunk {index} of a snapshot: {error}") from error
        self._chunk_file(index).write_bytes(chunk)
        self._proven_hash = proven_hash
        self._next_chunk += 1
        if self._next_chunk == self._snapshot.chunks:
            if self._proven_hash != self._chain.header(0).hash:
                raise ChainError("a snapshot whose chunks do not reach back to the genesis")
            self._take_in()

    def _take_in(self) -> None:
        """Put all blocks into a file, the oldest first, which takes the place of the chain's."""
        core = self._chain.empty_core(self._path)
        for index in reversed(range(self._snapshot.chunks)):
            for block in _blocks(self._chunk_file(index).read_bytes()):
                core.append_encoded(block, 0)
        core.set_progress(self._snapshot.height)
        self._chain.adopt(core, self._path, self._snapshot.hash, self._snapshot.height)
        self._discard()

    def _chunk_file(self, index: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{index}")

    def _discard(self) -> None:
        for leftover in self._path.parent.glob(self._path.name + "*"):
            leftover.unlink()


def _blocks(chunk: bytes) -> list[bytes]:
    return [rlp.to_bytes(block) for block in rlp.to_list(rlp.decode(chunk))]


def _parent_of_proven(encoded: bytes, proven_hash: bytes) -> bytes:
    """Check a block whose hash is known against it; returns the hash of the block before."""
    stated, transactions, receipts, changes = rlp.decode_list(encoded, 4)
    header = Header.decode(rlp.encode(stated))
    roots = (
        ordered_root([rlp.to_bytes(raw) for raw in rlp.to_list(transactions)]),
        ordered_root([_consensus_bytes(rlp.to_bytes(receipt)) for receipt in rlp.to_list(receipts)]),
        keccak256(rlp.encode(changes)),
    )
    if header.hash != proven_hash:
        raise ChainError(f"block {header.height}: it is not the one that the validators vouch for")
    if roots != (header.transactions_root, header.receipts_root, header.changes_root):
        raise ChainError(f"block {header.height}: it does not hold what its header commits to")
    return header.parent_hash


def _consensus_bytes(stored: bytes) -> bytes:
    """What Ethereum's receipts trie holds of a stored receipt (EIP-2718, EIP-658)."""
    kind, succeeded, _, cumulative, _, _, _, logs = rlp.decode_list(stored, 8)
    events = [
        Log(
            Address(rlp.to_bytes(address, 20)),
            [rlp.to_bytes(topic, 32) for topic in rlp.to_list(topics)],
            rlp.to_bytes(content),
            0,
            bytes(32),
            0,
        )
        for address, topics, content in (rlp.to_list(log) for log in rlp.to_list(logs))
    ]
    bloom = Receipt(bytes(32), 0, 0, True, 0, None, b"", "", events).bloom  # noqa: FBT003 - one of many fields
    return rlp.to_bytes(kind) + rlp.encode([succeeded, cumulative, bloom, logs])
