"""A chain in one file of this machine: everything but who puts its transactions in order.

It opens and proves the file, answers all questions about the newest state and about what has been, runs blocks
and makes them durable. The engines that keep their blocks here add only where the blocks come from.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Self

from gridbourse.chain.block import Block, Genesis, Header, Log, Receipt
from gridbourse.chain.evm import Message
from gridbourse.chain.executor import Execution, Executor, Place
from gridbourse.chain.integrity import (
    audit,
    check_page_digests,
    reexecute,
    remove_page_digests,
    write_page_digests,
)
from gridbourse.chain.interface import DEFAULT_TIMEOUT_SECONDS, ZERO_ADDRESS, Account, Chain, Fees
from gridbourse.chain.revert import contract_error
from gridbourse.chain.store import Store, StoredTransaction
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import merkle_root
from gridbourse.errors import ChainError, InvalidValue

RECENT_BLOCKS = 4
"""So many blocks stay in memory: whoever waits or follows asks for them, and decoding costs as much as running them."""


def system_clock() -> int:
    """Seconds since the epoch."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class NextBlock:
    """A block that was run on the newest state, and is not part of the chain yet.

    Parameters
    ----------
    header
        Its head.
    changes
        The encoded state changes.
    rows
        Its transactions and encoded receipts as they are stored.
    execution
        What it does.
    """

    header: Header
    changes: Sequence[bytes]
    rows: Sequence[StoredTransaction]
    execution: Execution


