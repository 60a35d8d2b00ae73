"""A wallet's nonces follow each other, whatever happens between signing and submitting."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.abi import Call
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainError, ContractReverted, TransactionRejected

KEY = SigningKey(b"\x01" * 32)


class Broken(Exception):
    pass


class BrokenChain:
    """Takes one submission, or not, and fails to say so."""

    def __init__(self, chain, *, taken):
        self._chain = chain
        self._taken = taken
        self.broken = True

    def submit(self, raw_transactions):
        if not self.broken:
            return self._chain.submit(raw_transactions)
        if self._taken:
            self._chain.submit(raw_transactions)
        raise Broken

    def __getattr__(self, name):
        return getattr(self._chain, name)


def test_nonces_follow_each_other_without_a_submission_between(scene):
    calls = [scene.ledger.append(1, bytes([number])) for number in range(3)]
    first = scene.chain.next_nonce(KEY.address)
    signed = [SignedTransaction.decode(raw) for raw in scene.source.sign(calls[:2]) + scene.source.sign(calls[2:])]
    assert [each.transaction.nonce for each in signed] == [first, first + 1, first + 2]
    assert {each.sender for each in signed} == {KEY.address}


def test_another_wallet_of_the_same_key_goes_on_where_the_chain_is(scene):
    Wallet(scene.chain, KEY).send(scene.ledger.append(1, b"a"))
    Wallet(scene.chain, KEY).send(scene.ledger.append(1, b"b"))
    assert scene.ledger.leaf_count() == 2


@pytest.mark.parametrize("taken", [False, True])
def test_after_a_submission_of_unknown_fate_the_chain_is_asked(scene, taken):
    chain = BrokenChain(scene.chain, taken=taken)
    wallet = Wallet(chain, KEY)
    with pytest.raises(Broken):
        wallet.send(scene.ledger.append(1, b"a"))
    chain.broken = False
    wallet.send(scene.ledger.append(1, b"b"))
    assert [record.content for record in scene.ledger.records()] == ([b"a", b"b"] if taken else [b"b"])


def test_what_was_signed_and_never_submitted_is_void_once_it_is_forgotten(scene):
    scene.source.sign([scene.ledger.append(1, b"lost")])
    scene.source.forget_nonces()
    scene.source.send(scene.ledger.append(1, b"kept"))
    assert [record.content for record in scene.ledger.records()] == [b"kept"]


def test_a_refused_call_uses_its_nonce_and_the_others_of_its_batch_take_place(scene):
    with pytest.raises(ContractReverted, match="OnlyByVote"):
        scene.source.send_many(
            [scene.ledger.append(1, b"a"), scene.consortium.suspend(1), scene.ledger.append(1, b"b")]
        )
    scene.source.send(scene.ledger.append(1, b"c"))
    assert [record.content for record in scene.ledger.records()] == [b"a", b"b", b"c"]


def test_a_call_without_gas_says_so_and_the_wallet_goes_on(scene):
    poor = Wallet(scene.chain, KEY, gas_limit=30_000)
    with pytest.raises(ContractReverted, match="OutOfGas"):
        poor.send(scene.ledger.append(1, b"a"))
    with pytest.raises(TransactionRejected):
        Wallet(scene.chain, KEY, gas_limit=1).send(scene.ledger.append(1, b"a"))
    scene.source.forget_nonces()
    scene.source.send(scene.ledger.append(1, b"b"))
    assert scene.ledger.leaf_count() == 1


def test_threads_share_a_wallet(scene):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: scene.source.send(scene.ledger.append(1, bytes([number]))), range(100)))
    assert sorted(record.content[0] for record in scene.ledger.records()) == list(range(100))


def test_what_may_still_arrive_can_only_be_replaced_and_never_joined_by_what_is_sent_next(tmp_path):
    """A chain that others order takes its time: whoever gives up waiting must not act a second time."""
    with EmbeddedChain(tmp_path / "slow.chain", Genesis(1, KEY.address), KEY, interval_seconds=60) as chain:
        chain.submit = lambda raw: chain.wait(chain.send(raw), timeout_seconds=0.0)
        for _ in range(2):
            with pytest.raises(ChainError):
                Wallet(chain, KEY).send(Call(KEY.address, b"", "Consortium"))
    with EmbeddedChain(tmp_path / "slow.chain", Genesis(1, KEY.address), KEY) as chain:
        assert chain.account(KEY.address).nonce == 1, "closing seals what waits"
