"""Encrypted payloads that several recipients can open, each with its own key, in one place only.

The payload is encrypted once, with AES-256-GCM under a key derived from a fresh 32-byte secret; the secret
is sealed to every recipient by HPKE (RFC 9180, base mode). An envelope of n recipients is::

    1       suite, 0x01: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM
    1       n, 1 to 16
    32      commitment to the secret
    88 n    for each recipient, by ascending key id: 8 bytes key id, 80 bytes sealed secret
    rest    the encrypted payload and its 16-byte tag

The place is bound as HPKE's `info`, everything before the encrypted payload as AES-GCM's associated data. So
an envelope does not open once it was moved, or a recipient was added, removed or put elsewhere. AES-GCM
alone does not commit to its key: one ciphertext could show the regulator another text than the counterparty
(Albertini et al., "How to Abuse and Fix Authenticated Encryption Without Key Commitment", USENIX Security
2022, whose generic fix this is). With the commitment, all who can open an envelope read the same.

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
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridbourse.errors import EnvelopeError, InvalidValue

KeyId = NewType("KeyId", bytes)
"""The first 8 bytes of the SHA-256 hash of an X25519 public key."""

MAX_PAYLOAD_BYTES = 65_536
MAX_RECIPIENTS = 16

_SUITE = 1
_HPKE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_INFO_LABEL = b"gridbourse envelope "
_PREFIX_BYTES = 2
_SECRET_BYTES = 32
_COMMITMENT_BYTES = 32
_SLOTS_START = _PREFIX_BYTES + _COMMITMENT_BYTES
_KEY_ID_BYTES = 8
_SLOT_BYTES = _KEY_ID_BYTES + 80
_TAG_BYTES = 16
# Each derived key encrypts one payload only, so a constant nonce never repeats under a key.
_NONCE = bytes(12)


class EncryptionKey:
    """An X25519 private key that opens envelopes.

    Parameters
    ----------
    secret
        32 bytes.

    Raises
    ------
    InvalidValue
        `secret` is not 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        try:
            self.private_key = X25519PrivateKey.from_private_bytes(secret)
        except ValueError as error:
            raise InvalidValue("secret", f"{len(secret)} bytes", "a 32-byte X25519 private key") from error
        self.public_bytes = self.private_key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public_bytes)

    @classmethod
    def generate(cls) -> EncryptionKey:
        """Make a new key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @property
    def secret(self) -> bytes:
        """The 32 bytes to keep safe."""
        return self.private_key.private_bytes_raw()

    def __repr__(self) -> str:
        return f"EncryptionKey({self.key_id.hex()})"


def key_id(public_key: bytes) -> KeyId:
    """Short name of a 32-byte X25519 public key, as it stands in envelopes."""
    return KeyId(sha256(public_key).digest()[:_KEY_ID_BYTES])


def seal(payload: bytes, *, place: bytes, recipients: Sequence[bytes]) -> bytes:
    """Encrypt `payload` so that each of the recipients, and nobody else, can open it in `place`.

    Parameters
    ----------
    payload
        At most 65,536 bytes. Its length can be told from the envelope's.
    place
        Names the one record the envelope belongs to: chain, kind, author, number, encoded so that no two
        records share a place. It is not stored in the envelope.
    recipients
        X25519 public keys, 32 bytes each: 1 to 16, all different, in any order.

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
    secret = secrets.token_bytes(_SECRET_BYTES)
    slots = [
        recipient + _seal_secret(secret, public_key, place) for recipient, public_key in sorted(public_keys.items())
    ]
    header = b"".join([bytes([_SUITE, len(slots)]), _commitment(secret), *slots])
    return header + _cipher(secret).encrypt(_NONCE, payload, header)


def open_envelope(data: bytes, *, place: bytes, key: EncryptionKey) -> bytes:
    """Decrypt an envelope that stands in `place` with one recipient's key.

    Raises
    ------
    EnvelopeError
        `data` is no envelope, is not sealed to `key`, belongs to another place, or was changed.
    """
    envelope = _parse(data)
    sealed_secret = envelope.sealed_secrets.get(key.key_id)
    if sealed_secret is None:
        raise EnvelopeError(f"the envelope is not sealed to key {key.key_id.hex()}")
    try:
        secret = _HPKE.decrypt(sealed_secret, key.private_key, info=_INFO_LABEL + place)
        if not hmac.compare_digest(_commitment(secret), envelope.commitment):
            raise EnvelopeError("the envelope commits to another secret than it is sealed with")
        return _cipher(secret).decrypt(_NONCE, envelope.ciphertext, envelope.header)
    except InvalidTag as error:
        raise EnvelopeError(f"the envelope does not open for key {key.key_id.hex()} in this place") from error


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
    header: bytes
    commitment: bytes
    sealed_secrets: dict[KeyId, bytes]
    ciphertext: bytes


def _parse(data: bytes) -> _Envelope:
    if len(data) < _SLOTS_START:
        raise EnvelopeError(f"{len(data)} bytes are too few for an envelope")
    suite, count = data[0], data[1]
    if suite != _SUITE:
        raise EnvelopeError(f"suite {suite} is unknown")
    if not 1 <= count <= MAX_RECIPIENTS:
        raise EnvelopeError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients, not {count}")
    slots_end = _SLOTS_START + count * _SLOT_BYTES
    if not _TAG_BYTES <= len(data) - slots_end <= _TAG_BYTES + MAX_PAYLOAD_BYTES:
        raise EnvelopeError(f"{len(data)} bytes are no envelope for {count} recipients")
    slots = [data[start : start + _SLOT_BYTES] for start in range(_SLOTS_START, slots_end, _SLOT_BYTES)]
    key_ids = [KeyId(slot[:_KEY_ID_BYTES]) for slot in slots]
    if any(first >= second for first, second in pairwise(key_ids)):
        raise EnvelopeError("the key ids of an envelope must be strictly ascending")
    return _Envelope(
        header=data[:slots_end],
        commitment=data[_PREFIX_BYTES:_SLOTS_START],
        sealed_secrets=dict(zip(key_ids, (slot[_KEY_ID_BYTES:] for slot in slots), strict=True)),
        ciphertext=data[slots_end:],
    )


def _seal_secret(secret: bytes, public_key: bytes, place: bytes) -> bytes:
    try:
        return _HPKE.encrypt(secret, X25519PublicKey.from_public_bytes(public_key), info=_INFO_LABEL + place)
    except ValueError as error:
        raise InvalidValue("recipients", public_key.hex(), "usable X25519 public keys of 32 bytes") from error


def _commitment(secret: bytes) -> bytes:
    return hmac.digest(secret, b"gridbourse envelope commitment", "sha256")


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"gridbourse envelope encryption", "sha256"))
