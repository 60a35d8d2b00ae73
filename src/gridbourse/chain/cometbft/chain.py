"""A chain in a file of this machine whose blocks CometBFT orders.

Nothing here knows a wire format. CometBFT asks four things of a block: `prepare` one from what waits, `process`
one that was proposed, `finalize` one that was decided, `commit` it. A block is run when it is first seen; the
later steps find what it did. Only `commit` changes state and file, both or neither, so whatever dies in between,
CometBFT hands the block in again and it is run again on the same state.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from gridbourse._native import Core, ProposedBlock
from gridbourse.chain.block import Genesis
from gridbourse.chain.clock import system_clock
from gridbourse.chain.cometbft.bundle import MAX_BUNDLE_BYTES, BundleReader, encode_bundle
from gridbourse.chain.cometbft.membership import Membership
from gridbourse.chain.cometbft.ordering import Ordering
from gridbourse.chain.cometbft.wire import Misbehaviour, OrderedBlock
from gridbourse.chain.local import LocalChain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address
from gridbourse.errors import ChainCorrupted, ChainError, TransactionRejected

MAX_BLOCK_TRANSACTIONS = 5_000
PREPARE_SECONDS = 0.4
"""A proposer stops taking transactions then, so that its proposal comes before the others give up waiting for it.
CometBFT's `timeout_propose` is a multiple."""
PROCESS_SECONDS = 10 * PREPARE_SECONDS
"""A proposal that takes a validator longer is voted down; another proposer is next. What is decided runs to its end."""
MAX_NONCES_AHEAD = 20_000
"""How many transactions of one sender may wait; they may come in any order, by gossip."""
GAP_SECONDS = 20.0
"""How long transactions wait whose sender's next one is not there."""
MAX_WAITING = 50_000
"""How many transactions may wait that were sent here."""
RETRY_SECONDS = 0.2
"""Pause before CometBFT is asked again to take a bundle."""

_BUNDLE_OVERHEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decided block does.

    Parameters
    ----------
    app_hash
        Hash of the newest block behind it.
    complete
        For each bundle, whether all its transactions are in our block.
    validator_updates
        Public keys and their new power.
    """

    app_hash: bytes
    complete: tuple[bool, ...]
    validator_updates: Sequence[tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A decided block until it is committed; one without content leaves no block of ours."""

    height: int
    block: ProposedBlock | None
    seal: bytes
    head_hash: bytes
    membership: Membership


