"""Signing keys agree with Ethereum's."""

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.keys import SigningKey, keccak256, recover
from gridbourse.errors import InvalidValue

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
SECRETS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))
DIGESTS = st.binary(min_size=32, max_size=32)


def test_keccak256_is_the_one_ethereum_uses():
    # The hash of nothing, from the Ethereum Yellow Paper (the code hash of an account without code).
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(secret=SECRETS)
def test_addresses_agree_with_eth_account(secret):
    assert "0x" + SigningKey(secret).address.hex() == Account.from_key(secret).address.lower()


@given(secret=SECRETS, digest=DIGESTS)
def test_a_signature_leads_back_to_its_signer_and_has_low_s(secret, digest):
    key = SigningKey(secret)
    signature = key.sign(digest)
    assert len(signature) == 65
    assert signature[64] in {0, 1}
    assert int.from_bytes(signature[32:64]) <= ORDER // 2
    assert recover(digest, signature) == key.address


@given(secret=SECRETS, digest=DIGESTS, other=DIGESTS)
def test_a_signature_does_not_lead_to_its_signer_over_another_digest(secret, digest, other):
    key = SigningKey(secret)
    if digest != other:
        assert recover(other, key.sign(digest)) != key.address


@pytest.mark.parametrize("signature", [b"", bytes(65), b"\xff" * 65, bytes(64)])
def test_a_signature_of_no_key_is_refused(signature):
    with pytest.raises(InvalidValue, match="signature"):
        recover(bytes(32), signature)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(32), ORDER.to_bytes(32), bytes(33)])
def test_a_secret_that_is_no_key_is_refused(secret):
    with pytest.raises(InvalidValue, match="secret"):
        SigningKey(secret)


def test_a_generated_key_comes_back_from_its_secret_and_hides_it():
    key = SigningKey.generate()
    assert SigningKey(key.secret).address == key.address
    assert key.secret.hex() not in repr(key)
