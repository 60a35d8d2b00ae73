"""Proof that a chain's file holds what was sealed, and where it does not.

Two questions, two answers. *Is the content what was sealed?* Every stored byte is covered by the newest
block's seal: through the roots and the parent hash of its header. `audit` follows these down, checks both
indexes against the content, and on the way folds the blocks' changes into the state, so that opening a chain
needs no execution. *Are the bytes those that were closed?* SQLite also writes bytes that mean nothing; a
digest of every page, kept beside a cleanly closed file, covers them.

After a crash there are no page digests, and the content decides alone. A chain cut off after an earlier block
is then a sound, shorter chain: only an anchor elsewhere, as masters leave on the main chain, can tell.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from struct import iter_unpack

from gridbourse.chain.block import AccountChange, Genesis, Header
from gridbourse.chain.executor import Executor, Place
from gridbourse.chain.store import Store, StoredBlock, log_rows
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.crypto.merkle import HASH_BYTES, merkle_root
from gridbourse.errors import ChainCorrupted, InvalidValue

PAGE_BYTES = 4096


@dataclass(slots=True)
class _Account:
    nonce: int = 0
    code: bytes | None = None
    slots: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a sound file holds.

    Parameters
    ----------
    head
        Header of its newest block.
    state
        All changes of all blocks in one.
    """

    head: Header
    state: tuple[AccountChange, ...]


def audit(store: Store, genesis: Genesis) -> Audit:
    """Check all content of a file.

    Raises
    ------
    ChainCorrupted
        Something is not what was sealed; the error names block and transaction, or the index.
    InvalidValue
        The file is sound but holds the chain of another genesis.
    """
    try:
        damage = store.structural_damage()
        if damage:
            raise ChainCorrupted(store.path, "database", damage)
        with closing(store.log_rows()) as log_rows:
            return _Auditor(store, genesis, log_rows).run()
    except sqlite3.DatabaseError as error:
        raise ChainCorrupted(store.path, "database", str(error)) from error


class _Auditor:
    def __init__(self, store: Store, genesis: Genesis, log_rows: Iterator[tuple[bytes, int, int, bytes]]) -> None:
        self._store = store
        self._genesis = genesis
        self._accounts: dict[Address, _Account] = {}
        self._log_rows = log_rows

    def run(self) -> Audit:
        head = self._genesis.header
        height = transaction_count = 0
        for stored in _blocks(self._store):
            height = stored.height
            header = self._decode(stored)
            self._check_link(head, header)
            self._check_transactions(stored, header)
            self._check_receipts(stored, header)
            self._fold_changes(stored, header)
            head = header
            transaction_count += len(stored.transactions)
        if height and not head.is_sealed():
            raise self._corrupted(height, "its seal is not the sealer's signature of its header")
        if next(self._log_rows, None):
            raise ChainCorrupted(self._store.path, "log index", "a row leads to no event")
        if self._store.counts() != (height, transaction_count):
            raise ChainCorrupted(self._store.path, "database", "a row stands outside the chain")
        return Audit(head, tuple(self._state()))

    def _decode(self, stored: StoredBlock) -> Header:
        try:
            return Header.decode(stored.header)
        except InvalidValue as error:
            raise self._corrupted(stored.height, f"unreadable header: {error}") from error

    def _check_link(self, parent: Header, header: Header) -> None:
        height = parent.height + 1
        if header.parent_hash == parent.hash:
            if header.height != height or header.sealer != self._genesis.sealer:
                raise self._corrupted(height, "its header is that of another block or sealer")
            return
        if not header.is_sealed():
            raise self._corrupted(height, "its header is not what was sealed")
        if height > 1:
            raise self._corrupted(parent.height, f"its header is not what block {height} stands on")
        raise InvalidValue(
            "genesis",
            self._genesis,
            f"that of the chain in {self._store.path}: chain id {header.chain_id}, sealer"
            f" 0x{header.sealer.hex()}, gas limit {header.gas_limit}, and its own timestamp",
        )

    def _check_transactions(self, stored: StoredBlock, header: Header) -> None:
        for position, row in enumerate(stored.transactions):
            if row.position != position:
                raise self._corrupted(header.height, f"transaction {position}: missing")
            if row.hash != keccak256(row.raw):
                finding = "the raw transaction does not have the hash it is stored under"
                raise self._corrupted(header.height, f"transaction {position}: {finding}")
        if merkle_root([row.raw for row in stored.transactions]) != header.transactions_root:
            raise self._corrupted(header.height, "its transactions are not those that were sealed")

    def _check_receipts(self, stored: StoredBlock, header: Header) -> None:
        if merkle_root([row.receipt for row in stored.transactions]) != header.receipts_root:
            raise self._corrupted(header.height, "its receipts are not those that were sealed")
        for row in stored.transactions:
            expected = log_rows(row.decoded_receipt())
            if list(islice(self._log_rows, len(expected))) != expected:
                raise self._corrupted(
                    header.height, f"transaction {row.position}: the log index does not lead to its events"
                )

    def _fold_changes(self, stored: StoredBlock, header: Header) -> None:
        try:
            encoded = stored.decoded_changes()
        except InvalidValue as error:
            raise self._corrupted(header.height, f"unreadable state changes: {error}") from error
        if merkle_root(encoded) != header.changes_root:
            raise self._corrupted(header.height, "its state changes are not those that were sealed")
        for change in map(AccountChange.decode, encoded):
            account = self._accounts.setdefault(change.address, _Account())
            account.nonce = change.nonce
            account.code = account.code if change.code is None else change.code
            account.slots.update(iter_unpack("32s32s", change.slots))

    def _state(self) -> Iterator[AccountChange]:
        for address, account in self._accounts.items():
            slots = b"".join([key + value for key, value in account.slots.items()])
            yield AccountChange(address, account.nonce, account.code, slots)

    def _corrupted(self, height: int, finding: str) -> ChainCorrupted:
        return ChainCorrupted(self._store.path, f"block {height}", finding)


