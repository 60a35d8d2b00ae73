"""A node joins from the chain in chunks, and takes none that the validators do not vouch for."""

from __future__ import annotations

import pytest
from ordering_peer import Peer, bundle
from probe import ALICE, deployment, stores

from gridbourse.chain.cometbft import snapshot as module
from gridbourse.chain.cometbft.wire import Message, Snapshot

ACCEPT, REJECT, REJECT_FORMAT, REJECT_SNAPSHOT = 1, 3, 4, 5


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


def test_changed_chunks_are_found_and_their_sender_is_named(grown, joining):
    snapshot = offered(grown)
    good = chunks(grown, snapshot)
    for position in range(0, len(good[1]), 101):
        changed = bytearray(good[1])
        changed[position] ^= 1
        offer(joining, snapshot)
        answers = [apply(joining, index, c) for index, c in enumerate([good[0], bytes(changed), *good[2:]])]
        assert answers[-1].number(1) != ACCEPT
        refused = next(answer for answer in answers if answer.number(1) != ACCEPT)
        assert refused.number(1) == REJECT_SNAPSHOT
        assert refused.text(3) == "sender"
        assert joining.info() == (0, b"")


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
