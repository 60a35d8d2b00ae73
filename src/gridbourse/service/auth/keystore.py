"""Passwords, and a node's keys encrypted under a password, a session or a token.

The server at rest can use none of them: a password opens the account's keystore, and what a cookie or a token holds,
of which only a digest is kept, opens the copy made for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridbourse.crypto.node_keys import NodeKeys, read_keys, stored_keys
from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.text import Message

MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 256
SECRET_BYTES = 32
KEPT_UNLOCKED = 1_000

_TIME_COST, _MEMORY_KIB, _LANES = 3, 65_536, 1
_hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_LANES)
# Verified for accounts that do not exist, so that the time of an answer does not tell which do.
_NOBODYS_HASH = _hasher.hash(secrets.token_hex(SECRET_BYTES))


def hash_password(password: str) -> str:
    """Hash a password with argon2id (RFC 9106).

    Raises
    ------
    InvalidValue
        It is too short or too long.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        least, most = MIN_PASSWORD_CHARACTERS, MAX_PASSWORD_CHARACTERS
        raise InvalidValue("password", len(password), Message("{least} to {most} characters", least=least, most=most))
    return _hasher.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether a password is the one that was hashed; takes as long where there is no hash."""
    try:
        return _hasher.verify(password_hash or _NOBODYS_HASH, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def lock_with_password(keys: NodeKeys, password: str) -> bytes:
    """Encrypt a node's keys under a password: salt (16 bytes), then what `lock` writes."""
    salt = secrets.token_bytes(16)
    return salt + lock(keys, _stretched(password, salt))


def unlock_with_password(keystore: bytes, password: str) -> NodeKeys:
    """Decrypt what `lock_with_password` wrote. Raises `EnvelopeError` if the password is another."""
    return unlock(keystore[16:], _stretched(password, keystore[:16]))


def lock(keys: NodeKeys, secret: bytes) -> bytes:
    """Encrypt a node's keys under a secret of full entropy: nonce (12 bytes), AES-256-GCM."""
    nonce, plain = secrets.token_bytes(12), json.dumps(stored_keys(keys)).encode()
    return nonce + AESGCM(_derived(secret, b"gridbourse keystore")).encrypt(nonce, plain, None)


@lru_cache(maxsize=KEPT_UNLOCKED)
def unlock(locked: bytes, secret: bytes) -> NodeKeys:
    """Decrypt what `lock` wrote. Those used last stay in memory: making keys anew takes half of a small request.

    Raises
    ------
    EnvelopeError
        The secret is another, or the bytes were changed.
    """
    try:
        plain = AESGCM(_derived(secret, b"gridbourse keystore")).decrypt(locked[:12], locked[12:], None)
    except (InvalidTag, ValueError) as error:
        raise EnvelopeError("the keystore does not open with this password, session or token") from error
    return read_keys(json.loads(plain))


def digest(secret: bytes) -> bytes:
    """What is kept of a session's or token's secret, to know it again."""
    return hashlib.sha256(secret).digest()


def _derived(secret: bytes, label: bytes) -> bytes:
    return hmac.digest(secret, label, "sha256")


def _stretched(password: str, salt: bytes) -> bytes:
    return hash_secret_raw(password.encode(), salt, _TIME_COST, _MEMORY_KIB, _LANES, SECRET_BYTES, Type.ID)
