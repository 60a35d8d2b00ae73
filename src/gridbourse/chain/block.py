"""What a chain is and what a block holds; the core keeps headers, receipts and events and knows their bytes."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse._native import Header, Log, Receipt
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue

__all__ = ["BLOCK_GAS_LIMIT", "DEFAULT_GAS_LIMIT", "FORKS", "NO_SEALER", "Block", "Genesis", "Header", "Log", "Receipt"]

NO_SEALER = Address(bytes(20))
"""The sealer of a chain that others order: nobody signs its headers, and `Header.seal` says where they come from."""
DEFAULT_GAS_LIMIT = 1_000_000_000
BLOCK_GAS_LIMIT = 30_000_000_000
"""Of the chains of a region, in their genesis."""

FORKS = ("Prague", "Osaka")
"""Ethereum's rules that a chain can have, by the name of the fork that brought them."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a chain is before its first block; its header's hash is the first block's parent.

    Parameters
    ----------
    chain_id
        Number that signed transactions name, from 1 to 2**64 - 1; no two chains of a region share one.
    sealer
        Address whose key seals the blocks; `NO_SEALER` if another engine orders and vouches for them.
    gas_limit
        Most gas in one block, and so in one transaction.
    timestamp
        Earliest time of a block, in seconds since the epoch.
    fork
        Ethereum's rules, one of `FORKS`.
    """

    chain_id: int
    sealer: Address
    gas_limit: int = DEFAULT_GAS_LIMIT
    timestamp: int = 0
    fork: str = FORKS[0]

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id < 2**64:
            raise InvalidValue("chain_id", self.chain_id, "a number from 1 to 2**64 - 1")
        if not 21_000 <= self.gas_limit < 2**63:
            raise InvalidValue("gas_limit", self.gas_limit, "a number from 21000 to 2**63 - 1")
        if self.fork not in FORKS:
            raise InvalidValue("fork", self.fork, f"one of {', '.join(FORKS)}")

    @property
    def header(self) -> Header:
        """Block 0: it has no transactions and no seal."""
        return Header.of_genesis(self.chain_id, self.sealer, self.gas_limit, self.timestamp, self.fork)


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block.

    Parameters
    ----------
    header
        Its head.
    transactions
        The raw transactions.
    receipts
        Their receipts, in the same order.
    """

    header: Header
    transactions: tuple[bytes, ...]
    receipts: tuple[Receipt, ...]
