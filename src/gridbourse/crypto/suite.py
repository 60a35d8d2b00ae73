"""The algorithms of envelopes. A region chooses one suite, and an envelope's first byte names it.

A suite seals a short secret to a public key, authenticates, and encrypts under a key that is used once. What an
envelope promises (`gridbourse.crypto.envelope`) is built on these four operations alone, so it holds for every suite.
"""

from __future__ import annotations

import hmac
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridbourse.errors import InvalidValue

SECRET_BYTES = 32
"""Length of the secret that an envelope seals to its readers."""

NONCE = bytes(12)
"""Every key encrypts one payload only, so a constant nonce never repeats under a key."""


class PrivateKey(Protocol):
    """A reader's private key, ready for use."""

    public_bytes: bytes

    def open_secret(self, sealed: bytes) -> bytes:
        """Find the secret that was sealed to this key.

        Raises
        ------
        cryptography.exceptions.InvalidTag
            It was sealed to another key, or changed.
        """
        ...


class Suite(Protocol):
    """One choice of algorithms.

    `name` is what region.toml calls it, `number` an envelope's first byte, `sealed_bytes` the length of a sealed
    secret, `title` what people call it.
    """

    name: str
    number: int
    title: str
    sealed_bytes: int

    def generate(self) -> bytes:
        """Make a private key from the operating system's randomness, in the form that `private_key` takes."""
        ...

    def private_key(self, secret: bytes) -> PrivateKey:
        """Make a private key ready for use.

        Raises
        ------
        InvalidValue
            `secret` is no private key of this suite.
        """
        ...

    def seal_secret(self, secret: bytes, public_key: bytes) -> bytes:
        """Encrypt 32 bytes so that only the holder of the private key finds them.

        Raises
        ------
        InvalidValue
            `public_key` is no usable public key of this suite.
        """
        ...

    def mac(self, key: bytes, message: bytes) -> bytes:
        """Authenticate a message, 32 bytes; without the key it looks random."""
        ...

    def encrypt(self, key: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Encrypt and authenticate under a 32-byte key that encrypts nothing else; the tag's 16 bytes come last."""
        ...

    def decrypt(self, key: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """Undo `encrypt`.

        Raises
        ------
        cryptography.exceptions.InvalidTag
            Key, ciphertext or associated data are others.
        """
        ...


_HPKE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_INFO = b"gridbourse envelope"


class _X25519Key:
    def __init__(self, secret: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self.public_bytes = self._key.public_key().public_bytes_raw()

    def open_secret(self, sealed: bytes) -> bytes:
        return _HPKE.decrypt(sealed, self._key, info=_INFO)


class _Hpke:
    """HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM; HMAC-SHA-256 (RFC 2104)."""

    name = "hpke"
    number = 1
    title = "X25519, AES-256-GCM, SHA-256"
    sealed_bytes = 80

    def generate(self) -> bytes:
        return X25519PrivateKey.generate().private_bytes_raw()

    def private_key(self, secret: bytes) -> PrivateKey:
        try:
            return _X25519Key(secret)
        except ValueError as error:
            raise InvalidValue("secret", f"{len(secret)} bytes", "a 32-byte X25519 private key") from error

    def seal_secret(self, secret: bytes, public_key: bytes) -> bytes:
        try:
            return _HPKE.encrypt(secret, X25519PublicKey.from_public_bytes(public_key), info=_INFO)
        except ValueError as error:
            raise InvalidValue("recipients", public_key.hex(), "usable X25519 public keys of 32 bytes") from error

    def mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    def encrypt(self, key: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        return AESGCM(key).encrypt(NONCE, plaintext, associated_data)

    def decrypt(self, key: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        return AESGCM(key).decrypt(NONCE, ciphertext, associated_data)


HPKE: Suite = _Hpke()
"""What a region has that chooses nothing."""

SUITE_NAMES = (HPKE.name, "gmt")


def suite_named(name: str) -> Suite:
    """Find a suite by its name in region.toml.

    Raises
    ------
    InvalidValue
        There is none, or what it stands on is not installed.
    """
    if name == HPKE.name:
        return HPKE
    if name == "gmt":
        return _gmt()
    raise InvalidValue("suite", name, "one of " + ", ".join(SUITE_NAMES))


def suite_numbered(number: int) -> Suite:
    """Find a suite by an envelope's first byte. Raises like `suite_named`."""
    if number == HPKE.number:
        return HPKE
    if number == 2:
        return _gmt()
    raise InvalidValue("suite", number, "1 or 2")


@cache
def _gmt() -> Suite:
    try:
        from gridbourse.crypto.gmt import GMT  # noqa: PLC0415 only regions that chose it need the library
    except ImportError as error:
        raise InvalidValue("suite", "gmt", "another suite, or install its library: pip install gmssl-pyx") from error
    return GMT
