"""A hundred thousand mutated proofs and as many mutated records: none is accepted, and every genuine one is.

What the verifier takes from an anchor, the number of leaves and their root, nobody else can mutate. Everything that
somebody hands over is mutated here: leaf, position and proof; author, kind, content and ledger of a record.
"""

import shutil
from dataclasses import replace
from random import Random

import pytest
from small_region import PERIOD, Clock, ask, bid, trade, write

from gridbourse.crypto.merkle import MerkleLog, leaf_hash, verify_consistency, verify_inclusion
from gridbourse.errors import EnvelopeError, ProofError
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.sealing import open_record
from gridbourse.node.region import Region

COUNTS = pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
SIZES = (1, 2, 3, 7, 8, 64, 65, 300, 511, 700)
LEAVES = [leaf_hash(b"record %d" % number) for number in range(max(SIZES))]
LOG = MerkleLog(LEAVES)
ROOTS = [LOG.root(size) for size in range(len(LEAVES) + 1)]


def mutated_bytes(data, donors, random):
    """A piece of the bytes left out, repeated, flipped, made noise, or taken from elsewhere."""
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    flipped = bytearray(data[start:end])
    if flipped:
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    pieces = [b"", data[start:end] * 2, bytes(flipped), random.randbytes(end - start), random.choice(donors)[start:end]]
    return data[:start] + random.choice(pieces) + data[end:]


def mutated_proof(proof, random):
    """A node added, left out, moved, or changed."""
    nodes = list(proof)
    place = random.randrange(len(nodes) + 1)
    match random.randrange(5):
        case 0:
            nodes.insert(place, random.choice([random.randbytes(32), *nodes]))
        case 1:
            del nodes[place:]
        case 2:
            random.shuffle(nodes)
        case 3:
            nodes[place:] = random.choices(LEAVES, k=len(nodes) - place)
        case _:
            nodes[place : place + 1] = [mutated_bytes(node, LEAVES, random) for node in nodes[place : place + 1]]
    return tuple(nodes)


def mutated_inclusion(random):
    """A genuine claim, a mutated one, and the tree it is about."""
    size = random.choice(SIZES)
    index = random.randrange(size)
    leaf, proof = LEAVES[index], LOG.inclusion_proof(index, size)
    match random.randrange(3):
        case 0:
            mutated = leaf, index, mutated_proof(proof, random)
        case 1:
            mutated = leaf, random.randrange(-1, size + 2), proof
        case _:
            mutated = random.choice([*LEAVES, *ROOTS, mutated_bytes(leaf, LEAVES, random)]), index, proof
    return (leaf, index, proof), mutated, size


def mutated_consistency(random):
    new_size = random.choice(SIZES)
    old_size = random.randrange(1, new_size + 1)
    proof = LOG.consistency_proof(old_size, new_size)
    return proof, mutated_proof(proof, random), old_size, new_size


def test_every_genuine_proof_is_accepted():
    for size in SIZES:
        for part in range(size):
            verify_inclusion(LEAVES[part], part, size, LOG.inclusion_proof(part, size), ROOTS[size])
            verify_consistency(part, size, LOG.consistency_proof(part, size), ROOTS[part], ROOTS[size])


@COUNTS
def test_no_mutated_proof_is_accepted(count):
    random, refused = Random(count), 0
    while refused < count:
        (leaf, index, proof), mutated, size = mutated_inclusion(random)
        if mutated != (leaf, index, proof):
            with pytest.raises(ProofError):
                verify_inclusion(mutated[0], mutated[1], size, mutated[2], ROOTS[size])
            refused += 1
        genuine, mutated, old_size, new_size = mutated_consistency(random)
        if mutated != genuine:
            with pytest.raises(ProofError):
                verify_consistency(old_size, new_size, mutated, ROOTS[old_size], ROOTS[new_size])
            refused += 1


# --- records of every kind, and the proof that the contract checks ---


@pytest.fixture(scope="module")
def settled(prepared, tmp_path_factory):
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("settled") / "region")
    with Region.open(folder, clock=Clock()) as region:
        for period in range(PERIOD, PERIOD + 5):
            write(region, "Anna", ask(period=period), ask(energy_wh=7, period=period))
            write(region, "Bert", bid(period=period))
            trade(region)
        yield region


@pytest.fixture(scope="module")
def records(settled):
    """Every record of both slave chains, with the ledger that it stands in."""
    return [(master.slave.ledger, record) for master in settled.masters.values() for record in master.slave.records()]


@pytest.fixture(scope="module")
def key(settled):
    """The regulator's, to which every record is sealed."""
    return settled.regulator._readings[1]._keys[0]


def mutated_record(records, random):
    """A record of which one thing is another's or nobody's, or a genuine one in the wrong ledger."""
    (ledger, record), (other_ledger, other) = random.choice(records), random.choice(records)
    content = mutated_bytes(record.content, [other.content], random)
    return random.choice(
        [
            (ledger, replace(record, content=content)),
            (ledger, replace(record, content=content)),
            (ledger, replace(record, content=other.content)),
            (ledger, replace(record, author=other.author)),
            (ledger, replace(record, kind=random.randrange(256))),
            (other_ledger, record),
        ]
    )


def test_every_genuine_record_opens(records, key):
    assert {open_record(ledger, record, key).KIND for ledger, record in records} >= {
        RecordKind.ORDER,
        RecordKind.DECISION,
        RecordKind.DEAL,
        RecordKind.DAY,
        RecordKind.NODE,
    }


@COUNTS
def test_no_mutated_record_opens(records, key, count):
    random, refused = Random(count), 0
    placed = {(id(ledger), record.author, record.kind, record.content) for ledger, record in records}
    while refused < count:
        ledger, record = mutated_record(records, random)
        if (id(ledger), record.author, record.kind, record.content) not in placed:
            with pytest.raises(EnvelopeError):
                open_record(ledger, record, key)
            refused += 1


def test_the_contract_accepts_every_genuine_proof_and_no_mutated_one(settled):
    random, refused = Random(1), 0
    anchors, roofs = settled.main.anchors, settled.masters["roofs"]
    leaves = [record.leaf for record in roofs.slave.records()]
    log, master_id = MerkleLog(leaves), roofs.membership.master_id
    for number, anchor in enumerate(anchors.anchors(master_id)):
        for index in range(anchor.leaf_count):
            proof = log.inclusion_proof(index, anchor.leaf_count)
            assert anchors.includes(master_id, number, index, leaves[index], proof)
            for _ in range(10):
                mutated = tuple(node for node in mutated_proof(proof, random) if len(node) == 32)
                if mutated != proof:
                    assert not anchors.includes(master_id, number, index, leaves[index], mutated)
                    refused += 1
            for other in {random.randrange(anchor.leaf_count + 2), index + 1} - {index}:
                assert not anchors.includes(master_id, number, other, leaves[index], proof)
    assert refused > 500
