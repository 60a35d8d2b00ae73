"""Who votes: from the genesis to the contract, by votes and registrations."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ordering_peer import DEPLOYER, MASTERS, VALIDATOR_KEYS, VALIDATORS, Peer

from gridbourse.chain.cometbft.membership import Membership, Validator
from gridbourse.contracts.consortium import Consortium, RegulatorKeys, ValidatorKeys
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.possession import validator_statement
from gridbourse.market.types import Role, Settings

SETTINGS = Settings(cooling_off_seconds=0, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64)
NEWCOMER = SigningKey(b"\x30" * 32)
NEXT = Ed25519PrivateKey.from_private_bytes(b"\x60" * 32)
ROLES = [Role.SOURCE, Role.GRID, Role.AGGREGATOR, Role.USER]
KEYS = [validator.public_key for validator in VALIDATORS]


@pytest.fixture
def consortium(peer):
    founders = dict(zip([key.address for key in MASTERS], ROLES, strict=True))
    regulator = RegulatorKeys(SigningKey(b"\x05" * 32).address, b"\x06" * 32)
    receipt = Wallet(peer.chain, DEPLOYER).send(Consortium.creation(founders, regulator, SETTINGS))
    return Consortium(peer.chain, receipt.contract_address)


def vote(peer, consortium, action, voters=(0, 1, 2)):
    for voter in voters:
        Wallet(peer.chain, MASTERS[voter]).send(consortium.vote(action))


def registration(consortium, master_id, key, node_id=b"\x61" * 20, *, proven_for=None, chain_id=None):
    """A registration of a key, with the proof of the key itself, or one that was made for something else."""
    chain_id = chain_id or consortium.chain.chain_id
    proof = key.sign(validator_statement(chain_id, consortium.address, proven_for or master_id, node_id))
    return consortium.register_validator(ValidatorKeys(public(key), node_id), proof)


def public(key):
    return key.public_key().public_bytes_raw()


def voting(peer):
    return sorted(peer.chain.membership.voting)


def test_the_founders_vote_before_and_after_the_contract_exists(peer, consortium):
    assert consortium.address == peer.chain.membership.consortium
    assert voting(peer) == KEYS
    assert peer.updates == []


def test_a_vote_that_suspends_a_master_takes_its_power_and_admission_gives_it_back(peer, consortium):
    vote(peer, consortium, consortium.suspend(4))
    assert peer.updates == [(KEYS[3], 0)]
    vote(peer, consortium, consortium.admit(MASTERS[3].address, Role.USER))
    assert peer.updates == [(KEYS[3], 0), (KEYS[3], 1)]
    assert voting(peer) == KEYS


def test_a_new_master_votes_from_the_block_in_which_it_registers_a_key(peer, consortium):
    vote(peer, consortium, consortium.admit(NEWCOMER.address, Role.SOURCE))
    assert peer.updates == []
    keys = ValidatorKeys(public(NEXT), b"\x51" * 20)
    assert not peer.chain.membership.is_member(keys.node_id)
    Wallet(peer.chain, NEWCOMER).send(registration(consortium, 5, NEXT, keys.node_id))
    assert peer.updates == [(keys.public_key, 1)]
    assert consortium.validator(5) == keys
    assert consortium.validator(1) is None, "it votes with the key of the genesis"
    assert peer.chain.membership.is_member(keys.node_id)


def test_another_key_takes_the_place_of_the_first(peer, consortium):
    Wallet(peer.chain, MASTERS[0]).send(registration(consortium, 1, NEXT))
    assert sorted(peer.updates) == sorted([(KEYS[0], 0), (public(NEXT), 1)])


def test_a_key_counts_only_for_the_master_that_it_signed_for(peer, consortium):
    """Whoever sees a proof on its way may send it first: it is worth nothing to another."""
    copied = registration(consortium, 1, NEXT, proven_for=2)
    elsewhere = registration(consortium, 1, NEXT, chain_id=2_022)
    own_of_another = consortium.register_validator(ValidatorKeys(KEYS[1], b"\x61" * 20), bytes(64))
    for call in (copied, elsewhere, own_of_another):
        Wallet(peer.chain, MASTERS[0]).send(call)
    assert peer.updates == []
    assert not peer.chain.membership.is_member(b"\x61" * 20)
    Wallet(peer.chain, MASTERS[1]).send(registration(consortium, 2, NEXT))
    assert sorted(peer.updates) == sorted([(KEYS[1], 0), (public(NEXT), 1)]), "its owner comes second and loses nothing"
    vote(peer, consortium, consortium.suspend(4))
    assert voting(peer) == sorted([KEYS[0], KEYS[2], public(NEXT)])


def test_a_founder_returns_to_its_key_of_the_genesis(peer, consortium):
    for key in (NEXT, VALIDATOR_KEYS[0]):
        Wallet(peer.chain, MASTERS[0]).send(registration(consortium, 1, key))
    assert voting(peer) == KEYS


def test_who_votes_is_the_same_after_reopening(peer, consortium, tmp_path):
    vote(peer, consortium, consortium.suspend(4))
    Wallet(peer.chain, MASTERS[0]).send(registration(consortium, 1, NEXT))
    before = peer.chain.membership
    peer.chain.close()
    again = Peer(tmp_path / "peer.sqlite")
    assert again.chain.membership == before
    again.chain.close()


def test_a_failed_vote_and_a_contract_elsewhere_change_nothing(peer, consortium):
    vote(peer, consortium, consortium.suspend(4), voters=(0, 1))
    other = Wallet(peer.chain, NEWCOMER)
    founders = {NEWCOMER.address: Role.GRID}
    regulator = RegulatorKeys(SigningKey(b"\x05" * 32).address, b"\x06" * 32)
    impostor = Consortium(peer.chain, other.send(Consortium.creation(founders, regulator, SETTINGS)).contract_address)
    other.send(registration(impostor, 1, NEXT))
    assert peer.updates == []
    assert voting(peer) == KEYS


def test_the_set_is_never_empty(peer, consortium):
    only = Membership.at_genesis(2_021, consortium.address, {MASTERS[0].address: Validator(b"\x01" * 32, b"\x01" * 20)})
    vote(peer, consortium, consortium.suspend(1), voters=(1, 2, 3))
    suspended = only.after(peer.chain.logs(address=consortium.address))
    assert suspended.active == {2, 3, 4}
    assert suspended.voting == only.voting