class CometChain(LocalChain):
    """A chain that CometBFT orders.

    Parameters
    ----------
    path
        The chain's file; made if it does not exist, proven sound if it does.
    genesis
        What the chain is; nobody is its sealer.
    membership
        The membership at the genesis.
    broadcast
        Hands a bundle to CometBFT's mempool; raises `TransactionRejected` if it is refused, another `ChainError` if
        it cannot be taken now.
    clock
        The present time in seconds since the epoch, for calls; blocks have CometBFT's time.
    """

    def __init__(
        self,
        path: Path,
        genesis: Genesis,
        membership: Membership,
        broadcast: Callable[[bytes], None],
        *,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        super().__init__(path, genesis, clock=clock)
        self._broadcast = broadcast
        self._bundles = BundleReader()
        self._founding = membership
        self._membership = self._membership_by_file()
        self._executed: dict[tuple[int, tuple[bytes, ...]], ProposedBlock] = {}
        self._pending: _Pending | None = None
        self._ahead: dict[Address, tuple[int, float]] = {}
        """Which nonce a sender's waiting transactions lack, and since when."""
        self._outbox: SimpleQueue[list[SignedTransaction] | None] = SimpleQueue()
        self._sender = Thread(target=self._send_out, name=f"sender of {path.name}", daemon=True)
        self._sender.start()

    @property
    def ordered_height(self) -> int:
        """CometBFT's height of the newest committed block, with or without content."""
        with self._changed:
            return max(self._core.progress, Ordering.of(self._core.head).height)

    @property
    def membership(self) -> Membership:
        """Who votes, by the newest block."""
        return self._membership

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Check signed transactions and hand all of them in, or none; returns their hashes."""
        batch = [self._bundles.decode(raw) for raw in raw_transactions]
        largest = max((len(raw) for raw in raw_transactions), default=0)
        if largest > MAX_BUNDLE_BYTES:
            raise TransactionRejected(f"a transaction of {largest} bytes: at most {MAX_BUNDLE_BYTES} fit; split it")
        with self._changed:
            self._require_open()
            if len(self._queue) + len(batch) > MAX_WAITING:
                raise ChainError(f"{len(self._queue)} transactions wait for a block here; wait, then send again")
            self._enqueue(batch)
            self._put_out(batch)
        return [signed.hash for signed in batch]

    def adopt(self, core: Core, path: Path, app_hash: bytes, height: int) -> None:
        """Go on from the chain in another file, whose newest block the validators vouch for; the file moves here.

        Parameters
        ----------
        core
            The other chain, whose blocks were checked one by one; it is closed here.
        path
            Its file.
        app_hash
            Hash of its newest block, by CometBFT's light client.
        height
            CometBFT's height with this application hash.

        Raises
        ------
        ChainCorrupted
            It is not the chain that the validators vouch for.
        """
        head = core.head
        if head.hash != app_hash or Ordering.of(head).height != height:
            raise ChainCorrupted(path, f"block {head.height}", "it is not the one that the validators vouch for")
        core.close()
        with self._changed:
            self._require_open()
            self._core.close()
            path.replace(self._path)
            self._load()
            self._membership = self._membership_by_file()
            self._changed.notify_all()

    def ordered_at(self, height: int) -> int | None:
        """Our height of the block that CometBFT ordered at one of its own; None if that one left no block here."""
        heights = range(1, self.head().height + 1)
        index = bisect_left(heights, height, key=lambda ours: Ordering.of(self.header(ours)).height)
        if index == len(heights) or Ordering.of(self.header(heights[index])).height != height:
            return None
        return heights[index]

    def encoded_block(self, height: int) -> bytes:
        """A block as it travels to another node."""
        with self._changed:
            self._require_open()
            return self._core.encoded_block(height)

    def waiting(self) -> int:
        """How many transactions wait for a block that were sent here."""
        with self._changed:
            return len(self._queue)

    def broadcast_again(self) -> None:
        """Hand in again what waits for a block, after CometBFT lost its mempool with its process."""
        with self._changed:
            self._put_out(self._queue.values())

    def misbehaviours(self) -> Iterator[tuple[int, Misbehaviour]]:
        """What CometBFT ever proved against validators, each with the height of our block that says so."""
        for height in range(1, self.head().height + 1):
            for found in Ordering.of(self.header(height)).misbehaviours:
                yield height, found

    def check(self, bundle: bytes) -> int:
        """Check a bundle that wants to wait in the mempool; returns the gas it may use.

        Raises
        ------
        TransactionRejected
            One of its transactions could never enter a block.
        """
        batch = self._bundles.read(bundle)
        with self._changed:
            for signed in batch:
                nonce, expected = signed.nonce, self._core.nonce(signed.sender)
                ahead = expected <= nonce < expected + MAX_NONCES_AHEAD
                self._core.check(signed, nonce if ahead else expected)
        return sum(signed.gas_limit for signed in batch)

    def check_again(self, bundle: bytes) -> None:
        """Check a bundle that waits, after a block; it stays as long as a part of it has a future.

        Raises
        ------
        TransactionRejected
            Other transactions took the place of all that is left of it, or those before them did not come.
        """
        batch = self._bundles.read(bundle)
        with self._changed:
            stale = [s for s in batch if s.nonce < self._core.nonce(s.sender)]
            cut_off = [s for s in batch if self._is_cut_off(s)]
            hopeless = len(stale) + len(cut_off) == len(batch)
            gone = [s for s in stale + (cut_off if hopeless else []) if s.hash in self._queue]
            if gone:
                self._drop(gone)
                self._changed.notify_all()
        if hopeless and cut_off:
            nonce = self._core.nonce(cut_off[0].sender)
            raise TransactionRejected(
                f"the sender's nonce {nonce} did not come within {GAP_SECONDS:g} s; send it first"
            )
        if hopeless:
            raise TransactionRejected("its nonces have been used; sign it again with the next ones")

    def prepare(self, bundles: Sequence[bytes], max_bytes: int, timestamp: int) -> tuple[bytes, ...]:
        """Choose and order what this node proposes: what can be run in time, senders' nonces in sequence."""
        deadline = time.monotonic() + PREPARE_SECONDS
        read = {}

        def candidates() -> Iterator[SignedTransaction]:
            for bundle in bundles:
                read[bundle] = self._bundles.read_well_formed(bundle)
                yield from read[bundle]

        with self._changed:
            time_of_block = self._time(timestamp)
            ordered = self._in_sequence(_within(max_bytes, candidates()))
            made = self._core.execute_valid(ordered, time_of_block, max(deadline - time.monotonic(), 0.0))
            proposed = _rebundled([ordered[index] for index in made.taken], read)
            self._executed = {(time_of_block, proposed): made}
        return proposed

    def process(self, block: OrderedBlock) -> bool:
        """Whether a proposed block is one that can be run in time and without leaving anything out."""
        try:
            transactions = [s for bundle in block.transactions for s in self._bundles.read(bundle)]
            with self._changed:
                key = self._time(block.timestamp), block.transactions
                if key not in self._executed:
                    made = self._core.execute_valid(transactions, key[0], PROCESS_SECONDS)
                    if len(made.taken) < len(transactions):
                        return False
                    self._executed = {key: made}
        except TransactionRejected:
            return False
        return True

    def finalize(self, block: OrderedBlock) -> Decision:
        """Run a decided block. Whatever it holds has an outcome: what cannot be run is left out."""
        bundles = [self._bundles.read_well_formed(bundle) for bundle in block.transactions]
        with self._changed:
            self._require_open()
            if block.height <= self.ordered_height:
                raise ChainError(f"CometBFT's block {block.height} was committed before; it must not run again")
            time_of_block = self._time(block.timestamp)
            candidates = [signed for bundle in bundles for signed in bundle]
            made = self._executed.get((time_of_block, block.transactions))
            if made is None:
                made = self._core.execute_valid(candidates, time_of_block)
            self._pending = self._pend(block, made)
            included = {receipt.transaction_hash for receipt in made.receipts}
            return Decision(
                app_hash=self._pending.head_hash,
                complete=tuple(
                    bool(bundle) and all(signed.hash in included for signed in bundle) for bundle in bundles
                ),
                validator_updates=self._membership.updates_to(self._pending.membership),
            )

    def commit(self) -> None:
        """Make the decided block durable. If that fails, the chain takes nothing more until it is reopened."""
        with self._changed:
            self._require_open()
            pending, self._pending = self._pending, None
            if pending is None:
                raise ChainError("nothing is decided that could be committed; start the node again")
            try:
                if pending.block is None:
                    self._core.set_progress(pending.height)
                else:
                    self._core.append(pending.block, pending.seal, pending.height)
            except BaseException as error:
                self._failure = error
                raise
            finally:
                self._changed.notify_all()
            self._membership = pending.membership
            self._executed = {}
            self._forget_gaps()
            if pending.block is not None:
                self._settle(pending.block)

    def _stop(self) -> None:
        self._outbox.put(None)
        self._sender.join()

    def _put_out(self, batch: Iterable[SignedTransaction]) -> None:
        """Let the sender hand these in, in parts that fit into a bundle."""
        part: list[SignedTransaction] = []
        size = 0
        for signed in batch:
            if part and size + _size([signed]) > MAX_BUNDLE_BYTES:
                self._outbox.put(part)
                part, size = [], 0
            part.append(signed)
            size += _size([signed])
        if part:
            self._outbox.put(part)

    def _send_out(self) -> None:
        """Hand to CometBFT what callers sent; what came meanwhile goes together."""
        while (part := self._outbox.get()) is not None:
            batch = part
            while _size(batch) < MAX_BUNDLE_BYTES and not self._outbox.empty():
                part = self._outbox.get()
                if part is None:
                    return
                batch = batch + part
            self._hand_in(batch)

    def _hand_in(self, batch: Sequence[SignedTransaction]) -> None:
        while not self._closed:
            try:
                self._broadcast(encode_bundle([signed.raw for signed in batch]))
            except TransactionRejected:
                if len(batch) > 1:
                    for signed in batch:
                        self._hand_in([signed])
                    return
                with self._changed:
                    self._drop(batch)
                    self._changed.notify_all()
            except ChainError:  # CometBFT is starting, or its mempool is full
                time.sleep(RETRY_SECONDS)
                continue
            return

    def _membership_by_file(self) -> Membership:
        membership = self._founding
        for _, logs in groupby(self.logs(address=membership.consortium), key=lambda log: log.height):
            membership = membership.after(logs)
        return membership

    def _time(self, timestamp: int) -> int:
        return max(self._core.head.timestamp, timestamp)

    def _pend(self, block: OrderedBlock, made: ProposedBlock) -> _Pending:
        receipts = made.receipts
        if not receipts and not block.misbehaviours:
            return _Pending(block.height, None, b"", self._core.head.hash, self._membership)
        seal = Ordering(block.height, block.misbehaviours).encode()
        logs = (log for receipt in receipts for log in receipt.logs)
        return _Pending(block.height, made, seal, made.header.sealed(seal).hash, self._membership.after(logs))

    def _settle(self, block: ProposedBlock) -> None:
        """Let those who wait know, and forget what is in the block."""
        self._newest_receipts = {receipt.transaction_hash: receipt for receipt in block.receipts}
        for tx_hash, raw in zip(self._newest_receipts, block.transactions, strict=True):
            self._queue.pop(tx_hash, None)
            self._bundles.forget(raw)
        self._count_nonces()
        self._changed.notify_all()

    def _is_cut_off(self, signed: SignedTransaction) -> bool:
        """Whether a transaction that waits has been ahead for too long, and its sender's next one was not there.

        Every transaction in the mempool is asked about after every block, the next one as well if it is there.
        """
        expected, now = self._core.nonce(signed.sender), time.monotonic()
        if signed.nonce <= expected:
            self._ahead.pop(signed.sender, None)
            return False
        seen, since = self._ahead.get(signed.sender, (expected, now))
        self._ahead[signed.sender] = expected, (since if seen == expected else now)
        return seen == expected and now - since > GAP_SECONDS

    def _forget_gaps(self) -> None:
        """Let go of senders that went on, or whose transactions have left."""
        oldest = time.monotonic() - 2 * GAP_SECONDS
        self._ahead = {
            sender: (nonce, since)
            for sender, (nonce, since) in self._ahead.items()
            if since > oldest and nonce == self._core.nonce(sender)
        }

    def _drop(self, batch: Iterable[SignedTransaction]) -> None:
        for signed in batch:
            self._queue.pop(signed.hash, None)
        self._count_nonces()

    def _count_nonces(self) -> None:
        """Where each sender's sequence goes on, behind what waits without a gap."""
        waiting = {(signed.sender, signed.nonce) for signed in self._queue.values()}
        self._queued_nonces = {}
        for sender in {sender for sender, _ in waiting}:
            nonce = self._core.nonce(sender)
            while (sender, nonce) in waiting:
                nonce += 1
            self._queued_nonces[sender] = nonce

    def _in_sequence(self, candidates: Iterable[SignedTransaction]) -> list[SignedTransaction]:
        """Those that follow each other without a gap, in the order of their arrival as far as nonces allow."""
        next_nonces: dict[Address, int] = {}
        early: dict[tuple[Address, int], SignedTransaction] = {}
        ordered: list[SignedTransaction] = []
        for candidate in candidates:
            sender = candidate.sender
            expected = next_nonces.setdefault(sender, self._core.nonce(sender))
            if len(ordered) == MAX_BLOCK_TRANSACTIONS:
                break
            if candidate.nonce != expected:
                early.setdefault((sender, candidate.nonce), candidate)
                continue
            following: SignedTransaction | None = candidate
            while following is not None and len(ordered) < MAX_BLOCK_TRANSACTIONS:
                ordered.append(following)
                next_nonces[sender] += 1
                following = early.pop((sender, next_nonces[sender]), None)
        return ordered


def _size(batch: Iterable[SignedTransaction]) -> int:
    """Bytes that these take in a bundle, at most."""
    return sum(len(signed.raw) + _BUNDLE_OVERHEAD_BYTES for signed in batch)


def _within(max_bytes: int, candidates: Iterable[SignedTransaction]) -> Iterator[SignedTransaction]:
    """Transactions from the front that surely fit into a block, however they are bundled."""
    for signed in candidates:
        max_bytes -= _size([signed])
        if max_bytes < 0:
            return
        yield signed


def _rebundled(
    taken: Sequence[SignedTransaction], candidates: Mapping[bytes, Sequence[SignedTransaction]]
) -> tuple[bytes, ...]:
    """Bundles with exactly these transactions in this order; those that came in whole stay as they are."""
    position = {signed.hash: index for index, signed in enumerate(taken)}
    whole = {}
    for bundle, batch in candidates.items():
        first = position.get(batch[0].hash) if batch else None
        if first is not None and [s.hash for s in taken[first : first + len(batch)]] == [s.hash for s in batch]:
            whole[first] = bundle, len(batch)
    proposed: list[bytes] = []
    rest: list[bytes] = []
    index = 0
    while index < len(taken):
        if index not in whole:
            rest.append(taken[index].raw)
            index += 1
            continue
        if rest:
            proposed.append(encode_bundle(rest))
            rest = []
        bundle, size = whole[index]
        proposed.append(bundle)
        index += size
    return (*proposed, encode_bundle(rest)) if rest else tuple(proposed)
