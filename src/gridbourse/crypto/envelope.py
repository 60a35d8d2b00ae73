"""Encrypted payloads that several recipients can open, each with its own key, in one place only.

The payload is encrypted once, under a key derived from a fresh 32-byte secret; the secret is sealed to every
recipient. With which algorithms is the region's suite (`gridbourse.crypto.suite`). An envelope of n recipients is::

    1           suite
    1           n, 1 to 16
    32          commitment to the secret and the place: their MAC
    (8 + s) n   for each recipient, by ascending key id: 8 bytes key id, s bytes sealed secret
    rest        the encrypted payload and its 16-byte tag

Commitment and payload key depend on the place, and everything before the encrypted payload is its associated data.
So an envelope does not open once it was moved, or a recipient was added, removed or put elsewhere. GCM alone does not
commit to its key: one ciphertext could show the regulator another text than the counterparty (Albertini et al., "How
to Abuse and Fix Authenticated Encryption Without Key Commitment", USENIX Security 2022, whose generic fix this is).
With the commitment, all who can open an envelope read the same.

An envelope does not say who made it. That is for the signature over the record it stands in.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import NewType

from cryptography.exceptions import InvalidTag

from gridbourse.crypto.suite import HPKE, SECRET_BYTES, Suite, suite_named, suite_numbered
from gridbourse.errors import EnvelopeError, InvalidValue

KeyId = NewType("KeyId", bytes)
"""The first 8 bytes of the SHA-256 hash of a public key."""

MAX_PAYLOAD_BYTES = 65_536
MAX_RECIPIENTS = 16

_COMMITMENT_LABEL = b"gridbourse envelope commitment "
_ENCRYPTION_LABEL = b"gridbourse envelope encryption "
_PREFIX_BYTES = 2
_COMMITMENT_BYTES = 32
_SLOTS_START = _PREFIX_BYTES + _COMMITMENT_BYTES
_KEY_ID_BYTES = 8
_TAG_BYTES = 16


class EncryptionKey:
    """A private key that opens envelopes.

    Parameters
    ----------
    secret
        The private key, as its suite writes it.
    suite
        The algorithms that it is for.

    Raises
    ------
    InvalidValue
        `secret` is no private key of this suite.
    """

    def __init__(self, secret: bytes, suite: Suite = HPKE) -> None:
        self._private_key = suite.private_key(secret)
        self.secret = secret
        self.suite = suite
        self.public_bytes = self._private_key.public_bytes
        self.key_id = key_id(self.public_bytes)

    @classmethod
    def generate(cls, suite: Suite = HPKE) -> EncryptionKey:
        """Make a new key from the operating system's randomness."""
        return cls(suite.generate(), suite)

    def open_secret(self, sealed: bytes) -> bytes:
        """Find the secret in this key's slot of an envelope; raises cryptography's `InvalidTag` if it is not there."""
        return self._private_key.open_secret(sealed)

    def __reduce__(self) -> tuple[object, ...]:
        return _encryption_key, (self.secret, self.suite.name)

    def __repr__(self) -> str:
        return f"EncryptionKey({self.key_id.hex()})"


def _encryption_key(secret: bytes, suite: str) -> EncryptionKey:
    return EncryptionKey(secret, suite_named(suite))


def key_id(public_key: bytes) -> KeyId:
    """Short name of a public key, as it stands in envelopes."""
    return KeyId(sha256(public_key).digest()[:_KEY_ID_BYTES])


