"""A chain in one file of this machine: everything but who puts its transactions in order.

It opens the file, answers all questions about the newest state and about what has been, and makes blocks durable; the
core does the work. The engines that keep their blocks here add only where the blocks come from.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from threading import Condition
from typing import NamedTuple, Self

from gridbourse._native import Core
from gridbourse.chain.block import Block, Genesis, Header, Log, Receipt
from gridbourse.chain.clock import system_clock
from gridbourse.chain.interface import (
    DEFAULT_TIMEOUT_SECONDS,
    EMPTY_ROOT,
    ZERO_ADDRESS,
    Account,
    AccountProof,
    Chain,
    Fees,
    StorageProof,
)
from gridbourse.chain.revert import contract_error
from gridbourse.chain.simulation import Message, Outcome, Placed, Simulation
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address
from gridbourse.errors import ChainCorrupted, ChainError, ClockWrong, InvalidValue, StateNotKept

PUT_BACK = (
    "put its newest copy back, with the -journal beside it if there is one, or restore the region's newest backup "
    "(`gridbourse region restore`)"
)
"""What to do about a file that does not hold what it held."""

_RECEIPTS_AT_A_TIME = 1_000


class ScrubPlace(NamedTuple):
    """The page and the block that a scrub checks next."""

    page: int = 0
    block: int = 1


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
        self._path = path
        self._load()
        self._queue: dict[bytes, SignedTransaction] = {}
        self._queued_nonces: dict[Address, int] = {}
        self._newest_receipts: dict[bytes, Receipt] = {}
        self._watched: dict[LocalChain, int] = {}
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
        return self._path

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
        found = self.simulate(self.head().height).call(Message(self._most_gas(gas_limit), sender, to, data))
        if not found.succeeded:
            raise contract_error(found.output, found.halt)
        return found.output

    def estimate_gas(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> int:
        """Gas limit with which a transaction succeeds on the newest state; ``to=None`` creates a contract."""
        message = Message(self._most_gas(gas_limit), sender, to, data)
        found = self.simulate(self.head().height).estimate_gas(message)
        if isinstance(found, Outcome):
            raise contract_error(found.output, found.halt)
        return found

    def prove(self, height: int, address: Address, slots: Sequence[int]) -> AccountProof:
        """What an account and some slots hold behind the newest block, proven (EIP-1186)."""
        with self._changed:
            self._require_open()
            head = self._core.head.height
            if height != head:
                raise StateNotKept(f"the trie of block {height} is not kept; ask at latest, now block {head}")
            _, account, nodes, found = self._core.proof(address, slots)
        nonce, balance, storage_root, code_hash = account or (0, 0, EMPTY_ROOT, bytes(32))
        return AccountProof(nonce, balance, code_hash, storage_root, nodes, [StorageProof(*entry) for entry in found])

    def simulate(self, height: int) -> Simulation:
        """Suppose a block behind another, at the time of the one that followed it, or of one sealed now."""
        with self._changed:
            self._require_open()
            core, head, now = self._core, self._core.head, self._next_time()
        time = now if height == head.height else self.header(height + 1).timestamp
        placed = Placed(height + 1, time, self.header(height).hash, self._genesis.gas_limit)
        return Simulation(core.simulate(height, time), placed)

    def next_nonce(self, address: Address) -> int:
        """Nonce of an account's next transaction, counting those that were sent but are in no block yet."""
        with self._changed:
            self._require_open()
            return self._next_nonce(address)

    def account(self, address: Address) -> Account:
        """An account on the newest state; one that nobody has used is empty."""
        with self._changed:
            self._require_open()
            return Account(self._core.nonce(address), self._core.code(address), self._core.balance(address))

    def storage(self, address: Address, slot: int) -> bytes:
        """Word of 32 bytes in a slot of a contract's storage, on the newest state."""
        with self._changed:
            self._require_open()
            return self._core.storage(address, slot)

    def fees(self) -> Fees:
        """Nothing: gas is free."""
        return Fees()

    def head(self) -> Header:
        """Header of the newest block; that of the genesis if there is none."""
        # Whoever looks whether there is something new is to notice a chain that ended.
        self._require_open()
        return self._core.head

    def header(self, height: int) -> Header:
        """Header of a block, from height 0 on, which is the genesis."""
        if height == 0:
            return self._genesis.header
        with self._changed:
            self._require_open()
            header = self._core.header(height) if height > 0 else None
        if header is None:
            raise InvalidValue("height", height, f"a height from 0 to {self.head().height}")
        return header

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of the block with a hash; None if the chain has no such block."""
        if block_hash == self._genesis.header.hash:
            return 0
        with self._changed:
            self._require_open()
            return self._core.height_of(block_hash)

    def block(self, height: int) -> Block:
        """Read a block, from height 1 on."""
        with self._changed:
            self._require_open()
            header = self._core.header(height) if height > 0 else None
            if header is None:
                raise InvalidValue("height", height, f"a height from 1 to {self._core.head.height}")
            transactions, receipts = self._core.body(height)
        return Block(header, tuple(transactions), tuple(receipts))

    def transaction(self, tx_hash: bytes) -> SignedTransaction | None:
        """Find a transaction in a block; None if it is in none."""
        with self._changed:
            self._require_open()
            return self._core.transaction(tx_hash)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Find the receipt of a transaction; None if it is in no block."""
        with self._changed:
            self._require_open()
            return self._core.receipt(tx_hash)

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
        place = (max(first_block, 0), 0)
        while True:
            with self._changed:
                self._require_open()
                found = self._core.receipts_with_logs(address, place, last, _RECEIPTS_AT_A_TIME)
            if not found:
                return
            place = (found[-1].height, found[-1].position + 1)
            for receipt in found:
                for log in receipt.logs:
                    if address in {None, log.address} and _matches(log.topics, topics):
                        yield log

    def verify(self, *, executes: bool = True, report: Callable[[str, int, int], None] = lambda *_: None) -> None:
        """Read every byte of the file again, and check every block from the genesis on and the state they lead to.

        What is read is always checked; this reads all, and proves that it is what was sealed.

        Parameters
        ----------
        executes
            Whether to run every block again, too: that proves that what was sealed is right.
        report
            Is told now and then what is checked ("pages", then "blocks"), how much is, and of how much.

        Raises
        ------
        ChainCorrupted
            A page, block or index is not what was written, or a block does not do what it says.
        """
        with self._changed:
            self._require_open()
        self._core.verify(executes=executes, report=report)

    def scrub(self, place: ScrubPlace, *, pages: int = 256, blocks: int = 64) -> ScrubPlace:
        """Check some pages and some blocks of the file beside the chain's work; returns where to go on.

        Pages are checked against their sums, blocks as in `verify`, each by itself. Both begin anew at their end.

        Raises
        ------
        ChainCorrupted
            One is not what was written.
        """
        with self._changed:
            self._require_open()
        page, block = self._core.scrub(place.page, pages), self._core.check_blocks(place.block, blocks)
        return ScrubPlace(page if page != place.page else 0, block if block != place.block else 1)

    def back_up(self, path: Path) -> None:
        """Write a copy of the chain's file, with all that is sealed; no block is sealed meanwhile."""
        with self._changed:
            self._require_open()
            self._core.back_up(path)

    def watch_over(self, other: LocalChain) -> None:
        """Record the head of another chain of the same folder with every block of this one from now on.

        What was recorded before is compared first: so a file that was lost, shortened or replaced is noticed, and each
        costs no wait for the disk. Both files would have to be set back together to deceive.

        Raises
        ------
        ChainCorrupted
            The other file does not hold the block that this one recorded.
        """
        recorded = self._core.meta(other.record_name)
        if recorded is not None:
            other.require_block(int.from_bytes(recorded[:8], "big"), recorded[8:], self._path)
        self._watched[other] = -1

    def keep_heads(self) -> None:
        """Make the heads of the chains that are watched over durable in this file, if one is new."""
        with self._changed:
            self._require_open()
            if self._record_heads():
                self._core.set_progress(self._core.progress)

    @property
    def record_name(self) -> str:
        """Under this name other files of the folder keep this chain's head."""
        return f"head of {self._path.stem}"

    def require_block(self, height: int, block_hash: bytes, witness: Path) -> None:
        """Refuse a file that lacks a block which another file of the folder recorded.

        Raises
        ------
        ChainCorrupted
            The block is not there, or is another one.
        """
        head = self.head().height
        if height <= head and self.header(height).hash == block_hash:
            return
        found = f"the file ends with block {head}" if height > head else "the file holds another block"
        raise ChainCorrupted(
            self._path,
            f"block {height}",
            f"{witness.name} records it with hash 0x{block_hash.hex()}, but {found}: it was lost, shortened or "
            f"replaced; {PUT_BACK}",
        )

    def _record_heads(self) -> bool:
        """Note heads that are newer than those recorded here, to be written with the next block; whether there are any.

        What is recorded is durable in its own file already.
        """
        heads = [(chain, chain.head()) for chain in self._watched]
        newer = [(chain, head) for chain, head in heads if head.height > self._watched[chain]]
        for chain, head in newer:
            self._core.put_meta(chain.record_name, head.height.to_bytes(8, "big") + head.hash)
            self._watched[chain] = head.height
        return bool(newer)

    def close(self) -> None:
        """Make what was sent durable and let go of the chain; closing twice is the same as once."""
        with self._changed:
            already_closed, self._closed = self._closed, True
            self._changed.notify_all()
        if already_closed:
            return
        self._stop()
        self._core.close()

    def _stop(self) -> None:
        """End what the engine does by itself, before the file is closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> None:
        """Open the file; its newest state becomes the chain's."""
        self._core = self.empty_core(self._path)

    def empty_core(self, path: Path) -> Core:
        """Open another file with the chain of this genesis, or make one."""
        genesis = self._genesis
        return Core(path, genesis.chain_id, genesis.sealer, genesis.gas_limit, genesis.timestamp, genesis.fork)

    def _require_open(self) -> None:
        if self._failure:
            raise ChainError(f"{self._path}: sealing failed: {self._failure!r}; reopen it") from self._failure
        if self._closed:
            raise ChainError(f"{self._path}: this chain is closed; open it again")

    def _settled(self, hashes: Sequence[bytes]) -> bool:
        return self._failure is not None or self._queue.keys().isdisjoint(hashes)

    def _next_nonce(self, address: Address) -> int:
        queued = self._queued_nonces.get(address)
        return self._core.nonce(address) if queued is None else queued

    def _enqueue(self, batch: Sequence[SignedTransaction]) -> None:
        """Check transactions against what their senders have sent before; all of them wait for a block, or none.

        One that waits already goes on waiting: its sender did not hear that it was taken, and sent it again.
        """
        nonces: dict[Address, int] = {}
        for signed in [signed for signed in batch if signed.hash not in self._queue]:
            sender = signed.sender
            nonce = nonces[sender] if sender in nonces else self._next_nonce(sender)
            self._core.check(signed, nonce)
            nonces[sender] = nonce + 1
        self._queue.update((signed.hash, signed) for signed in batch)
        self._queued_nonces.update(nonces)

    def _next_time(self) -> int:
        """Time of a block made now, as far as questions go: they are answered under a wrong clock, too."""
        newest = self._core.head.timestamp
        try:
            return max(newest, self._clock())
        except ClockWrong:
            return newest

    def _most_gas(self, wanted: int | None) -> int:
        return self._genesis.gas_limit if wanted is None else min(wanted, self._genesis.gas_limit)

    def _known_receipt(self, tx_hash: bytes) -> Receipt:
        receipt = self._core.receipt(tx_hash)
        if receipt is None:
            raise ChainError(f"transaction 0x{tx_hash.hex()}: unknown to this chain; send it first")
        return receipt


def _matches(found: Sequence[bytes], wanted: Sequence[Collection[bytes] | None]) -> bool:
    return len(found) >= len(wanted) and all(
        accepted is None or topic in accepted for topic, accepted in zip(found, wanted, strict=False)
    )
