"""Signed Ethereum transactions of types 0, 1, 2 and 4; the core reads, recovers and writes them."""

from __future__ import annotations

from gridbourse._native import SignedTransaction, Transaction

__all__ = ["HALF_CURVE_ORDER", "MAX_NONCE", "TYPE", "SignedTransaction", "Transaction"]

TYPE = b"\x02"
"""The type that this project signs: EIP-1559 in the envelope of EIP-2718."""
MAX_NONCE = 2**64 - 2
"""EIP-2681."""
HALF_CURVE_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""A signature with a greater s has a twin (EIP-2)."""