def _blocks(store: Store) -> Iterator[StoredBlock]:
    for height in range(1, store.height() + 1):
        stored = store.block(height)
        if stored is None:
            raise ChainCorrupted(store.path, f"block {height}", "missing")
        yield stored


def reexecute(store: Store, genesis: Genesis) -> None:
    """Run all blocks of a sound file again, on a fresh state, and compare what they do.

    Raises
    ------
    ChainCorrupted
        A seal is not the sealer's, or a block's receipts or state changes are not what executing it gives.
    """
    executor = Executor(genesis)
    for stored in _blocks(store):
        height, block = stored.height, stored.decoded()
        transactions = [SignedTransaction.decode(raw) for raw in block.transactions]
        execution = executor.execute(Place(height, block.header.timestamp), transactions)
        if not block.header.is_sealed():
            raise ChainCorrupted(store.path, f"block {height}", "its seal is not the sealer's")
        sealed = (block.receipts, block.changes, block.header.gas_used)
        if sealed != (execution.receipts, execution.changes, execution.gas_used):
            raise ChainCorrupted(store.path, f"block {height}", "executing it gives something else")
        executor.apply(execution.changes)


def write_page_digests(path: Path) -> None:
    """Keep a digest of every page beside a cleanly closed file."""
    digests = _digest_path(path)
    temporary = digests.with_name(digests.name + ".new")
    with temporary.open("wb") as file:
        file.write(b"".join(_page_digests(path)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(digests)


def check_page_digests(path: Path) -> None:
    """Check a file against the digests it was closed with, if there are any.

    Raises
    ------
    ChainCorrupted
        A page is not what was closed, or a write-ahead log has appeared since.
    """
    digests = _digest_path(path)
    if not digests.exists():
        return
    stray = path.with_name(path.name + "-wal")
    if stray.exists():
        raise ChainCorrupted(stray, "write-ahead log", f"it appeared after {path.name} was closed; remove it")
    expected = digests.read_bytes()
    found = list(_page_digests(path)) if path.exists() else []
    if len(found) * HASH_BYTES != len(expected):
        closed = f"it was closed with {len(expected) / HASH_BYTES:g}"
        raise ChainCorrupted(path, "file", f"{len(found)} pages, but by {digests.name} {closed}")
    for number, digest in enumerate(found):
        if digest != expected[number * HASH_BYTES : (number + 1) * HASH_BYTES]:
            place = f"page {number + 1}, bytes {number * PAGE_BYTES} to {(number + 1) * PAGE_BYTES - 1}"
            raise ChainCorrupted(path, place, f"not as it was closed, by {digests.name}")


def remove_page_digests(path: Path) -> None:
    """Forget the digests of a file that is about to change, before it does."""
    _digest_path(path).unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _page_digests(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while page := file.read(PAGE_BYTES):
            yield sha256(page).digest()


def _digest_path(path: Path) -> Path:
    return path.with_name(path.name + "-pages")