def seal(payload: bytes, *, place: bytes, recipients: Sequence[bytes], suite: Suite = HPKE) -> bytes:
    """Encrypt `payload` so that each of the recipients, and nobody else, can open it in `place`.

    Parameters
    ----------
    payload
        At most 65,536 bytes. Its length can be told from the envelope's.
    place
        Names the one record the envelope belongs to: chain, kind, author, commitment, encoded so that no two
        records share a place. It is not stored in the envelope.
    recipients
        Public keys of the suite: 1 to 16, all different, in any order.
    suite
        The algorithms.

    Raises
    ------
    InvalidValue
        `payload` is too long, or `recipients` are too many, too few, repeated or no usable keys.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidValue("payload", f"{len(payload)} bytes", f"at most {MAX_PAYLOAD_BYTES} bytes")
    public_keys = {key_id(public_key): public_key for public_key in recipients}
    if len(public_keys) != len(recipients) or not 1 <= len(recipients) <= MAX_RECIPIENTS:
        remedy = f"1 to {MAX_RECIPIENTS} different public keys"
        raise InvalidValue("recipients", [public_key.hex() for public_key in recipients], remedy)
    secret = secrets.token_bytes(SECRET_BYTES)
    slots = [recipient + suite.seal_secret(secret, public_key) for recipient, public_key in sorted(public_keys.items())]
    commitment = suite.mac(secret, _COMMITMENT_LABEL + place)
    header = b"".join([bytes([suite.number, len(slots)]), commitment, *slots])
    return header + suite.encrypt(suite.mac(secret, _ENCRYPTION_LABEL + place), payload, header)


def open_envelope(data: bytes, *, place: bytes, key: EncryptionKey) -> bytes:
    """Decrypt an envelope that stands in `place` with one recipient's key.

    Raises
    ------
    EnvelopeError
        `data` is no envelope, is not sealed to `key`, belongs to another place, or was changed.
    """
    envelope = _parse(data)
    suite, sealed_secret = envelope.suite, envelope.sealed_secrets.get(key.key_id)
    if sealed_secret is None or key.suite is not suite:
        raise EnvelopeError(f"the envelope is not sealed to key {key.key_id.hex()}")
    try:
        secret = key.open_secret(sealed_secret)
        if not hmac.compare_digest(suite.mac(secret, _COMMITMENT_LABEL + place), envelope.commitment):
            raise EnvelopeError("the envelope commits to another secret than it is sealed with, or to another place")
        return suite.decrypt(suite.mac(secret, _ENCRYPTION_LABEL + place), envelope.ciphertext, envelope.header)
    except InvalidTag as error:
        raise EnvelopeError(f"the envelope does not open for key {key.key_id.hex()}") from error


def recipients_of(data: bytes) -> tuple[KeyId, ...]:
    """Key ids an envelope claims to be sealed to, ascending; only opening it shows that the claim holds.

    Raises
    ------
    EnvelopeError
        `data` is no envelope.
    """
    return tuple(_parse(data).sealed_secrets)


@dataclass(frozen=True, slots=True)
class _Envelope:
    suite: Suite
    header: bytes
    commitment: bytes
    sealed_secrets: dict[KeyId, bytes]
    ciphertext: bytes


def _parse(data: bytes) -> _Envelope:
    if len(data) < _SLOTS_START:
        raise EnvelopeError(f"{len(data)} bytes are too few for an envelope")
    try:
        suite, count = suite_numbered(data[0]), data[1]
    except InvalidValue as error:
        raise EnvelopeError(str(error)) from error
    if not 1 <= count <= MAX_RECIPIENTS:
        raise EnvelopeError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients, not {count}")
    slot_bytes = _KEY_ID_BYTES + suite.sealed_bytes
    slots_end = _SLOTS_START + count * slot_bytes
    if not _TAG_BYTES <= len(data) - slots_end <= _TAG_BYTES + MAX_PAYLOAD_BYTES:
        raise EnvelopeError(f"{len(data)} bytes are no envelope for {count} recipients")
    slots = [data[start : start + slot_bytes] for start in range(_SLOTS_START, slots_end, slot_bytes)]
    key_ids = [KeyId(slot[:_KEY_ID_BYTES]) for slot in slots]
    if any(first >= second for first, second in pairwise(key_ids)):
        raise EnvelopeError("the key ids of an envelope must be strictly ascending")
    return _Envelope(
        suite=suite,
        header=data[:slots_end],
        commitment=data[_PREFIX_BYTES:_SLOTS_START],
        sealed_secrets=dict(zip(key_ids, (slot[_KEY_ID_BYTES:] for slot in slots), strict=True)),
        ciphertext=data[slots_end:],
    )
