"""Proofs that whoever names a key holds it.

A public key can be seen by everybody, so to name one proves nothing. What is signed here names the chain, the contract
and the master that the key shall act for: a proof that was seen on its way is worth nothing to another master, nor on
another chain.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gridbourse.crypto.keys import Address

_VOTES = b"gridbourse: this key votes for the master"


def validator_statement(chain_id: int, consortium: Address, master_id: int, node_id: bytes) -> bytes:
    """What a validator's key signs (`IConsortium.registerValidator`).

    Parameters
    ----------
    chain_id, consortium
        The chain, and the contract that registers.
    master_id
        The master that the key shall vote for.
    node_id
        Id of the node that it votes on, 20 bytes.
    """
    return _VOTES + chain_id.to_bytes(8, "big") + consortium + master_id.to_bytes(2, "big") + node_id


def proves_validator(public_key: bytes, statement: bytes, proof: bytes) -> bool:
    """Whether an Ed25519 key (32 bytes) signed a `validator_statement` (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(proof, statement)
    except (InvalidSignature, ValueError):
        return False
    return True
