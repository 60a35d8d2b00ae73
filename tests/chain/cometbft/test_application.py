"""What the application answers CometBFT, step by step; no CometBFT is needed for it."""

from __future__ import annotations

import time
from dataclasses import replace
from queue import Queue
from types import SimpleNamespace

import pytest
from ordering_peer import ACCEPTED, GENESIS, REJECTED, Peer, bundle
from probe import ALICE, BOB, NOON, SEALER, deployment, signed, store, stores

from gridbourse.chain.block import Header
from gridbourse.chain.cometbft import chain as chain_module
from gridbourse.chain.cometbft.chain import GAP_SECONDS
from gridbourse.chain.cometbft.ordering import Ordering
from gridbourse.chain.cometbft.wire import Misbehaviour, encode
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.errors import ChainError, InvalidValue, TransactionRejected

DOUBLE_SIGNING = Misbehaviour(1, b"\x07" * 20, 3, NOON)


@pytest.fixture
def probe(peer):
    [receipt] = peer.chain.submit([deployment()])
    return receipt.contract_address


@pytest.fixture
def pass_time(monkeypatch):
    """Lets so many seconds pass for the chain; otherwise its time stands still."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, sleep=time.sleep)
    monkeypatch.setattr(chain_module, "time", clock)

    def pass_time(seconds):
        clock.now += seconds

    return pass_time


class TestBlocks:
    def test_the_embedded_engine_computes_the_same_from_the_same_blocks(self, peer, tmp_path, probe):
        peer.order([bundle(*stores(probe, 1, 5)), bundle(signed(BOB, 0, probe, b"nonsense"))])
        peer.order([])
        peer.order([bundle(signed(BOB, 1, probe, store(1, 2), gas_limit=30_000))])
        ours = [peer.chain.block(height) for height in range(1, peer.chain.head().height + 1)]
        times = iter([block.header.timestamp for block in ours])
        genesis = replace(GENESIS, sealer=SEALER.address)
        with EmbeddedChain(tmp_path / "embedded.sqlite", genesis, SEALER, clock=lambda: next(times)) as embedded:
            for block in ours:
                embedded.submit(block.transactions)
                theirs = embedded.block(block.header.height)
                assert (theirs.transactions, theirs.receipts) == (block.transactions, block.receipts)
                assert _commitments(theirs.header) == _commitments(block.header)

    def test_a_node_that_only_hears_of_decisions_computes_the_same(self, peer, tmp_path, probe):
        follower = Peer(tmp_path / "follower.sqlite")
        waiting = [bundle(*stores(probe, 1, 3)), bundle(signed(BOB, 0, probe, store(9, 9)))]
        proposed = peer.prepare(waiting)
        assert peer.process(proposed) == ACCEPTED
        follower.order([bundle(deployment())])
        assert follower.finalize(proposed).content(5) == peer.finalize(proposed).content(5)
        for one in (peer, follower):
            one.commit()
        assert peer.info() == follower.info()
        assert peer.chain.head() == follower.chain.head()
        follower.chain.close()

    def test_a_block_without_content_leaves_no_block_here(self, peer, probe):
        height, app_hash = peer.info()
        assert peer.order([]) == app_hash
        assert peer.info() == (height + 1, app_hash)
        assert peer.chain.head().height == 1

    def test_a_block_has_the_time_of_its_order_and_never_an_earlier_one(self, peer, probe):
        peer.order([bundle(*stores(probe, 1, 1))])
        assert peer.chain.head().timestamp == NOON + 2
        assert Ordering.of(peer.chain.head()) == Ordering(2)

    def test_misbehaviour_is_kept_in_the_block(self, peer, probe):
        peer.order([], [DOUBLE_SIGNING])
        assert list(peer.chain.misbehaviours()) == [(2, DOUBLE_SIGNING)]
        peer.chain.verify()


class TestCrashes:
    """Application and CometBFT die independently; CometBFT asks on from what `info` says."""

    def test_between_decision_and_commit_nothing_has_happened(self, peer, tmp_path, probe):
        block = [bundle(*stores(probe, 1, 2))]
        before, decided = peer.info(), peer.finalize(block).content(5)
        peer.chain.close()
        again = Peer(tmp_path / "peer.sqlite")
        assert again.info() == before
        assert again.order(block) == decided
        again.chain.close()

    def test_a_committed_block_is_there_and_does_not_run_again(self, peer, tmp_path, probe):
        block = [bundle(*stores(probe, 1, 2))]
        peer.order(block)
        state = peer.info()
        peer.chain.close()
        again = Peer(tmp_path / "peer.sqlite")
        assert again.info() == state
        with pytest.raises(ChainError, match="was committed before"):
            again.ask(20, (1, block[0]), (5, state[0]))
        assert again.info() == state
        again.chain.close()

    def test_a_decision_that_comes_again_replaces_the_first(self, peer, probe):
        block = [bundle(*stores(probe, 1, 2))]
        assert peer.finalize(block).content(5) == peer.order(block)
        assert peer.chain.head().height == 2
        with pytest.raises(ChainError, match="nothing is decided"):
            peer.commit()

    def test_blocks_without_content_are_remembered_too(self, peer, tmp_path, probe):
        for _ in range(3):
            peer.order([])
        state = peer.info()
        peer.chain.close()
        again = Peer(tmp_path / "peer.sqlite")
        assert again.info() == state
        again.chain.close()


class TestProposals:
    def test_nonces_are_put_in_sequence_whatever_order_they_came_in(self, peer, probe):
        first, second, third = (bundle(raw) for raw in stores(probe, 1, 3))
        assert peer.prepare([third, second, first]) == [first, second, third]

    def test_what_cannot_run_is_left_out_and_the_rest_of_its_bundle_is_not(self, peer, probe):
        good, gap = stores(probe, 1, 1)[0], signed(ALICE, 7, probe)
        assert peer.prepare([bundle(good, gap), b"no bundle"]) == [bundle(good)]

    def test_no_more_is_proposed_than_fits(self, peer, probe):
        first, second = (bundle(raw) for raw in stores(probe, 1, 2))
        assert peer.prepare([first, second], max_bytes=len(first) + 40) == [first]
        greedy = [bundle(signed(BOB, nonce, probe, store(1, 1), gas_limit=60_000_000)) for nonce in range(2)]
        assert peer.prepare(greedy) == greedy, "the first one leaves enough gas"

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda probe: [b"no bundle"],
            lambda probe: [b"\xc0"],
            lambda probe: [bundle(b"\x02nonsense")],
            lambda probe: [bundle(*stores(probe, 2, 1))],
            lambda probe: [bundle(*stores(probe, 1, 1), signed(ALICE, 1, probe, store(7, 7)))],
            lambda probe: [bundle(signed(BOB, 0, probe, value=1))],
            lambda probe: [bundle(signed(BOB, 0, probe, chain_id=7))],
        ],
        ids=["no bundle", "empty", "malformed", "gap", "same nonce", "value", "other chain"],
    )
    def test_a_proposal_with_anything_wrong_is_rejected_and_if_decided_still_has_an_outcome(self, peer, probe, wrong):
        block = [*wrong(probe), bundle(signed(SEALER, 0, probe, store(1, 1)))]
        assert peer.process(block) == REJECTED
        results = peer.finalize(block).contents(2)
        assert results == [encode((1, 1)), b""]
        peer.commit()
        assert peer.chain.next_nonce(SEALER.address) == 1, "the rest of the block took place"
        peer.chain.verify()

    def test_a_proposal_that_takes_too_long_is_rejected_and_if_decided_runs_to_its_end(self, peer, probe, monkeypatch):
        monkeypatch.setattr("gridbourse.chain.cometbft.chain.PROCESS_SECONDS", 0.0)
        block = [bundle(*stores(probe, 1, 4))]
        assert peer.process(block) == REJECTED
        assert peer.finalize(block).contents(2) == [b""]

    def test_a_proposal_of_another_is_accepted_if_all_of_it_runs(self, peer, probe):
        assert peer.process([bundle(*stores(probe, 1, 4)), bundle(signed(BOB, 0, probe))]) == ACCEPTED
        assert peer.process([]) == ACCEPTED


class TestMempool:
    def test_a_sender_may_be_ahead_of_its_nonce_but_not_behind(self, peer, probe):
        assert not peer.check(bundle(*stores(probe, 5, 1)))
        assert "nonce 0" in peer.check(bundle(deployment()))
        assert "nonce 100000" in peer.check(bundle(*stores(probe, 100_000, 1)))

    def test_what_could_never_run_does_not_wait(self, peer, probe):
        assert "malformed" in peer.check(b"no bundle")
        assert "value 1" in peer.check(bundle(signed(BOB, 0, probe, value=1)))

    def test_a_bundle_waits_until_nothing_of_it_has_a_future(self, peer, probe):
        both = bundle(*stores(probe, 1, 2))
        peer.order([bundle(*stores(probe, 1, 1))])
        assert not peer.check(both, again=True)
        peer.order([bundle(*stores(probe, 2, 1))])
        assert "nonces have been used" in peer.check(both, again=True)

    def test_what_waits_for_a_nonce_that_never_comes_leaves(self, peer, probe, pass_time):
        ahead = bundle(*stores(probe, 3, 2))
        assert not peer.check(ahead)
        for _ in range(2):
            assert not peer.check(ahead, again=True)
        pass_time(GAP_SECONDS + 1)
        assert "nonce 1 did not come" in peer.check(ahead, again=True)

    def test_what_waits_behind_a_transaction_that_is_there_stays(self, peer, probe, pass_time):
        first, second = (bundle(raw) for raw in stores(probe, 1, 2))
        for _ in range(3):
            assert not peer.check(second, again=True)
            assert not peer.check(first, again=True)
            pass_time(GAP_SECONDS + 1)

    def test_who_sent_what_never_comes_through_is_told(self, peer, probe, pass_time):
        peer.chain._broadcast = lambda _: None
        _, second = peer.chain.send(stores(probe, 1, 2))
        peer.check(bundle(stores(probe, 2, 1)[0]), again=True)
        pass_time(GAP_SECONDS + 1)
        peer.check(bundle(stores(probe, 2, 1)[0]), again=True)
        with pytest.raises(ChainError, match="unknown to this chain"):
            peer.chain.wait([second])


class TestSending:
    def test_a_caller_gets_receipts_of_what_was_ordered(self, peer, probe):
        receipts = peer.chain.submit(stores(probe, 1, 3))
        assert [receipt.position for receipt in receipts] == [0, 1, 2]
        assert peer.chain.next_nonce(ALICE.address) == 4

    def test_what_cometbft_does_not_take_now_is_handed_in_until_it_does(self, peer, probe):
        refusals = [ChainError("mempool is full"), ChainError("mempool is full")]

        def refuse(bundle: bytes) -> None:
            if refusals:
                raise refusals.pop()
            take(bundle)

        take, peer.chain._broadcast = peer.chain._broadcast, refuse
        assert len(peer.chain.submit(stores(probe, 1, 2))) == 2

    def test_of_a_bundle_that_is_refused_the_rest_is_handed_in_alone(self, peer, probe):
        wrong, right = signed(ALICE, 1, probe, store(1, 1)), signed(BOB, 0, probe, store(1, 1))

        def refuse(bundle: bytes) -> None:
            if wrong in bundle:
                raise TransactionRejected("its nonce has been used")
            take(bundle)

        take, peer.chain._broadcast = peer.chain._broadcast, refuse
        refused, taken = peer.chain.send([wrong, right])
        assert peer.chain.wait([taken])[0].succeeded
        with pytest.raises(ChainError, match="unknown to this chain"):
            peer.chain.wait([refused])
        assert peer.chain.next_nonce(ALICE.address) == 1

    def test_more_than_the_limit_does_not_wait_here(self, peer, probe, monkeypatch):
        monkeypatch.setattr(chain_module, "MAX_WAITING", 2)
        with pytest.raises(ChainError, match="wait, then send again"):
            peer.chain.send(stores(probe, 1, 3))
        peer.chain.submit(stores(probe, 1, 2))
        with pytest.raises(TransactionRejected, match="split it"):
            peer.chain.send([signed(ALICE, 3, probe, bytes(1_000_000))])

    def test_what_another_transaction_displaced_is_not_waited_for(self, peer, probe):
        peer.chain._broadcast = lambda _: None
        mine = stores(probe, 1, 1)[0]
        [tx_hash] = peer.chain.send([mine])
        peer.order([bundle(signed(ALICE, 1, probe, store(8, 8)))])
        peer.check(bundle(mine), again=True)
        with pytest.raises(ChainError, match="unknown to this chain"):
            peer.chain.wait([tx_hash])

    def test_what_waits_is_handed_in_again_when_the_mempool_was_lost(self, peer, probe):
        lost, take = Queue(), peer.chain._broadcast
        peer.chain._broadcast = lost.put
        sent = peer.chain.send(stores(probe, 1, 1))
        assert lost.get(timeout=10) == bundle(*stores(probe, 1, 1))
        peer.chain._broadcast = take
        peer.chain.broadcast_again()
        assert peer.chain.wait(sent)[0].succeeded

    def test_a_transaction_that_is_none_is_refused_before_it_is_broadcast(self, peer):
        with pytest.raises(TransactionRejected):
            peer.chain.send([b"nonsense"])


class TestProtocol:
    def test_a_request_of_another_protocol_is_refused(self, peer):
        with pytest.raises(InvalidValue, match="request 18"):
            peer.ask(18)
        with pytest.raises(InvalidValue, match="malformed"):
            peer.application.answer(b"\xff\xff")

    def test_only_members_nodes_connect(self, peer):
        assert peer.ask(6, (2, "/p2p/filter/id/" + (b"\x01" * 20).hex())).number(1) == 0
        for stranger in ((b"\x09" * 20).hex(), "nonsense"):
            assert peer.ask(6, (2, "/p2p/filter/id/" + stranger)).number(1) == 1

    def test_a_new_chain_begins_with_the_hash_of_its_genesis(self, peer):
        assert peer.info() == (0, b"")
        assert peer.ask(5).content(3) == GENESIS.header.hash
        assert peer.order([]) == GENESIS.header.hash


def _commitments(header: Header) -> tuple[object, ...]:
    """What a header says of its block. Who sealed the parent, and so its hash, differs, which the state holds."""
    return (
        header.height,
        header.timestamp,
        header.transactions_root,
        header.receipts_root,
        header.gas_used,
    )
