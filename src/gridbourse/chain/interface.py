"""What every chain offers, whoever orders its transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.simulation import Simulation
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address, keccak256

ZERO_ADDRESS = Address(bytes(20))
EMPTY_ROOT = keccak256(b"\x80")
"""Root of a trie without leaves: the hash of the RLP of nothing."""
DEFAULT_TIMEOUT_SECONDS = 30.0

Confirmations = int | Literal["finalized"]
"""How many blocks on top make a block final, or that the network itself says which are."""


class HeaderView(Protocol):
    """What every engine tells of a block's head. An engine's own header may hold more."""

    @property
    def height(self) -> int:
        """Number of the block; the genesis is 0."""
        ...

    @property
    def hash(self) -> bytes:
        """The block's name."""
        ...

    @property
    def parent_hash(self) -> bytes:
        """Name of the block before."""
        ...

    @property
    def timestamp(self) -> int:
        """Seconds since the epoch, never before the parent's."""
        ...

    @property
    def transactions_root(self) -> bytes:
        """What commits to the transactions; how is the engine's affair, as with the two below."""
        ...

    @property
    def receipts_root(self) -> bytes:
        """What commits to the receipts."""
        ...

    @property
    def state_root(self) -> bytes:
        """What commits to the state, or to what the block changed of it."""
        ...

    @property
    def gas_used(self) -> int:
        """Gas of all transactions."""
        ...

    @property
    def gas_limit(self) -> int:
        """Most gas that a block may use."""
        ...

    @property
    def sealer(self) -> Address:
        """Who made the block."""
        ...


class BlockView(Protocol):
    """What every engine tells of a block."""

    @property
    def header(self) -> HeaderView:
        """Its head."""
        ...

    @property
    def transactions(self) -> tuple[bytes, ...]:
        """The raw transactions."""
        ...

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Their receipts, in the same order."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """An account on the newest state.

    Parameters
    ----------
    nonce
        How many of its transactions are in blocks.
    code
        Code, if it is a contract.
    balance_wei
        Coins; always 0 where gas is free.
    """

    nonce: int
    code: bytes
    balance_wei: int = 0


@dataclass(frozen=True, slots=True)
class StorageProof:
    """What a slot holds, and the nodes of the account's trie that prove it."""

    slot: int
    value: int
    nodes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """What an account holds behind a block, and what proves it by the state root, which the next header carries.

    Parameters
    ----------
    nonce, balance_wei, code_hash, storage_root
        Its fields in the state trie; the hash is zero where there is no such account.
    nodes
        From the root to the account, or to where it would be.
    slots
        Those that were asked for, in their order.
    """

    nonce: int
    balance_wei: int
    code_hash: bytes
    storage_root: bytes
    nodes: Sequence[bytes]
    slots: Sequence[StorageProof]


@dataclass(frozen=True, slots=True)
class Fees:
    """What to bid for gas now, in wei (EIP-1559): the most in all, and the part of it for who makes the block."""

    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0


class Chain(Protocol):
    """A chain of blocks of signed Ethereum transactions.

    A caller may rely on this:

    - **Finality.** What `wait` returns is final: never reorganised, and durable as the engine is. `head`, `header`,
      `block`, `transaction`, `receipt` and `logs` tell of final blocks only, so blocks are only ever added.
    - **Receipts.** A transaction in a block has exactly one receipt and never runs again. A failed one
      consumed its nonce and did nothing else.
    - **Order.** Transactions of one `send` keep their order. Those of different senders are in the order in
      which the chain took them.
    - **Gas price.** What `fees` says. It is zero unless the chain is another network that charges: elsewhere gas limits
      execution and is measured, but nobody pays for it, and there is no coin.

    ``docs/chain.md`` says what each engine adds or cannot give.
    """

    @property
    def chain_id(self) -> int:
        """Number that transactions for this chain are signed with."""
        ...

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Check signed transactions and hand all of them in, in this order; returns their hashes.

        Raises
        ------
        TransactionRejected
            One of them may not enter a block. Where this process orders transactions, none was taken; where others
            do, some may have been, as `next_nonce` tells. Sending the same bytes again is harmless.
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
            One of them may not enter a block, as for `send`.
        ChainError
            One is not final in time.
        """
        ...

    def call(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> bytes:
        """Run a call on the newest state, at the height and time of a block sealed now, and forget it.

        Parameters
        ----------
        to, data
            The contract, and what it is told; with ``to=None``, the code that makes one, and the answer is its code.
        sender
            Who calls, as far as the contract can see.
        gas_limit
            Most gas it may use; that of a block by default.

        Raises
        ------
        ContractReverted
            The contract refuses.
        """
        ...

    def estimate_gas(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> int:
        """Gas limit with which a transaction succeeds on the newest state; ``to=None`` creates a contract.

        Parameters
        ----------
        to, data, sender
            As for `call`.
        gas_limit
            Most gas to try; that of a block by default.

        Raises
        ------
        ContractReverted
            It fails with the most gas, too.
        """
        ...

    def prove(self, height: int, address: Address, slots: Sequence[int]) -> AccountProof:
        """What an account and some slots hold behind the newest block, proven (EIP-1186).

        Raises
        ------
        StateNotKept
            The block is not the newest, or the state is another node's.
        """
        ...

    def simulate(self, height: int) -> Simulation:
        """Suppose a block behind another; nothing of it lasts.

        Raises
        ------
        StateNotKept
            The state behind the block is not there any more, or is another node's.
        """
        ...

    def next_nonce(self, address: Address) -> int:
        """Nonce of an account's next transaction, counting those that were sent but are in no block yet."""
        ...

    def account(self, address: Address) -> Account:
        """An account on the newest state; one that nobody has used is empty."""
        ...

    def storage(self, address: Address, slot: int) -> bytes:
        """Word of 32 bytes in a slot of a contract's storage, on the newest state."""
        ...

    def fees(self) -> Fees:
        """What a transaction should bid for its gas."""
        ...

    def head(self) -> HeaderView:
        """Header of the newest block; that of the genesis if there is none."""
        ...

    def header(self, height: int) -> HeaderView:
        """Header of a block, from height 0 on, which is the genesis.

        Raises
        ------
        InvalidValue
            The chain has no such block.
        """
        ...

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of the block with a hash; None if the chain has no such block."""
        ...

    def block(self, height: int) -> BlockView:
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
