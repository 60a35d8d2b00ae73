from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe import ALICE, BOB, GENESIS, SEALER, deploy, signed

from gridbourse.chain import rlp
from gridbourse.chain.block import Genesis, Header
from gridbourse.chain.transaction import HALF_CURVE_ORDER
from gridbourse.crypto.keys import keccak256
from gridbourse.errors import InvalidValue

FIELDS = 13


@pytest.fixture
def header(chain) -> Header:
    deploy(chain)
    chain.submit([signed(BOB, 0, ALICE.address)])
    return chain.head()


def test_a_header_survives_its_encoding(header):
    assert Header.decode(header.encode()) == header
    assert Header.decode(GENESIS.header.encode()) == GENESIS.header


@given(st.binary())
def test_other_bytes_are_no_header(data):
    with pytest.raises(InvalidValue):
        Header.decode(data)


def test_the_hash_covers_every_field_and_the_seal(header):
    assert header.hash == keccak256(header.encode())
    fields = rlp.decode(header.encode())
    assert header.seal_digest == keccak256(rlp.encode([*fields[:-1], b""]))
    for field in range(FIELDS):
        other = rlp.encode([*fields[:field], _another(fields[field]), *fields[field + 1 :]])
        assert Header.decode(other).hash != header.hash
        assert not Header.decode(other).is_sealed()


def _another(field: bytes) -> bytes:
    return field[:-1] + bytes([field[-1] ^ 1 or 3]) if field else b"\x01"


def test_only_the_sealers_signature_is_a_seal(header):
    digest = header.seal_digest
    assert header.is_sealed()
    assert header.sealed(SEALER.sign(digest)) == header
    assert not header.sealed(b"").is_sealed()
    assert not header.sealed(ALICE.sign(digest)).is_sealed()
    assert not header.sealed(header.seal + b"\x00").is_sealed()
    assert int.from_bytes(header.seal[32:64], "big") <= HALF_CURVE_ORDER


@pytest.mark.parametrize("field", [{"chain_id": 0}, {"chain_id": 2**64}, {"gas_limit": 20_999}, {"gas_limit": 2**63}])
def test_a_genesis_outside_its_bounds_is_refused(field):
    values = {"chain_id": 1, "sealer": SEALER.address} | field
    with pytest.raises(InvalidValue, match=next(iter(field))):
        Genesis(**values)


def test_rules_that_no_chain_can_have_are_refused():
    with pytest.raises(InvalidValue, match=r"fork.*Prague, Osaka"):
        replace(GENESIS, fork="Cancun")


def test_each_value_of_the_genesis_makes_another_chain():
    variants = [
        GENESIS,
        replace(GENESIS, chain_id=1),
        replace(GENESIS, sealer=ALICE.address),
        replace(GENESIS, gas_limit=30_000_000),
        replace(GENESIS, timestamp=1),
        replace(GENESIS, fork="Osaka"),
    ]
    assert len({variant.header.hash for variant in variants}) == len(variants)