class LocalChain(Chain):
    """A chain in one file.

    Parameters
    ----------
    path
        The chain's file; made if it does not exist, proven sound if it does.
    genesis
        What the chain is.
    clock
        Source of the present time, in seconds since the epoch.

    Raises
    ------
    ChainLocked
        Another process has the chain open.
    ChainCorrupted
        The file is not what was sealed; the error names the place.
    InvalidValue
        The file holds the chain of another genesis.
    """

    def __init__(self, path: Path, genesis: Genesis, *, clock: Callable[[], int] = system_clock) -> None:
        self._genesis = genesis
        self._clock = clock
        self._load(path)
        self._queue: dict[bytes, SignedTransaction] = {}
        self._queued_nonces: dict[Address, int] = {}
        self._newest_receipts: dict[bytes, Receipt] = {}
        self._changed = Condition()
        self._closed = False
        self._failure: BaseException | None = None

    @property
    def chain_id(self) -> int:
        """Number that transactions for this chain are signed with."""
        return self._genesis.chain_id

    @property
    def path(self) -> Path:
        """The chain's file."""
        return self._store.path

    @abstractmethod
    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Check signed transactions and hand all of them in, or none; returns their hashes."""

    def wait(self, hashes: Sequence[bytes], *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> list[Receipt]:
        """Wait until transactions are final and durable; returns their receipts in the same order."""
        with self._changed:
            self._require_open()
            if not self._changed.wait_for(lambda: self._settled(hashes), timeout_seconds):
                raise ChainError(f"not final within {timeout_seconds} s; wait again or longer")
            self._require_open()
            return [self._newest_receipts.get(tx_hash) or self._known_receipt(tx_hash) for tx_hash in hashes]

    def submit(self, raw_transactions: Sequence[bytes]) -> list[Receipt]:
        """`send`, then `wait`."""
        return self.wait(self.send(raw_transactions))

    def call(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> bytes:
        """Run a call on the newest state, at the height and time of a block sealed now, and forget it."""
        with self._changed:
            self._require_open()
            outcome = self._executor.call(self._next_place(), Message(sender, to, data), self._most_gas(gas_limit))
        if not outcome.succeeded:
            raise contract_error(outcome.output, outcome.halt)
        return outcome.output

    def estimate_gas(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> int:
        """Gas limit with which a transaction succeeds on the newest state; ``to=None`` creates a contract."""
        with self._changed:
            self._require_open()
            message = Message(sender, to, data)
            return self._executor.estimate_gas(self._next_place(), message, self._most_gas(gas_limit))

    def next_nonce(self, address: Address) -> int:
        """Nonce of an account's next transaction, counting those that were sent but are in no block yet."""
        with self._changed:
            self._require_open()
            return self._next_nonce(address)

    def account(self, address: Address) -> Account:
        """An account on the newest state; one that nobody has used is empty."""
        with self._changed:
            self._require_open()
            return Account(self._executor.next_nonce(address), self._executor.code(address))

    def storage(self, address: Address, slot: int) -> bytes:
        """Word of 32 bytes in a slot of a contract's storage, on the newest state."""
        with self._changed:
            self._require_open()
            return self._executor.storage(address, slot)

    def fees(self) -> Fees:
        """Nothing: gas is free."""
        return Fees()

    def head(self) -> Header:
        """Header of the newest block; that of the genesis if there is none."""
        with self._changed:
            return self._head

    def header(self, height: int) -> Header:
        """Header of a block, from height 0 on, which is the genesis."""
        if height == 0:
            return self._genesis.header
        with self._changed:
            self._require_open()
            header = self._store.header(height)
        if header is None:
            raise InvalidValue("height", height, f"a height from 0 to {self.head().height}")
        return header

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of the block with a hash; None if the chain has no such block."""
        if block_hash == self._genesis.header.hash:
            return 0
        with self._changed:
            self._require_open()
            return self._store.height_of(block_hash)

    def block(self, height: int) -> Block:
        """Read a block, from height 1 on."""
        with self._changed:
            self._require_open()
            if recent := self._recent.get(height):
                return recent
            stored = self._store.block(height)
            if stored is None:
                raise InvalidValue("height", height, f"a height from 1 to {self._head.height}")
            return stored.decoded()

    def transaction(self, tx_hash: bytes) -> SignedTransaction | None:
        """Find a transaction in a block; None if it is in none."""
        with self._changed:
            self._require_open()
            stored = self._store.transaction(tx_hash)
        return SignedTransaction.decode(stored.raw) if stored else None

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Find the receipt of a transaction; None if it is in no block."""
        with self._changed:
            self._require_open()
            stored = self._store.transaction(tx_hash)
        return stored.decoded_receipt() if stored else None

    def logs(
        self,
        *,
        address: Address | None = None,
        topics: Sequence[Collection[bytes] | None] = (),
        first_block: int = 1,
        last_block: int | None = None,
    ) -> Iterator[Log]:
        """Events in the order in which they were emitted."""
        last = self.head().height if last_block is None else last_block
        place = (first_block, -1)
        while True:
            with self._changed:
                self._require_open()
                found = self._store.transactions_with_logs(address, place, last)
            if not found:
                return
            place = (found[-1].height, found[-1].position)
            for stored in found:
                for log in stored.decoded_receipt().logs:
                    if address in {None, log.address} and _matches(log.topics, topics):
                        yield log

    def verify(self) -> None:
        """Check everything again, and run every block again from the genesis.

        Opening a chain proves that it holds what was sealed; this proves that what was sealed is right.

        Raises
        ------
        ChainCorrupted
            A block is not what was sealed, or does not do what it says.
        """
        with self._changed:
            self._require_open()
            audit(self._store, self._genesis)
            reexecute(self._store, self._genesis)

    def back_up(self, path: Path) -> None:
        """Write a copy of the chain's file, with all that is sealed; no block is sealed meanwhile."""
        with self._changed:
            self._require_open()
            self._store.back_up(path)

    def close(self) -> None:
        """Make what was sent durable and let go of the chain; closing twice is the same as once."""
        with self._changed:
            already_closed, self._closed = self._closed, True
            self._changed.notify_all()
        if already_closed:
            return
        self._stop()
        self._store.close()
        if self._failure is None:
            write_page_digests(self._store.path)

    def _stop(self) -> None:
        """End what the engine does by itself, before the file is closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self, path: Path) -> None:
        """Open a file and prove it sound; its newest state becomes the chain's."""
        check_page_digests(path)
        self._store = Store(path)
        try:
            found = audit(self._store, self._genesis)
        except BaseException:
            self._store.close()
            raise
        remove_page_digests(path)
        self._head = found.head
        self._recent: dict[int, Block] = {}
        self._executor = Executor(self._genesis)
        self._executor.apply(found.state)

    def _require_open(self) -> None:
        if self._failure:
            raise ChainError(f"{self._store.path}: sealing failed: {self._failure!r}; reopen it") from self._failure
        if self._closed:
            raise ChainError(f"{self._store.path}: this chain is closed; open it again")

    def _settled(self, hashes: Sequence[bytes]) -> bool:
        return self._failure is not None or self._queue.keys().isdisjoint(hashes)

    def _next_nonce(self, address: Address) -> int:
        queued = self._queued_nonces.get(address)
        return self._executor.next_nonce(address) if queued is None else queued

    def _enqueue(self, batch: Sequence[SignedTransaction]) -> None:
        """Check transactions against what their senders have sent before; all of them wait for a block, or none.

        One that waits already goes on waiting: its sender did not hear that it was taken, and sent it again.
        """
        nonces: dict[Address, int] = {}
        for signed in [signed for signed in batch if signed.hash not in self._queue]:
            sender = signed.sender
            nonce = nonces[sender] if sender in nonces else self._next_nonce(sender)
            self._executor.check(signed, nonce, self._genesis.gas_limit)
            nonces[sender] = nonce + 1
        self._queue.update((signed.hash, signed) for signed in batch)
        self._queued_nonces.update(nonces)

    def _next_place(self) -> Place:
        return Place(self._head.height + 1, max(self._head.timestamp, self._clock()))

    def _most_gas(self, wanted: int | None) -> int:
        return self._genesis.gas_limit if wanted is None else min(wanted, self._genesis.gas_limit)

    def _known_receipt(self, tx_hash: bytes) -> Receipt:
        stored = self._store.transaction(tx_hash)
        if stored is None:
            raise ChainError(f"transaction 0x{tx_hash.hex()}: unknown to this chain; send it first")
        return stored.decoded_receipt()

    def _next_block(self, place: Place, transactions: Sequence[SignedTransaction], execution: Execution) -> NextBlock:
        """Make a block of what was executed on the newest state."""
        changes = [change.encode() for change in execution.changes]
        rows = [
            StoredTransaction(place.height, position, signed.hash, signed.raw, receipt.encode())
            for position, (signed, receipt) in enumerate(zip(transactions, execution.receipts, strict=True))
        ]
        header = Header(
            chain_id=self._genesis.chain_id,
            height=place.height,
            timestamp=place.timestamp,
            parent_hash=self._head.hash,
            transactions_root=merkle_root([row.raw for row in rows]),
            receipts_root=merkle_root([row.receipt for row in rows]),
            changes_root=merkle_root(changes),
            gas_used=execution.gas_used,
            gas_limit=self._genesis.gas_limit,
            sealer=self._genesis.sealer,
        )
        return NextBlock(header, changes, rows, execution)

    def _append(self, block: NextBlock, progress: int = 0) -> None:
        """Make a sealed block durable; the state moves on."""
        execution = block.execution
        self._store.append(block.header, block.changes, block.rows, execution.receipts, progress)
        self._executor.apply(execution.changes)
        self._head = block.header
        raw_transactions = tuple(row.raw for row in block.rows)
        self._recent[block.header.height] = Block(block.header, raw_transactions, execution.receipts, execution.changes)
        self._recent.pop(block.header.height - RECENT_BLOCKS, None)


def _matches(found: Sequence[bytes], wanted: Sequence[Collection[bytes] | None]) -> bool:
    return len(found) >= len(wanted) and all(
        accepted is None or topic in accepted for topic, accepted in zip(found, wanted, strict=False)
    )
