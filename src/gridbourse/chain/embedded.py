"""The embedded engine: this process puts the transactions in order and seals the blocks itself.

Blocks are sealed at once, one for each `send`, or at an interval, all that has come in together. Both wait
for the disk once per block; the interval lets many senders share that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from gridbourse._native import ProposedBlock
from gridbourse.chain.block import Genesis, Receipt
from gridbourse.chain.clock import require_not_behind, system_clock
from gridbourse.chain.local import LocalChain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainError, InvalidValue, Rejection, TransactionRejected

MAX_BLOCK_TRANSACTIONS = 5_000
"""Bounds what a block keeps in memory; a larger `send` fills several blocks."""


class EmbeddedChain(LocalChain):
    """A chain in one file, sealed by this process.

    Parameters
    ----------
    path
        The chain's file; made if it does not exist, proven sound if it does.
    genesis
        What the chain is.
    key
        The sealer's key.
    interval_seconds
        Time between the first transaction that comes in and the sealing of its block; None seals at once.
    clock
        Source of block times, in seconds since the epoch.

    Raises
    ------
    ChainLocked
        Another process has the chain open.
    ChainCorrupted
        The file is not what was sealed; the error names the place.
    InvalidValue
        The key is not the sealer's, or the file holds the chain of another genesis.
    """

    def __init__(
        self,
        path: Path,
        genesis: Genesis,
        key: SigningKey,
        *,
        interval_seconds: float | None = None,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        if key.address != genesis.sealer:
            raise InvalidValue("key", key, f"the key of the genesis' sealer, 0x{genesis.sealer.hex()}")
        super().__init__(path, genesis, clock=clock)
        self._key = key
        self._interval_seconds: float | None = None
        self._block_gas = genesis.gas_limit
        self._sealer: Thread | None = None
        self.set_blocks(interval_seconds, genesis.gas_limit)

    def set_blocks(self, interval_seconds: float | None, gas_limit: int) -> None:
        """Seal at another interval from now on, and put less gas into a block.

        Parameters
        ----------
        interval_seconds
            As for a new chain; what waits for a block is sealed before the interval ends.
        gas_limit
            The most gas of a block, up to that of the genesis, which block headers go on naming.

        Raises
        ------
        InvalidValue
            The genesis does not allow so much gas.
        """
        if not 1 <= gas_limit <= self._genesis.gas_limit:
            raise InvalidValue("gas_limit", gas_limit, f"1 to {self._genesis.gas_limit}, the genesis' own")
        with self._changed:
            self._require_open()
            self._interval_seconds, self._block_gas = interval_seconds, gas_limit
            if interval_seconds is None and self._queue:
                self._seal_queue(self._sealing_time())
            if interval_seconds is not None and self._sealer is None:
                self._sealer = Thread(target=self._seal_at_intervals, name=f"sealer of {self._path.name}", daemon=True)
                self._sealer.start()
            self._changed.notify_all()

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Check signed transactions and hand all of them in, or none; returns their hashes.

        Raises
        ------
        TransactionRejected
            One of them may not enter a block.
        ClockWrong
            The clock is not to be believed.
        """
        is_whole_block = self._interval_seconds is None and self._block_gas == self._genesis.gas_limit
        if is_whole_block and 0 < len(raw_transactions) <= MAX_BLOCK_TRANSACTIONS:
            with suppress(_MoreThanABlock):
                return self._seal_at_once(raw_transactions)
        batch = SignedTransaction.decode_all(raw_transactions)
        with self._changed:
            self._require_open()
            self._require_fitting(batch)
            now = self._sealing_time()  # before anything is taken
            self._enqueue(batch)
            if self._interval_seconds is None:
                self._seal_queue(now)
            else:
                self._changed.notify_all()
        return [signed.hash for signed in batch]

    def _seal_at_once(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Recover, check and run transactions as one block, each as soon as its sender is known."""
        with self._changed:
            self._require_open()
            try:
                proposed = self._core.execute_raw(raw_transactions, self._sealing_time())
            except TransactionRejected as error:
                if error.reason is Rejection.BLOCK_GAS and len(raw_transactions) > 1:
                    raise _MoreThanABlock from error
                raise
            try:
                receipts = self._append(proposed)
            except BaseException as error:
                self._failure = error
                if isinstance(error, Exception):
                    self._require_open()
                raise
            self._newest_receipts = {receipt.transaction_hash: receipt for receipt in receipts}
            return list(self._newest_receipts)

    def confirm_clock(self) -> None:
        """Seal an empty block: after a long pause its time says that the clock is right.

        Raises
        ------
        ClockWrong
            The clock lies behind the newest block.
        """
        with self._changed:
            self._require_open()
            now = system_clock()
            require_not_behind(now, self._core.head.timestamp)
            self._append(self._core.execute([], max(now, self._core.head.timestamp)))

    def _sealing_time(self) -> int:
        """Time of a block that is sealed now."""
        now, newest = self._clock(), self._core.head.timestamp
        require_not_behind(now, newest)
        return max(now, newest)

    def _stop(self) -> None:
        if self._sealer is not None:
            self._sealer.join()

    def _seal_at_intervals(self) -> None:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._closed)
                self._changed.wait_for(lambda: self._closed or self._interval_seconds is None, self._interval_seconds)
                # Kept in _failure, which all who wait are told; a wrong clock ends by itself.
                with suppress(ChainError):
                    self._seal_queue(self._sealing_time())
                self._changed.notify_all()
                if self._closed or self._failure:
                    return

    def _seal_queue(self, now: int) -> None:
        """Seal all that waits. If that is cut short, the chain takes nothing more until it is reopened."""
        queue, receipts = list(self._queue.values()), {}
        try:
            while queue:
                size = self._block_size(queue)
                for receipt in self._append(self._core.execute(queue[:size], now)):
                    receipts[receipt.transaction_hash] = receipt
                del queue[:size]
        except BaseException as error:
            self._failure = error
            if isinstance(error, Exception):
                self._require_open()
            raise
        finally:
            self._queue.clear()
            self._queued_nonces.clear()
        self._newest_receipts = receipts

    def _require_fitting(self, batch: Sequence[SignedTransaction]) -> None:
        """Refuse what fits into no block."""
        for signed in batch:
            if signed.gas_limit > self._block_gas:
                text = (
                    f"transaction 0x{signed.hash.hex()}: gas_limit {signed.gas_limit}: give at most {self._block_gas}"
                )
                raise TransactionRejected(text, Rejection.BLOCK_GAS)

    def _block_size(self, queue: Sequence[SignedTransaction]) -> int:
        """How many transactions from the front of the queue fit into a block whatever gas they use."""
        gas = 0
        for size, signed in enumerate(queue[:MAX_BLOCK_TRANSACTIONS]):
            gas += signed.gas_limit
            if gas > self._block_gas:
                return size
        return min(len(queue), MAX_BLOCK_TRANSACTIONS)

    def _append(self, proposed: ProposedBlock) -> list[Receipt]:
        self._record_heads()
        self._core.append(proposed, self._key.sign(proposed.header.seal_digest))
        return proposed.receipts


class _MoreThanABlock(ChainError):
    """A batch takes more gas than a block has."""
