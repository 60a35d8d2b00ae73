"""secp256k1 keys in Ethereum's format. The chain core has the curve and the hash."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import NewType

from gridbourse import _native
from gridbourse.errors import InvalidValue

Address = NewType("Address", bytes)
"""The last 20 bytes of the Keccak-256 hash of an uncompressed public key."""


def keccak256(data: bytes) -> bytes:
    """Hash `data` with Keccak-256 as Ethereum uses it (not NIST SHA3-256)."""
    return _native.keccak256(data)


class SigningKey:
    """A private key that signs 32-byte digests.

    Parameters
    ----------
    secret
        32 bytes, a number between 1 and the order of the curve.

    Raises
    ------
    InvalidValue
        `secret` is not a valid private key.
    """

    def __init__(self, secret: bytes) -> None:
        self.address = _native.key_address(secret)
        self._secret = secret

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key from the operating system's randomness."""
        while True:
            with suppress(InvalidValue):  # one in 2**128 is none
                return cls(secrets.token_bytes(32))

    @property
    def secret(self) -> bytes:
        """The 32 bytes to keep safe."""
        return self._secret

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; the result is ``r || s || parity``, 65 bytes, with low s."""
        return _native.sign_digest(self._secret, digest)

    def __reduce__(self) -> tuple[type[SigningKey], tuple[bytes]]:
        return SigningKey, (self.secret,)

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"


def recover(digest: bytes, signature: bytes) -> Address:
    """Find the address that signed `digest`.

    Parameters
    ----------
    digest
        The 32 bytes that were signed.
    signature
        ``r || s || parity``, 65 bytes.

    Raises
    ------
    InvalidValue
        The signature belongs to no key.
    """
    return _native.recover_address(digest, signature)
