"""A node joins from the chain in chunks, and takes none that the validators do not vouch for."""

from __future__ import annotations

import pytest
from ordering_peer import Peer, bundle
from probe import ALICE, deployment, signed, store, stores

from gridbourse.chain.cometbft import snapshot as module
from gridbourse.chain.cometbft.wire import Message, Snapshot

ACCEPT, REJECT, REJECT_FORMAT = 1, 3, 4
RETRY, REJECT_SNAPSHOT = 3, 5


@pytest.fixture
def grown(peer, monkeypatch):
    """A chain of 13 blocks whose snapshot, at 10, has several chunks."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 2_000)
    monkeypatch.setattr(module, "INTERVAL", 10)
    [receipt] = peer.chain.submit([deployment()])
    for nonce in range(1, 13):
        peer.order([bundle(*stores(receipt.contract_address, nonce, 1))])
    peer.probe = receipt.contract_address
    return peer


@pytest.fixture
def joining(tmp_path):
    made = Peer(tmp_path / "joining.sqlite")
    yield made
    made.chain.close()


def offered(peer) -> Snapshot:
    [snapshot] = peer.ask(12).contents(1)
    return Snapshot.read(Message(snapshot))


def chunks(peer, snapshot):
    return [
        peer.ask(14, (1, snapshot.height), (2, snapshot.format), (3, index)).content(1)
        for index in range(snapshot.chunks)
    ]


def offer(peer, snapshot, app_hash=None):
    return peer.ask(13, (1, snapshot.encode()), (2, app_hash or snapshot.hash)).number(1)


def apply(peer, index, chunk):
    return peer.ask(15, (1, index), (2, chunk), (3, "sender"))


def test_a_node_that_joins_has_the_same_chain_and_state(grown, joining):
    snapshot = offered(grown)
    assert snapshot.chunks > 2
    assert offer(joining, snapshot) == ACCEPT
    for index, chunk in enumerate(chunks(grown, snapshot)):
        assert apply(joining, index, chunk).number(1) == ACCEPT
    assert joining.info() == (10, grown.chain.block(10).header.hash)
    joining.chain.verify()
    for nonce in range(10, 13):
        joining.order([bundle(*stores(grown.probe, nonce, 1))])
    assert joining.chain.head() == grown.chain.head()
    assert joining.chain.membership == grown.chain.membership
    assert joining.chain.next_nonce(ALICE.address) == 13


def test_only_what_a_light_client_can_prove_is_offered(peer):
    peer.chain.submit([deployment()])
    assert peer.ask(12).contents(1) == []
    peer.order([])
    peer.order([])
    assert offered(peer) == Snapshot(1, 1, 1, peer.chain.head().hash)


def test_a_snapshot_with_another_hash_or_format_is_not_begun(grown, joining):
    snapshot = offered(grown)
    assert offer(joining, snapshot, b"\x00" * 32) == REJECT
    assert offer(joining, Snapshot(snapshot.height, 2, 1, snapshot.hash)) == REJECT_FORMAT


def apply_all(peer, pieces):
    return [apply(peer, index, piece).number(1) for index, piece in enumerate(pieces)]


@pytest.mark.parametrize("bad", [0, 1, -1])
def test_a_bad_chunk_is_found_when_it_arrives_its_sender_is_banned_and_it_is_fetched_from_another(grown, joining, bad):
    snapshot = offered(grown)
    good = chunks(grown, snapshot)
    bad %= len(good)
    assert offer(joining, snapshot) == ACCEPT
    assert apply_all(joining, good[:bad]) == [ACCEPT] * bad
    for position in range(0, len(good[bad]), 101):
        changed = bytearray(good[bad])
        changed[position] ^= 1
        refused = joining.ask(15, (1, bad), (2, bytes(changed)), (3, "liar"))
        assert (refused.number(1), refused.content(2), refused.text(3)) == (RETRY, bytes([bad]), "liar")
    for other in (b"", b"\x00", good[bad - 1]):
        assert apply(joining, bad, other).number(1) == RETRY
    for index in range(bad, len(good)):
        assert apply(joining, index, good[index]).number(1) == ACCEPT
    assert joining.info() == (10, grown.chain.block(10).header.hash)
    joining.chain.verify()
    assert [path.name for path in joining.chain.path.parent.glob("*-snapshot*")] == []


def test_a_chunk_of_a_chain_that_the_validators_never_saw_is_refused_itself(grown, joining, tmp_path):
    """All its blocks stand on each other, and its genesis is the same."""
    snapshot = offered(grown)
    other = Peer(tmp_path / "other.sqlite")
    [receipt] = other.chain.submit([deployment()])
    for nonce in range(1, 13):
        other.order([bundle(signed(ALICE, nonce, receipt.contract_address, store(nonce, 7)))])
    forged = chunks(other, offered(other))
    good = chunks(grown, snapshot)
    assert offer(joining, snapshot) == ACCEPT
    assert apply(joining, 0, forged[0]).number(1) == RETRY
    assert apply(joining, 0, good[0]).number(1) == ACCEPT
    assert apply(joining, 1, forged[1]).number(1) == RETRY
    other.chain.close()


def test_what_a_killed_node_left_of_a_snapshot_is_no_hindrance(grown, joining):
    snapshot = offered(grown)
    good = chunks(grown, snapshot)
    offer(joining, snapshot)
    apply(joining, 0, good[0])
    assert offer(joining, snapshot) == ACCEPT
    assert apply_all(joining, good) == [ACCEPT] * len(good)
    joining.chain.verify()


def test_chunks_that_do_not_exist_are_empty(grown):
    snapshot = offered(grown)
    for height, kind, index in ((snapshot.height, 1, 99), (snapshot.height, 2, 0), (999, 1, 0)):
        assert grown.ask(14, (1, height), (2, kind), (3, index)).content(1) == b""


def test_a_shorter_or_reordered_snapshot_is_refused(grown, joining):
    snapshot = offered(grown)
    good = chunks(grown, snapshot)
    offer(joining, Snapshot(snapshot.height, 1, 1, snapshot.hash))
    assert apply(joining, 0, good[0]).number(1) == REJECT_SNAPSHOT
    offer(joining, snapshot)
    assert apply(joining, 1, good[1]).number(1) == REJECT_SNAPSHOT
    assert apply(joining, 0, good[0]).number(1) != ACCEPT
