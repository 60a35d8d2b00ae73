"""Commitments to fields: each field is proven alone, no other value is, and the others do not show."""

import json
from dataclasses import replace
from hashlib import sha256, shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.commitment import FieldProof, commit, prove_field, verify_field
from gridbourse.crypto.merkle import MerkleLog, leaf_hash
from gridbourse.errors import InvalidValue, ProofError

VALUES = st.text(max_size=20) | st.integers(0, 2**64 - 1) | st.booleans()
FIELDS = st.dictionaries(st.text(max_size=10), VALUES, min_size=1, max_size=12)
SEEDS = st.binary(min_size=32, max_size=32)
ORDER = {"user_id": "Anna", "price_ticks": 3_600, "energy_wh": 1_000, "side": 0, "confirmed": True}
SEED = bytes(range(32))


def refused(proof, names=tuple(ORDER), commitment=None):
    with pytest.raises(ProofError):
        verify_field(proof, names, commit(ORDER, SEED) if commitment is None else commitment)


@given(fields=FIELDS, seed=SEEDS)
def test_every_field_is_proven_under_the_commitment(fields, seed):
    commitment = commit(fields, seed)
    for name in fields:
        proof = prove_field(fields, seed, name)
        assert (proof.name, proof.value) == (name, fields[name])
        verify_field(proof, list(fields), commitment)


def test_the_documented_construction_is_enough_to_compute_a_commitment():
    salts = shake_256(b"gridbourse field salts " + SEED).digest(32)
    first = sha256(b"\x00" + salts[:16] + b'["price",3600]').digest()
    second = sha256(b"\x00" + salts[16:] + '["user","安娜"]'.encode()).digest()
    assert commit({"user": "安娜", "price": 3_600}, SEED) == sha256(b"\x01" + first + second).digest()


@given(fields=FIELDS, seed=SEEDS, other=VALUES, data=st.data())
def test_no_other_value_is_proven(fields, seed, other, data):
    proof = prove_field(fields, seed, data.draw(st.sampled_from(sorted(fields))))
    if type(other) is not type(proof.value) or other != proof.value:
        refused(replace(proof, value=other), list(fields), commit(fields, seed))


@pytest.mark.parametrize(
    ("name", "value"), [("price_ticks", "3600"), ("side", False), ("confirmed", 1), ("user_id", "Anna ")]
)
def test_a_value_of_another_type_is_another_value(name, value):
    refused(replace(prove_field(ORDER, SEED, name), value=value))


def test_a_field_is_proven_neither_under_another_name_nor_at_anothers_place():
    price, energy = (prove_field(ORDER, SEED, name) for name in ("price_ticks", "energy_wh"))
    refused(replace(price, name="energy_wh"))
    refused(replace(price, name="unknown"))
    refused(replace(price, path=energy.path))
    refused(replace(price, salt=energy.salt))


def test_a_second_value_for_a_name_finds_no_place():
    """An author who puts another price where another field belongs cannot show it as the price."""
    salt = bytes(16)
    second = leaf_hash(salt + b'["price_ticks",9999]')
    names = sorted(ORDER)
    for taken in {*names} - {"price_ticks"}:
        leaves = [
            second if name == taken else leaf_hash(salt + json.dumps([name, ORDER[name]]).encode()) for name in names
        ]
        log = MerkleLog(leaves)
        refused(FieldProof("price_ticks", 9_999, salt, log.inclusion_proof(names.index(taken))), names, log.root())


def test_a_tree_of_other_size_is_refused():
    proof = prove_field(ORDER, SEED, "price_ticks")
    refused(proof, (*ORDER, "w", "x", "y", "z"))
    refused(proof, ("price_ticks",))


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17)])
def test_a_salt_of_another_length_is_refused(salt):
    refused(replace(prove_field(ORDER, SEED, "side"), salt=salt))


def test_what_hides_a_field_is_not_found_by_trying_all_of_its_values():
    """Without its salt, the leaf beside a shown field is that of none of the 65,536 prices."""
    fields = {"energy_wh": 1_000, "price_ticks": 3_600}
    (beside,) = prove_field(fields, SEED, "energy_wh").path
    for salt in (b"", bytes(16), prove_field(fields, SEED, "energy_wh").salt):
        assert all(leaf_hash(salt + b'["price_ticks",%d]' % price) != beside for price in range(65_536))


@given(fields=FIELDS, one=SEEDS, other=SEEDS)
def test_equal_fields_with_other_salts_have_nothing_in_common(fields, one, other):
    if one != other:
        assert commit(fields, one) != commit(fields, other)
        for name in fields:
            assert prove_field(fields, one, name).salt != prove_field(fields, other, name).salt


def test_the_salts_of_one_record_differ():
    assert len({prove_field(ORDER, SEED, name).salt for name in ORDER}) == len(ORDER)


def test_a_field_that_is_none_is_named():
    with pytest.raises(InvalidValue, match="one of confirmed, energy_wh, price_ticks, side, user_id"):
        prove_field(ORDER, SEED, "price")
