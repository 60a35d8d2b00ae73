"""How a record is sealed, opened, and shown field by field.

A record is a signed slave-chain transaction whose content only its readers can open: a commitment to the fields of its
details, 32 bytes, then an envelope of these fields and of the seed of their salts, sealed for this ledger, author, kind
and commitment. The signature of the transaction is the author's signature of the record. The commitment is also what
names the record: it is random, and no two records share one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, Protocol, get_args, get_origin, get_type_hints

from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.crypto.commitment import SEED_BYTES, FieldProof, FieldValue, commit, prove_field, verify_field
from gridbourse.crypto.envelope import EncryptionKey, open_envelope, recipients_of, seal
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.crypto.suite import HPKE, Suite
from gridbourse.errors import EnvelopeError, ProofError
from gridbourse.ledger.records import Details

_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_BY_KIND: dict[int, type[Details]] = {kind.KIND: kind for kind in get_args(Details)}
_FIELD_TYPES = {
    kind: {field.name: get_type_hints(kind)[field.name] for field in fields(kind)} for kind in get_args(Details)
}


class RecordPlace(Protocol):
    """Where a record lies: a contract and the id of its chain."""

    @property
    def chain_id(self) -> int:
        """Id of the chain."""
        ...

    @property
    def address(self) -> Address:
        """The contract."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """A ledger as those know it who do not have its chain."""

    chain_id: int
    address: Address


def seal_record(
    ledger: RecordPlace, author: Address, details: Details, readers: Sequence[bytes], suite: Suite = HPKE
) -> bytes:
    """Encrypt details into the content of a record.

    Parameters
    ----------
    ledger
        The contract in whose events the record will lie; it opens nowhere else.
    author
        Who will sign it.
    details
        What it says.
    readers
        Public keys of all who may read it.
    suite
        The algorithms of the readers' keys.
    """
    seed, stated = secrets.token_bytes(SEED_BYTES), _fields_of(details)
    commitment = commit(stated, seed)
    place = _place(ledger, author, details.KIND, commitment)
    return commitment + seal(seed + _JSON.encode(stated).encode(), place=place, recipients=readers, suite=suite)


def open_record(ledger: RecordPlace, record: LedgerRecord, *keys: EncryptionKey) -> Details:
    """Decrypt a record with one of its readers' keys: of a reader's keys, the one that the record is sealed to.

    Raises
    ------
    EnvelopeError
        The record is not sealed to any of `keys`, was changed, lies where it was not written for, or commits to other
        fields than it holds.
    """
    details, _ = _open(ledger, record, keys)
    return details


def prove_fields(
    ledger: RecordPlace, record: LedgerRecord, names: Sequence[str], *keys: EncryptionKey
) -> tuple[FieldProof, ...]:
    """Prove single fields of a record that one of `keys` opens; the others stay secret.

    Raises
    ------
    EnvelopeError
        As `open_record`.
    InvalidValue
        The record has no field of one of the names.
    """
    details, seed = _open(ledger, record, keys)
    stated = json.loads(_JSON.encode(_fields_of(details)))
    return tuple(prove_field(stated, seed, name) for name in names)


def verify_fields(kind: int, content: bytes, proofs: Sequence[FieldProof]) -> dict[str, FieldValue]:
    """Check proven fields against the content of the record that they are of; its envelope stays closed.

    Returns
    -------
    dict
        The fields' values by name, each of the type that a record of this kind has there.

    Raises
    ------
    ProofError
        One of the fields is not what the record's author committed to, or there is no such kind of record.
    """
    details = _BY_KIND.get(kind)
    if details is None:
        raise ProofError(f"kind {kind} of a record is unknown")
    types = _FIELD_TYPES[details]
    for proof in proofs:
        verify_field(proof, tuple(types), content[:HASH_BYTES])
    try:
        return {proof.name: _typed(types[proof.name], proof.value) for proof in proofs}
    except (TypeError, ValueError) as error:
        raise ProofError(f"no {details.__name__} states this: {error}") from error


def write_details(details: Details) -> str:
    """Write opened details as JSON, to keep them where only those read them who may."""
    return _JSON.encode(_fields_of(details))


def read_details(kind: int, written: str) -> Details:
    """Read what `write_details` wrote."""
    return _details(_BY_KIND[kind], json.loads(written))


def _open(ledger: RecordPlace, record: LedgerRecord, keys: Sequence[EncryptionKey]) -> tuple[Details, bytes]:
    """Details and seed of a record."""
    kind = _BY_KIND.get(record.kind)
    if kind is None:
        raise EnvelopeError(f"record {record.index}: kind {record.kind} is unknown")
    commitment, envelope = record.content[:HASH_BYTES], record.content[HASH_BYTES:]
    sealed_to = recipients_of(envelope)
    key = next((key for key in keys if key.key_id in sealed_to), keys[0])
    payload = open_envelope(envelope, place=_place(ledger, record.author, record.kind, commitment), key=key)
    seed, encoded = payload[:SEED_BYTES], payload[SEED_BYTES:]
    try:
        details = _details(kind, json.loads(encoded))
        committed = commit(_fields_of(details), seed)
    except (ValueError, TypeError, RecursionError) as error:
        raise EnvelopeError(f"record {record.index}: its details are not those of a {kind.__name__}") from error
    if len(seed) != SEED_BYTES or committed != commitment:
        raise EnvelopeError(f"record {record.index}: it commits to other fields than it holds")
    return details, seed


def _fields_of(details: Details) -> dict[str, FieldValue]:
    return {name: getattr(details, name) for name in _FIELD_TYPES[type(details)]}


def _details(kind: type[Details], stated: Any) -> Details:
    """Build details from decoded JSON. Whoever may write can write anything: every field has to be of its type."""
    types = _FIELD_TYPES[kind]
    if not isinstance(stated, dict) or stated.keys() != types.keys():
        raise TypeError(f"a {kind.__name__} has the fields {', '.join(types)}")
    return kind(**{name: _typed(types[name], value) for name, value in stated.items()})


def _typed(kind: Any, value: object) -> Any:
    item, plain = _shape(kind)
    if item is not None:
        if type(value) is not list:
            raise TypeError(f"{value!r} is no series")
        return tuple(_typed(item, entry) for entry in value)
    if type(value) is not plain or (isinstance(value, int) and not 0 <= value < 2**64):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value if plain is kind else kind(value)


@cache
def _shape(kind: Any) -> tuple[Any, Any]:
    """The type of a series' items, or else the type that JSON has for a single value."""
    if get_origin(kind) is tuple:
        return get_args(kind)[0], None
    return None, int if issubclass(kind, IntEnum | IntFlag) else kind


def _place(ledger: RecordPlace, author: Address, kind: int, commitment: bytes) -> bytes:
    """Chain, ledger, author, kind and commitment, all of fixed width."""
    return ledger.chain_id.to_bytes(8, "big") + ledger.address + author + bytes([kind]) + commitment
