"""The Merkle tree of a log, as in RFC 9162 (Certificate Transparency 2.0), section 2.1, with SHA-256.

Leaves and inner nodes are hashed with different first bytes, so neither can pass for the other. A tree of
n > 1 leaves is the largest full tree of fewer than n leaves on the left and the rest on the right: growing
the log never changes a full subtree, which is what keeps both kinds of proof short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Protocol

from gridbourse.errors import InvalidValue, ProofError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry of a log to its leaf (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def merkle_root(entries: Iterable[bytes]) -> bytes:
    """Root of the tree over `entries`, 32 bytes; SHA-256 of nothing when there are none."""
    return _fold([leaf_hash(entry) for entry in entries])


def root_of_leaves(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over entries that `leaf_hash` has already hashed.

    Raises
    ------
    InvalidValue
        A leaf is not 32 bytes.
    """
    for leaf in leaves:
        _require_hash("leaf", leaf)
    return _fold(leaves)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` stands at `index` in the tree of `size` leaves with this `root`.

    Implements RFC 9162, section 2.1.3.2.

    Parameters
    ----------
    leaf
        The leaf hash, 32 bytes.
    index, size
        Position counted from 0, and number of leaves in the tree.
    proof
        Sibling hashes from the leaf upwards, 32 bytes each.
    root
        The trusted root, 32 bytes. A root does not bind its size: both must come from one trusted source.

    Raises
    ------
    ProofError
        The proof does not hold, or any of its parts has the wrong shape.
    """
    _require_hashes([leaf, root, *proof])
    if not 0 <= index < size:
        raise ProofError(f"index {index} is outside a tree of {size} leaves")
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof goes on above the root")
        if node & 1 or node == last:
            computed = _parent(sibling, computed)
            node, last = _skip_single_children(node, last)
        else:
            computed = _parent(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion proof ends below the root")
    if computed != root:
        raise ProofError(f"leaf {index} does not lead to the root of the tree of {size} leaves")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `new_size` leaves extends that of `old_size` leaves and changes none of them.

    Implements RFC 9162, section 2.1.4.2. The two cases that the RFC leaves out have empty proofs: every tree
    extends the empty one, and a tree extends itself.

    Parameters
    ----------
    old_size, new_size
        Number of leaves before and after.
    proof
        The consistency proof, 32 bytes each.
    old_root, new_root
        Roots before and after, 32 bytes each, trusted together with their sizes.

    Raises
    ------
    ProofError
        The proof does not hold, or any of its parts has the wrong shape.
    """
    _require_hashes([old_root, new_root, *proof])
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a log of {new_size} leaves cannot extend one of {old_size}")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError("the root of an empty tree is SHA-256 of nothing")
    if old_size in {0, new_size}:
        if proof:
            raise ProofError(f"from {old_size} to {new_size} leaves there is nothing to prove")
        if old_size == new_size and old_root != new_root:
            raise ProofError(f"two different roots for the same {new_size} leaves")
        return
    _verify_growth(old_size, new_size, proof, old_root, new_root)


class HashList(Protocol):
    """A growing list of hashes."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> bytes: ...

    def append(self, value: bytes, /) -> None:
        """Add a hash."""


class PackedHashes:
    """Hashes side by side in memory, 32 bytes each."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def __len__(self) -> int:
        return len(self._octets) // HASH_BYTES

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._octets[number * HASH_BYTES : (number + 1) * HASH_BYTES])

    def append(self, value: bytes) -> None:
        """Add a hash."""
        self._octets += value


class MerkleLog:
    """A growing log of leaves that proves what it holds and that it only ever grew.

    Every full subtree is hashed once and kept (about two hashes, 64 bytes, a leaf), so appending costs one hash on
    average and the root of any earlier size, like each node of a proof, costs at most log2(size) hashes.

    Parameters
    ----------
    leaves
        Its first leaves.
    new_list
        Makes a list to keep hashes in, by default in memory.
    """

    def __init__(self, leaves: Iterable[bytes] = (), new_list: Callable[[], HashList] = PackedHashes) -> None:
        self._new_list = new_list
        # Hash number i of _levels[k] is the root of the full subtree over leaves i * 2**k to (i + 1) * 2**k - 1.
        self._levels = [new_list()]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash and return its index.

        Raises
        ------
        InvalidValue
            `leaf` is not 32 bytes.
        """
        node = _require_hash("leaf", leaf)
        for level in self._levels:
            level.append(node)
            count = len(level)
            if count & 1:
                return len(self) - 1
            node = _parent(level[count - 2], node)
        self._levels.append(self._new_list())
        self._levels[-1].append(node)
        return len(self) - 1

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves, by default of all.

        Raises
        ------
        InvalidValue
            `size` is negative or beyond the log.
        """
        size = self._checked_size(size)
        return self._subtree(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Sibling hashes from leaf `index` up to the root of the first `size` leaves (RFC 9162, 2.1.3.1).

        Raises
        ------
        InvalidValue
            `size` is beyond the log, or `index` is not below `size`.
        """
        return inclusion_proof(index, self._checked_size(size), self._full_subtree)

    def consistency_proof(self, old_size: int, new_size: int | None = None) -> tuple[bytes, ...]:
        """Proof that the first `new_size` leaves extend the first `old_size` (RFC 9162, 2.1.4.1).

        Raises
        ------
        InvalidValue
            `new_size` is beyond the log, or `old_size` is not between 0 and `new_size`.
        """
        new_size = self._checked_size(new_size)
        if not 0 <= old_size <= new_size:
            raise InvalidValue("old_size", old_size, f"a size from 0 to the new size, {new_size}")
        if old_size in {0, new_size}:
            return ()
        start, end = 0, new_size
        proof = []
        while old_size != end:
            middle = start + _left_width(end - start)
            if old_size <= middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start = middle
        # From leaf 0 on, the subtree reached is the whole old tree, whose root the verifier has.
        if start > 0:
            proof.append(self._subtree(start, end))
        return tuple(reversed(proof))

    def _subtree(self, start: int, end: int) -> bytes:
        return _subtree(start, end, self._full_subtree)

    def _full_subtree(self, level: int, number: int) -> bytes:
        return self._levels[level][number]

    def _checked_size(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            raise InvalidValue("size", size, f"a size from 0 to the log's {len(self)} leaves")
        return size


FullSubtree = Callable[[int, int], bytes]
"""Tells the root of a full subtree: of number n on level k, that over leaves n * 2**k to (n + 1) * 2**k - 1."""


def inclusion_proof(index: int, size: int, full_subtree: FullSubtree) -> tuple[bytes, ...]:
    """Sibling hashes from a leaf up to the root of a log, wherever it is kept (RFC 9162, 2.1.3.1).

    Parameters
    ----------
    index, size
        The leaf, and how many there are.
    full_subtree
        Reads the log.

    Raises
    ------
    InvalidValue
        `index` is not below `size`.
    """
    if not 0 <= index < size:
        raise InvalidValue("index", index, f"an index below the size of the tree, {size}")
    start, end = 0, size
    proof = []
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, full_subtree))
            end = middle
        else:
            proof.append(_subtree(start, middle, full_subtree))
            start = middle
    return tuple(reversed(proof))


def _subtree(start: int, end: int, full_subtree: FullSubtree) -> bytes:
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return full_subtree(level, start >> level)
    middle = start + _left_width(width)
    return _parent(_subtree(start, middle, full_subtree), _subtree(middle, end, full_subtree))


class MerkleFrontier:
    """The right edge of a log: all that is needed to append to it and to know its root, in log2(size) hashes.

    The tree over n leaves is made of one full subtree for each bit of n, the largest on the left (RFC 9162, 2.1.1).
    """

    def __init__(self) -> None:
        self._size = 0
        self._subtrees: list[bytes] = []

    @classmethod
    def of(cls, size: int, full_subtree: FullSubtree) -> MerkleFrontier:
        """The right edge of a log's first leaves, wherever it is kept."""
        frontier, start = cls(), 0
        frontier._size = size
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                frontier._subtrees.append(full_subtree(level, start >> level))
                start += 1 << level
        return frontier

    def __len__(self) -> int:
        return self._size

    def copy(self) -> MerkleFrontier:
        """The same log, which goes on by itself."""
        other = MerkleFrontier()
        other._size, other._subtrees = self._size, self._subtrees.copy()
        return other

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash.

        Raises
        ------
        InvalidValue
            `leaf` is not 32 bytes.
        """
        node, rest = _require_hash("leaf", leaf), self._size
        while rest & 1:
            node, rest = _parent(self._subtrees.pop(), node), rest >> 1
        self._subtrees.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Root of all leaves; SHA-256 of nothing when there are none."""
        if not self._subtrees:
            return EMPTY_ROOT
        *left, root = self._subtrees
        for subtree in reversed(left):
            root = _parent(subtree, root)
        return root


def _parent(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _fold(level: Sequence[bytes]) -> bytes:
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        parents = list(map(_parent, level[::2], level[1::2]))
        if len(level) & 1:
            parents.append(level[-1])
        level = parents
    return level[0]


def _left_width(width: int) -> int:
    """Largest power of two below `width`, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1


def _verify_growth(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    if not proof:
        raise ProofError("the consistency proof is empty")
    old_tree_is_full = old_size & (old_size - 1) == 0
    path = [old_root, *proof] if old_tree_is_full else proof
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof goes on above the root")
        if node & 1 or node == last:
            old_computed = _parent(sibling, old_computed)
            new_computed = _parent(sibling, new_computed)
            node, last = _skip_single_children(node, last)
        else:
            new_computed = _parent(new_computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof ends below the root")
    if old_computed != old_root or new_computed != new_root:
        raise ProofError(f"the tree of {new_size} leaves does not extend the tree of {old_size}")


def _skip_single_children(node: int, last: int) -> tuple[int, int]:
    """Climb the levels on which the rightmost node has no sibling and is passed up unhashed."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _require_hash(field: str, value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        raise InvalidValue(field, f"{len(value)} bytes", f"a SHA-256 hash of {HASH_BYTES} bytes")
    return value


def _require_hashes(values: Iterable[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in values):
        raise ProofError(f"every hash of a proof has {HASH_BYTES} bytes")
