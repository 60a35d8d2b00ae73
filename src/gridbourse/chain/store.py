"""The file of a chain: SQLite with a write-ahead log, one fully synced SQLite transaction per block."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gridbourse.chain import rlp
from gridbourse.chain.block import AccountChange, Block, Header, Receipt
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainCorrupted, ChainError, ChainLocked

_BLOCKS = """
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    header BLOB NOT NULL,
    changes BLOB NOT NULL
) STRICT
"""
_TRANSACTIONS = """
CREATE TABLE transactions (
    height INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    raw BLOB NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (height, position)
) STRICT, WITHOUT ROWID
"""
# It only finds receipts: what an event says stands there. One without topics is under an empty topic0.
_LOGS = """
CREATE TABLE logs (
    address BLOB NOT NULL,
    height INTEGER NOT NULL,
    position INTEGER NOT NULL,
    topic0 BLOB NOT NULL,
    PRIMARY KEY (address, height, position, topic0)
) STRICT, WITHOUT ROWID
"""
_SCHEMA = [_BLOCKS.strip(), _TRANSACTIONS.strip(), _LOGS.strip()]

_READ_LIMIT = 1_000


# Several readers follow a chain, one behind the other: the newest receipts are decoded once for all of them.
_decoded = lru_cache(maxsize=128)(Receipt.decode)


class StoredTransaction(NamedTuple):
    """A row of `transactions`."""

    height: int
    position: int
    hash: bytes
    raw: bytes
    receipt: bytes

    def decoded_receipt(self) -> Receipt:
        """The receipt, with its place in the chain."""
        return _decoded(self.receipt, self.hash, self.height, self.position)


class StoredBlock(NamedTuple):
    """A row of `blocks` with its rows of `transactions`."""

    height: int
    header: bytes
    changes: bytes
    transactions: list[StoredTransaction]

    def decoded_changes(self) -> list[bytes]:
        """The encoded state changes, one for each account."""
        return [rlp.to_bytes(change) for change in rlp.to_list(rlp.decode(self.changes))]

    def decoded(self) -> Block:
        """The block."""
        return Block(
            header=Header.decode(self.header),
            transactions=tuple(row.raw for row in self.transactions),
            receipts=tuple(row.decoded_receipt() for row in self.transactions),
            changes=tuple(AccountChange.decode(change) for change in self.decoded_changes()),
        )


class Store:
    """The open file of a chain; one process at a time, one thread at a time.

    Parameters
    ----------
    path
        The file; made if it does not exist.

    Raises
    ------
    ChainLocked
        Another process has the file open.
    ChainCorrupted
        The file is no chain.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._heights: dict[bytes, int] = {}
        try:
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise ChainError(f"{path}: {error}; name a file in a directory that exists") from error
        try:
            self._open()
        except BaseException as error:
            self._db.close()
            if not isinstance(error, sqlite3.DatabaseError):
                raise
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ChainLocked(f"{path}: this chain is already open; close it there") from error
            raise ChainCorrupted(path, "database", str(error)) from error

    def _open(self) -> None:
        # The exclusive lock keeps other processes out, and spares the shared memory beside the file.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN IMMEDIATE")
        if not self._schema():
            for statement in _SCHEMA:
                self._db.execute(statement)
        self._db.execute("COMMIT")
        if self._schema() != sorted(_SCHEMA):
            raise ChainCorrupted(self.path, "schema", "these are not the tables of a chain")

    def _schema(self) -> list[str]:
        return sorted(sql for (sql,) in self._db.execute("SELECT sql FROM sqlite_schema") if sql)

    def append(
        self,
        header: Header,
        changes: Sequence[bytes],
        transactions: Sequence[StoredTransaction],
        receipts: Iterable[Receipt],
        progress: int = 0,
    ) -> None:
        """Write a block and the progress; when this returns, both survive a crash of the machine."""
        row = (header.height, header.encode(), rlp.encode(changes))
        logs = [log_row for receipt in receipts for log_row in log_rows(receipt)]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?)", row)
            self._db.executemany("INSERT INTO transactions VALUES (?, ?, ?, ?, ?)", transactions)
            self._db.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", logs)
            if progress:
                self.set_progress(progress)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def set_progress(self, progress: int) -> None:
        """Write how far the engine that orders this chain has come."""
        self._db.execute(f"PRAGMA user_version = {progress:d}")

    def progress(self) -> int:
        """How far the engine that orders this chain has come, by its own count; 0 where this process orders it."""
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def height(self) -> int:
        """Greatest height of a block in the file, 0 if there is none."""
        return int(self._db.execute("SELECT ifnull(max(height), 0) FROM blocks").fetchone()[0])

    def block(self, height: int) -> StoredBlock | None:
        """Rows of a block."""
        row = self._db.execute("SELECT header, changes FROM blocks WHERE height = ?", (height,)).fetchone()
        return StoredBlock(height, row[0], row[1], self._transactions(height)) if row else None

    def header(self, height: int) -> Header | None:
        """Header of a block."""
        row = self._db.execute("SELECT header FROM blocks WHERE height = ?", (height,)).fetchone()
        return Header.decode(row[0]) if row else None

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of the block with a hash; the first question reads all headers, a later one only the new ones."""
        rows = self._db.execute("SELECT header FROM blocks WHERE height > ? ORDER BY height", (len(self._heights),))
        for (header,) in rows.fetchall():
            self._heights[keccak256(header)] = len(self._heights) + 1
        return self._heights.get(block_hash)

    def _transactions(self, height: int) -> list[StoredTransaction]:
        rows = self._db.execute("SELECT * FROM transactions WHERE height = ? ORDER BY position", (height,))
        return [StoredTransaction(*row) for row in rows]

    def transaction(self, tx_hash: bytes) -> StoredTransaction | None:
        """Row of a transaction."""
        row = self._db.execute("SELECT * FROM transactions WHERE hash = ?", (tx_hash,)).fetchone()
        return StoredTransaction(*row) if row else None

    def transactions_with_logs(
        self, address: Address | None, after: tuple[int, int], last_block: int
    ) -> list[StoredTransaction]:
        """Next transactions behind a height and position that may have emitted an event, some at a time."""
        if address is None:
            rows = self._db.execute(
                "SELECT * FROM transactions WHERE (height, position) > (?, ?) AND height <= ?"
                " ORDER BY height, position LIMIT ?",
                (*after, last_block, _READ_LIMIT),
            )
        else:
            rows = self._db.execute(
                "SELECT transactions.* FROM (SELECT DISTINCT height, position FROM logs"
                " WHERE address = ? AND (height, position) > (?, ?) AND height <= ?"
                " ORDER BY height, position LIMIT ?) JOIN transactions USING (height, position)"
                " ORDER BY height, position",
                (address, *after, last_block, _READ_LIMIT),
            )
        return [StoredTransaction(*row) for row in rows]

    def log_rows(self) -> sqlite3.Cursor:
        """All rows of `logs` in the order of the chain; to be closed before the store is."""
        return self._db.execute("SELECT address, height, position, topic0 FROM logs ORDER BY 2, 3, 1, 4")

    def counts(self) -> tuple[int, int]:
        """How many blocks and transactions the file holds, wherever they claim to stand."""
        blocks, transactions = self._db.execute(
            "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM transactions)"
        ).fetchone()
        return blocks, transactions

    def structural_damage(self) -> str | None:
        """What SQLite finds wrong with the structure of the file."""
        (finding,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        return None if finding == "ok" else finding

    def back_up(self, path: Path) -> None:
        """Write a copy of the file as it is now; nothing is changed meanwhile."""
        copy = sqlite3.connect(path)
        try:
            self._db.backup(copy)
        finally:
            copy.close()

    def close(self) -> None:
        """Bring everything into one file and let go of it."""
        self._db.close()


def log_rows(receipt: Receipt) -> Collection[tuple[bytes, int, int, bytes]]:
    """Rows of `logs` that lead to a receipt, in the order of `Store.log_rows`."""
    rows = {
        (log.address, receipt.height, receipt.position, log.topics[0] if log.topics else b"") for log in receipt.logs
    }
    return sorted(rows)
