"""What every chain offers, whoever orders its transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from gridbourse.chain.block import Block, Header, Log, Receipt
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address

ZERO_ADDRESS = Address(bytes(20))
DEFAULT_TIMEOUT_SECONDS = 30.0


class Chain(Protocol):
    """A chain of blocks of signed Ethereum transactions.

    A caller may rely on this:

    - **Finality.** What `wait` returns is final and durable: it survives a crash of the machine and is never
      reorganised. Blocks are only ever added.
    - **Receipts.** A transaction in a block has exactly one receipt and never runs again. A failed one
      consumed its nonce and did nothing else.
    - **Order.** Transactions of one `send` keep their order. Those of different senders are in the order in
      which the chain took them.
    - **Gas price.** Zero. Gas limits execution and is measured, but nobody pays for it, and there is no coin.
    """

    @property
    def chain_id(self) -> int:
        """Number that transactions for this chain are signed with."""
        ...

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Check signed transactions and hand all of them in, or none; returns their hashes.

        Raises
        ------
        TransactionRejected
            One of them may not enter a block; none was taken.
        """
        ...

    def wait(self, hashes: Sequence[bytes], *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> list[Receipt]:
        """Wait until transactions are final and durable; returns their receipts in the same order.

        Raises
        ------
        ChainError
            One is unknown to the chain or not final in time.
        """
        ...

    def submit(self, raw_transactions: Sequence[bytes]) -> list[Receipt]:
        """`send`, then `wait`.

        Raises
        ------
        TransactionRejected
            One of them may not enter a block; none was taken.
        ChainError
            One is not final in time.
        """
        ...

    def call(self, to: Address, data: bytes, *, sender: Address = ZERO_ADDRESS) -> bytes:
        """Run a call on the newest state, at the height and time of a block sealed now, and forget it.

        Raises
        ------
        ContractReverted
            The contract refuses.
        """
        ...

    def estimate_gas(self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS) -> int:
        """Gas limit with which a transaction succeeds on the newest state; ``to=None`` creates a contract.

        Raises
        ------
        ContractReverted
            It fails however much gas it has.
        """
        ...

    def next_nonce(self, address: Address) -> int:
        """Nonce of an account's next transaction, counting those that were sent but are in no block yet."""
        ...

    def head(self) -> Header:
        """Header of the newest block; that of the genesis if there is none."""
        ...

    def block(self, height: int) -> Block:
        """Read a block, from height 1 on.

        Raises
        ------
        InvalidValue
            The chain has no such block.
        """
        ...

    def transaction(self, tx_hash: bytes) -> SignedTransaction | None:
        """Find a transaction in a block; None if it is in none."""
        ...

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Find the receipt of a transaction; None if it is in no block."""
        ...

    def logs(
        self,
        *,
        address: Address | None = None,
        topics: Sequence[Collection[bytes] | None] = (),
        first_block: int = 1,
        last_block: int | None = None,
    ) -> Iterator[Log]:
        """Events in the order in which they were emitted.

        Parameters
        ----------
        address
            The emitting contract; None for any.
        topics
            For each position the accepted values, or None for any. An event with fewer topics does not match.
        first_block, last_block
            Heights, both included; up to the head by default.
        """
        ...

    def close(self) -> None:
        """Make what was sent durable and let go of the chain; closing twice is the same as once."""
        ...
