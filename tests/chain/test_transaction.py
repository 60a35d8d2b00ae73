from __future__ import annotations

from contextlib import suppress

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from probe import ALICE

from gridbourse.chain import rlp
from gridbourse.chain.transaction import HALF_CURVE_ORDER, SignedTransaction, Transaction
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import TransactionRejected

CURVE_ORDER = 2 * HALF_CURVE_ORDER + 1
KEYS = st.integers(min_value=1, max_value=2**252).map(lambda number: SigningKey(number.to_bytes(32, "big")))
TRANSACTIONS = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**64 - 1),
    nonce=st.integers(0, 2**64 - 2),
    gas_limit=st.integers(0, 2**64 - 1),
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=200),
    value=st.integers(0, 2**256 - 1),
    max_fee_per_gas=st.integers(0, 2**256 - 1),
    max_priority_fee_per_gas=st.integers(0, 2**256 - 1),
)
SIGNED = Transaction(7, 1, 21_000, ALICE.address, b"hello").sign(ALICE)


def with_fields(**changes: object) -> bytes:
    fields = rlp.decode(SIGNED.raw[1:])
    for index, value in changes.items():
        fields[int(index.removeprefix("field_"))] = value
    return b"\x02" + rlp.encode(fields)


@given(TRANSACTIONS, KEYS)
@settings(max_examples=50, deadline=None)
def test_signing_gives_the_bytes_and_the_hash_that_eth_account_gives(transaction, key):
    reference = Account.sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "gas": transaction.gas_limit,
            "to": transaction.to or b"",
            "data": transaction.data,
            "value": transaction.value,
            "maxFeePerGas": transaction.max_fee_per_gas,
            "maxPriorityFeePerGas": transaction.max_priority_fee_per_gas,
        },
        key.secret,
    )
    signed = transaction.sign(key)
    assert signed.raw == bytes(reference.raw_transaction)
    assert signed.hash == bytes(reference.hash)


@given(TRANSACTIONS, KEYS)
def test_decoding_gives_back_what_was_signed_and_by_whom(transaction, key):
    signed = transaction.sign(key)
    assert SignedTransaction.decode(signed.raw) == signed


@given(st.integers(0, len(SIGNED.raw) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes_as_the_same_sender(index, difference):
    changed = bytearray(SIGNED.raw)
    changed[index] ^= difference
    with suppress(TransactionRejected):
        assert SignedTransaction.decode(bytes(changed)).sender != ALICE.address


@pytest.mark.parametrize("raw", [b"", b"\x01" + SIGNED.raw[1:], SIGNED.raw[1:], SIGNED.raw + b"\x00", b"\x02\xc0"])
def test_other_types_and_other_shapes_are_rejected(raw):
    with pytest.raises(TransactionRejected):
        SignedTransaction.decode(raw)


def test_the_second_signature_that_the_curve_allows_is_rejected():
    fields = rlp.decode(SIGNED.raw[1:])
    parity, s = rlp.to_int(fields[9]), int.from_bytes(fields[11], "big")
    with pytest.raises(TransactionRejected, match="EIP-2"):
        SignedTransaction.decode(with_fields(field_9=1 - parity, field_11=CURVE_ORDER - s))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"field_8": [[ALICE.address]]}, "access_list"),
        ({"field_7": [b"list"]}, "data"),
        ({"field_9": 2}, "y_parity"),
        ({"field_10": 0}, "signature"),
        ({"field_1": 2**64 - 1}, "nonce"),
        ({"field_5": b"\x01" * 19}, "to: of another length"),
        ({"field_4": b"\x00\x01"}, "gas_limit: .*leading zeros"),
    ],
)
def test_a_malformed_field_is_named(changes, field):
    with pytest.raises(TransactionRejected, match=field):
        SignedTransaction.decode(with_fields(**changes))
