"""secp256k1 keys in Ethereum's format, by libsecp256k1 (coincurve)."""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak

from gridbourse.errors import InvalidValue

Address = NewType("Address", bytes)
"""The last 20 bytes of the Keccak-256 hash of an uncompressed public key."""


def keccak256(data: bytes) -> bytes:
    """Hash `data` with Keccak-256 as Ethereum uses it (not NIST SHA3-256)."""
    return keccak.new(digest_bits=256, data=data).digest()


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
        try:
            self._key = PrivateKey(secret)
        except (TypeError, ValueError) as error:
            raise InvalidValue("secret", f"{len(secret)} bytes", "a 32-byte secp256k1 private key") from error
        self.address = address_of(self._key.public_key.format(compressed=False))

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key from the operating system's randomness."""
        return cls(PrivateKey().secret)

    @property
    def secret(self) -> bytes:
        """The 32 bytes to keep safe."""
        return self._key.secret

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; the result is ``r || s || parity``, 65 bytes, with low s."""
        return self._key.sign_recoverable(digest, hasher=None)

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
    try:
        public_key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception when recovery fails
        raise InvalidValue("signature", signature.hex(), "65 bytes r || s || parity over this digest") from error
    return address_of(public_key.format(compressed=False))


@lru_cache(maxsize=65_536)
def address_of(public_key: bytes) -> Address:
    """Ethereum address of an uncompressed (65-byte) public key."""
    return Address(keccak256(public_key[1:])[12:])
