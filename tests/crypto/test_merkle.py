"""The Merkle log: the published trees, every proof of every small tree, and no forged proof at all."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.merkle import (
    EMPTY_ROOT,
    MerkleFrontier,
    MerkleLog,
    leaf_hash,
    merkle_root,
    root_of_leaves,
    verify_consistency,
    verify_inclusion,
)
from gridbourse.errors import InvalidValue, ProofError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle_tree.json").read_text())
LARGEST = 600
ENTRIES = [b"record %d" % number for number in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
LOG = MerkleLog(LEAVES)
SIZES = st.integers(1, LARGEST)


@cache
def defined_root(start, end):
    """The root as RFC 9162, section 2.1.1, defines it."""
    if end == start:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\x00" + ENTRIES[start]).digest()
    middle = start + max(1 << k for k in range(20) if 1 << k < end - start)
    return sha256(b"\x01" + defined_root(start, middle) + defined_root(middle, end)).digest()


def published(proof):
    return tuple(map(bytes.fromhex, proof))


@pytest.fixture
def published_log():
    return MerkleLog(leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["entries"])


def test_published_roots_are_met_at_every_size(published_log):
    assert published_log.root(0).hex() == VECTORS["empty_root"]
    assert [published_log.root(size).hex() for size in range(1, 9)] == VECTORS["roots"]


@pytest.mark.parametrize("case", VECTORS["inclusion"])
def test_published_inclusion_proofs_are_made_and_accepted(published_log, case):
    index, size, proof = case["index"], case["size"], published(case["proof"])
    assert published_log.inclusion_proof(index, size) == proof
    leaf = leaf_hash(bytes.fromhex(VECTORS["entries"][index]))
    verify_inclusion(leaf, index, size, proof, bytes.fromhex(VECTORS["roots"][size - 1]))


@pytest.mark.parametrize("case", VECTORS["consistency"])
def test_published_consistency_proofs_are_made_and_accepted(published_log, case):
    old_size, new_size, proof = case["old_size"], case["new_size"], published(case["proof"])
    assert published_log.consistency_proof(old_size, new_size) == proof
    old_root, new_root = (bytes.fromhex(VECTORS["roots"][size - 1]) for size in (old_size, new_size))
    verify_consistency(old_size, new_size, proof, old_root, new_root)


@pytest.mark.parametrize("size", range(131))
def test_every_way_to_a_root_gives_the_defined_one(size):
    defined = defined_root(0, size)
    assert merkle_root(ENTRIES[:size]) == defined
    assert root_of_leaves(LEAVES[:size]) == defined
    assert MerkleLog(LEAVES[:size]).root() == defined
    assert LOG.root(size) == defined


@pytest.mark.parametrize("size", range(1, 66))
def test_every_leaf_of_every_small_tree_has_a_proof(size):
    for index in range(size):
        verify_inclusion(LEAVES[index], index, size, LOG.inclusion_proof(index, size), LOG.root(size))


@pytest.mark.parametrize("new_size", range(66))
def test_every_small_tree_extends_every_smaller_one(new_size):
    for old_size in range(new_size + 1):
        proof = LOG.consistency_proof(old_size, new_size)
        verify_consistency(old_size, new_size, proof, LOG.root(old_size), LOG.root(new_size))


@given(size=SIZES, data=st.data())
def test_inclusion_proofs_hold_and_are_no_longer_than_the_tree_is_high(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = LOG.inclusion_proof(index, size)
    verify_inclusion(LEAVES[index], index, size, proof, defined_root(0, size))
    assert len(proof) <= (size - 1).bit_length()


@given(new_size=SIZES, data=st.data())
def test_consistency_proofs_hold_and_are_no_longer_than_the_tree_is_high(new_size, data):
    old_size = data.draw(st.integers(0, new_size))
    proof = LOG.consistency_proof(old_size, new_size)
    verify_consistency(old_size, new_size, proof, defined_root(0, old_size), defined_root(0, new_size))
    assert len(proof) <= (new_size - 1).bit_length() + 1


@given(size=SIZES, data=st.data())
def test_a_leaf_is_proven_at_its_own_index_only(size, data):
    index, claimed = data.draw(st.tuples(*[st.integers(0, size - 1)] * 2).filter(lambda pair: pair[0] != pair[1]))
    for proof in (LOG.inclusion_proof(index, size), LOG.inclusion_proof(claimed, size)):
        with pytest.raises(ProofError):
            verify_inclusion(LEAVES[index], claimed, size, proof, LOG.root(size))


@given(new_size=SIZES, data=st.data())
def test_a_log_that_changed_an_old_leaf_does_not_extend_its_past(new_size, data):
    old_size = data.draw(st.integers(1, new_size))
    changed = data.draw(st.integers(0, old_size - 1))
    rewritten = MerkleLog([*LEAVES[:changed], leaf_hash(b"rewritten"), *LEAVES[changed + 1 : new_size]])
    for proof in (rewritten.consistency_proof(old_size), LOG.consistency_proof(old_size, new_size)):
        with pytest.raises(ProofError):
            verify_consistency(old_size, new_size, proof, LOG.root(old_size), rewritten.root())


def mutations(proof, random):
    """Proofs of every kind that differ from `proof`."""
    noise = random.randbytes(32)
    for place in range(len(proof) + 1):
        yield (*proof[:place], noise, *proof[place:])
        yield (*proof[:place], b"", *proof[place:])
    for place, node in enumerate(proof):
        bit = random.randrange(256)
        flipped = (int.from_bytes(node) ^ 1 << bit).to_bytes(32)
        for replacement in ((flipped,), (noise,), (node[:31],), (node + b"\x00",), (node, node), ()):
            yield proof[:place] + replacement + proof[place + 1 :]
    for place in range(len(proof) - 1):
        yield (*proof[:place], proof[place + 1], proof[place], *proof[place + 2 :])


def test_no_mutated_inclusion_proof_is_accepted():
    random = Random(9162)
    tried = 0
    for size in range(1, 40):
        root = LOG.root(size)
        for index in range(size):
            for proof in mutations(LOG.inclusion_proof(index, size), random):
                with pytest.raises(ProofError):
                    verify_inclusion(LEAVES[index], index, size, proof, root)
                tried += 1
    assert tried > 20_000


def test_no_mutated_consistency_proof_is_accepted():
    random = Random(9162)
    tried = 0
    for new_size in range(1, 40):
        for old_size in range(new_size + 1):
            for proof in mutations(LOG.consistency_proof(old_size, new_size), random):
                with pytest.raises(ProofError):
                    verify_consistency(old_size, new_size, proof, LOG.root(old_size), LOG.root(new_size))
                tried += 1
    assert tried > 20_000


@given(size=SIZES, data=st.data(), noise=st.binary(min_size=32, max_size=32))
def test_another_leaf_or_root_is_refused(size, data, noise):
    index = data.draw(st.integers(0, size - 1))
    proof, root = LOG.inclusion_proof(index, size), LOG.root(size)
    with pytest.raises(ProofError):
        verify_inclusion(noise, index, size, proof, root)
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], index, size, proof, noise)


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0), (0, -1)])
def test_an_index_outside_the_tree_is_refused(index, size):
    with pytest.raises(ProofError, match="outside"):
        verify_inclusion(LEAVES[0], index, size, LOG.inclusion_proof(0, 8), LOG.root(8))


@pytest.mark.parametrize(("old_size", "new_size"), [(-1, 8), (9, 8), (3, -8)])
def test_sizes_that_no_log_can_grow_through_are_refused(old_size, new_size):
    with pytest.raises(ProofError, match="cannot extend"):
        verify_consistency(old_size, new_size, LOG.consistency_proof(3, 8), LOG.root(3), LOG.root(8))


def test_a_proof_that_leads_to_the_root_in_too_few_or_too_many_steps_for_the_size_is_refused():
    with pytest.raises(ProofError, match="below the root"):
        verify_inclusion(LEAVES[3], 3, 8, LOG.inclusion_proof(3, 4), LOG.root(4))
    with pytest.raises(ProofError, match="above the root"):
        verify_inclusion(LEAVES[7], 3, 4, LOG.inclusion_proof(7, 8), LOG.root(8))
    with pytest.raises(ProofError, match="below the root"):
        verify_consistency(3, 8, LOG.consistency_proof(3, 4), LOG.root(3), LOG.root(4))
    with pytest.raises(ProofError, match="above the root"):
        verify_consistency(3, 4, LOG.consistency_proof(7, 8), LOG.root(7), LOG.root(8))


@pytest.mark.parametrize("short", [b"", bytes(31), bytes(33)])
def test_what_is_no_hash_is_refused_everywhere(short):
    proof, root = LOG.inclusion_proof(2, 8), LOG.root(8)
    for leaf, claimed_root in ((short, root), (LEAVES[2], short)):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_inclusion(leaf, 2, 8, proof, claimed_root)
    for old_root, new_root in ((short, root), (LOG.root(3), short)):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_consistency(3, 8, LOG.consistency_proof(3, 8), old_root, new_root)
    with pytest.raises(InvalidValue, match="leaf"):
        MerkleLog().append(short)
    with pytest.raises(InvalidValue, match="leaf"):
        root_of_leaves([LEAVES[0], short])


def test_every_log_extends_the_empty_one_and_itself_without_a_proof():
    verify_consistency(0, 0, (), EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(0, 5, (), EMPTY_ROOT, LOG.root(5))
    verify_consistency(5, 5, (), LOG.root(5), LOG.root(5))


@pytest.mark.parametrize(
    ("old_size", "new_size", "old_root", "new_root"),
    [
        (0, 0, EMPTY_ROOT, LEAVES[0]),
        (0, 0, LEAVES[0], LEAVES[0]),
        (0, 5, LEAVES[0], LOG.root(5)),
        (5, 5, LOG.root(4), LOG.root(5)),
        (4, 5, LOG.root(4), LOG.root(5)),
        (3, 5, LOG.root(3), LOG.root(5)),
    ],
)
def test_an_empty_proof_does_not_cover_up_roots_that_do_not_fit(old_size, new_size, old_root, new_root):
    with pytest.raises(ProofError):
        verify_consistency(old_size, new_size, (), old_root, new_root)


def test_an_inner_node_cannot_pass_for_a_leaf():
    left, right = LEAVES[:2]
    assert merkle_root([left + right]) != LOG.root(2)
    with pytest.raises(ProofError):
        verify_inclusion(leaf_hash(left + right), 0, 1, (), LOG.root(2))


def test_append_returns_the_index_and_keeps_earlier_roots():
    log = MerkleLog()
    assert [log.append(leaf) for leaf in LEAVES[:9]] == list(range(9))
    assert len(log) == 9
    assert [log.root(size) for size in range(10)] == [defined_root(0, size) for size in range(10)]


def test_a_frontier_has_the_root_of_the_whole_log_at_every_size():
    frontier = MerkleFrontier()
    for size in range(len(LEAVES)):
        assert (len(frontier), frontier.root()) == (size, defined_root(0, size))
        frontier.append(LEAVES[size])


def test_a_copy_of_a_frontier_goes_on_by_itself():
    frontier = MerkleFrontier()
    for leaf in LEAVES[:3]:
        frontier.append(leaf)
    other = frontier.copy()
    other.append(LEAVES[3])
    frontier.append(LEAVES[4])
    assert (len(other), other.root()) == (4, defined_root(0, 4))
    assert frontier.root() == MerkleLog([*LEAVES[:3], LEAVES[4]]).root()


def test_a_log_says_which_size_or_index_it_does_not_have():
    log = MerkleLog(LEAVES[:5])
    for size in (-1, 6):
        with pytest.raises(InvalidValue, match="size"):
            log.root(size)
    for index in (-1, 5):
        with pytest.raises(InvalidValue, match="index"):
            log.inclusion_proof(index)
    for old_size in (-1, 5):
        with pytest.raises(InvalidValue, match="old_size"):
            log.consistency_proof(old_size, 4)
