"""Commitments to the fields of a record, so that one field can be shown and proven without the others.

Every field is hashed with a salt of its own to a leaf of a small RFC 9162 tree, in the order of the fields' names;
the tree's root is the commitment. The salts are cut from what SHAKE256 (FIPS 202) makes of one secret seed. Who shows a
field hands over its value, its salt and the siblings on its way to the root; the other fields stay behind salts of 128
bits, and trying out the few prices that there are finds nothing. The idea is that of SD-JWT (RFC 9901), the tree that
of Certificate Transparency.

A field's place in the tree is fixed by the names that a record of its kind has. So nobody can commit to two values for
one name and show each to somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import shake_256

from gridbourse.crypto.merkle import MerkleLog, leaf_hash, root_of_leaves, verify_inclusion
from gridbourse.errors import InvalidValue, ProofError

SEED_BYTES = 32
SALT_BYTES = 16

_LABEL = b"gridbourse field salts "
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

FieldValue = str | int | bool | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldProof:
    """One field, and what proves it under a commitment.

    Parameters
    ----------
    name, value
        The field.
    salt
        16 bytes.
    path
        Sibling hashes from the field's leaf upwards, 32 bytes each.
    """

    name: str
    value: FieldValue
    salt: bytes
    path: tuple[bytes, ...]


def commit(fields: Mapping[str, FieldValue], seed: bytes) -> bytes:
    """Commit to fields, 32 bytes.

    Parameters
    ----------
    fields
        All fields of a record, at least one.
    seed
        32 fresh random bytes, as secret as the fields.
    """
    return root_of_leaves(_leaves(fields, seed))


def prove_field(fields: Mapping[str, FieldValue], seed: bytes, name: str) -> FieldProof:
    """Prove one of the fields under their commitment.

    Raises
    ------
    InvalidValue
        There is no field of this name.
    """
    names = sorted(fields)
    if name not in fields:
        raise InvalidValue("field", name, "one of " + ", ".join(names))
    place = names.index(name)
    path = MerkleLog(_leaves(fields, seed)).inclusion_proof(place)
    return FieldProof(name, fields[name], _salts(seed, len(names))[place], path)


def verify_field(proof: FieldProof, names: Sequence[str], commitment: bytes) -> None:
    """Check that a field is what its record's author committed to.

    Parameters
    ----------
    proof
        The field and what proves it.
    names
        The names of all fields that a record of this kind has, in any order; from the verifier, never from the prover.
    commitment
        The commitment, as the record has it.

    Raises
    ------
    ProofError
        It is not, or any part of the proof has the wrong shape.
    """
    if proof.name not in names:
        raise ProofError(f"a record of this kind has no field {proof.name!r}")
    if len(proof.salt) != SALT_BYTES:
        raise ProofError(f"the salt of field {proof.name!r} has {len(proof.salt)} bytes, not {SALT_BYTES}")
    leaf = _leaf(proof.name, proof.value, proof.salt)
    try:
        verify_inclusion(leaf, sorted(names).index(proof.name), len(names), proof.path, commitment)
    except ProofError as error:
        raise ProofError(f"field {proof.name!r} is not what the record commits to") from error


def _leaves(fields: Mapping[str, FieldValue], seed: bytes) -> list[bytes]:
    return [
        _leaf(name, fields[name], salt) for name, salt in zip(sorted(fields), _salts(seed, len(fields)), strict=True)
    ]


def _leaf(name: str, value: FieldValue, salt: bytes) -> bytes:
    # Most values are numbers, and what the encoder makes of a list with one is no more than this.
    stated = f'["{name}",{value}]' if type(value) is int else _JSON.encode([name, value])
    return leaf_hash(salt + stated.encode())


def _salts(seed: bytes, count: int) -> list[bytes]:
    stream = shake_256(_LABEL + seed).digest(count * SALT_BYTES)
    return [stream[start : start + SALT_BYTES] for start in range(0, len(stream), SALT_BYTES)]
