from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe import ALICE, GENESIS, SEALER

from gridbourse.chain import rlp
from gridbourse.chain.block import NO_HASH, AccountChange, Genesis, Header, Log, Receipt
from gridbourse.crypto.keys import keccak256
from gridbourse.errors import InvalidValue

HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20)
NUMBERS = st.integers(0, 2**64 - 1)
HEADERS = st.builds(
    Header, NUMBERS, NUMBERS, NUMBERS, HASHES, HASHES, HASHES, HASHES, NUMBERS, NUMBERS, ADDRESSES, st.binary()
)
CHANGES = st.builds(
    AccountChange, ADDRESSES, NUMBERS, st.none() | st.binary(), st.integers(0, 3).map(lambda count: bytes(64 * count))
)


@st.composite
def receipts(draw) -> Receipt:
    tx_hash, height = draw(HASHES), draw(NUMBERS)
    logs = [
        Log(draw(ADDRESSES), tuple(draw(st.lists(HASHES, max_size=4))), draw(st.binary()), height, tx_hash, index)
        for index in range(draw(st.integers(0, 3)))
    ]
    return Receipt(
        transaction_hash=tx_hash,
        height=height,
        position=draw(st.integers(0, 100)),
        succeeded=draw(st.booleans()),
        gas_used=draw(NUMBERS),
        contract_address=draw(st.none() | ADDRESSES),
        revert_data=draw(st.binary()),
        halt=draw(st.sampled_from(["", "OutOfGas", "InvalidFEOpcode"])),
        logs=tuple(logs),
    )


@given(HEADERS)
def test_a_header_survives_its_encoding(header):
    assert Header.decode(header.encode()) == header


@given(receipts())
def test_a_receipt_survives_its_encoding(receipt):
    place = (receipt.transaction_hash, receipt.height, receipt.position)
    assert Receipt.decode(receipt.encode(), *place) == receipt


@given(CHANGES)
def test_a_change_survives_its_encoding(change):
    assert AccountChange.decode(change.encode()) == change


@given(st.binary())
def test_other_bytes_are_no_header_receipt_or_change(data):
    for decode in (Header.decode, AccountChange.decode, lambda data: Receipt.decode(data, NO_HASH, 1, 0)):
        with pytest.raises(InvalidValue):
            decode(data)


def test_the_hash_covers_every_field_and_the_seal():
    header = GENESIS.header.sealed_by(SEALER)
    assert header.hash == keccak256(header.encode())
    assert header.seal_digest == keccak256(rlp.encode(rlp.decode(header.encode())[:-1]))


def test_only_the_sealers_signature_is_a_seal():
    header = replace(GENESIS.header, height=1)
    assert header.sealed_by(SEALER).is_sealed()
    assert not header.is_sealed()
    assert not header.sealed_by(ALICE).is_sealed()
    assert not replace(header.sealed_by(SEALER), gas_used=1).is_sealed()


@pytest.mark.parametrize("field", [{"chain_id": 0}, {"chain_id": 2**64}, {"gas_limit": 20_999}, {"gas_limit": 2**63}])
def test_a_genesis_outside_its_bounds_is_refused(field):
    values = {"chain_id": 1, "sealer": SEALER.address} | field
    with pytest.raises(InvalidValue, match=next(iter(field))):
        Genesis(**values)


def test_each_value_of_the_genesis_makes_another_chain():
    variants = [
        GENESIS,
        replace(GENESIS, chain_id=1),
        replace(GENESIS, sealer=ALICE.address),
        replace(GENESIS, gas_limit=30_000_000),
        replace(GENESIS, timestamp=1),
    ]
    assert len({variant.header.hash for variant in variants}) == len(variants)
