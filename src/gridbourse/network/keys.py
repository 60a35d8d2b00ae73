"""What a node acts with: one key to sign, one to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address, SigningKey


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The private keys of one node.

    Parameters
    ----------
    signing
        Signs the node's transactions.
    encryption
        Opens what is sealed to the node.
    """

    signing: SigningKey
    encryption: EncryptionKey

    @classmethod
    def generate(cls) -> Self:
        """Make both keys from the operating system's randomness."""
        return cls(SigningKey.generate(), EncryptionKey.generate())

    @property
    def address(self) -> Address:
        """The node's address on every chain."""
        return self.signing.address
