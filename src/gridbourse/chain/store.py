"""The file of a chain: SQLite with a write-ahead log, one fully synced SQLite transaction per block."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gridbourse.chain import rlp
from gridbourse.chain.block import AccountChange, Block, Header, Receipt
from gridbourse.crypto.keys import Address
from gridbourse.errors import ChainCorrupted, ChainError, ChainLocked

SCHEMA = (
    "CREATE TABLE blocks (height INTEGER PRIMARY KEY, header BLOB NOT NULL, changes BLOB NOT NULL) STRICT",
    "CREATE TABLE transactions (height INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,"
    " raw BLOB NOT NULL, receipt BLOB NOT NULL, PRIMARY KEY (height, position)) STRICT, WITHOUT ROWID",
    "CREATE UNIQUE INDEX transactions_by_hash ON transactions (hash)",
    "CREATE TABLE logs (address BLOB NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL,"
    " topic0 BLOB NOT NULL, PRIMARY KEY (address, height, position, topic0)) STRICT, WITHOUT ROWID",
)
"""`logs` only finds receipts: what an event says stands in its receipt. An event without topics stands under
an empty `topic0`."""

_READ_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A row of `transactions`."""

    height: int
    position: int
    hash: bytes
    raw: bytes
    receipt: bytes

    def decoded_receipt(self) -> Receipt:
        """The receipt, with its place in the chain."""
        return Receipt.decode(self.receipt, self.hash, self.height, self.position)


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A row of `blocks` with its rows of `transactions`."""

    height: int
    header: bytes
    changes: bytes
    transactions: list[StoredTransaction]

    def decoded(self) -> Block:
        """The block."""
        changes = rlp.to_list(rlp.decode(self.changes))
        return Block(
            header=Header.decode(self.header),
            transactions=tuple(row.raw for row in self.transactions),
            receipts=tuple(row.decoded_receipt() for row in self.transactions),
            changes=tuple(AccountChange.decode(rlp.to_bytes(change)) for change in changes),
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
            for statement in SCHEMA:
                self._db.execute(statement)
        self._db.execute("COMMIT")
        if self._schema() != set(SCHEMA):
            raise ChainCorrupted(self.path, "schema", "these are not the tables of a chain")

    def _schema(self) -> set[str]:
        return {sql for (sql,) in self._db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}

    def append(self, block: Block) -> None:
        """Write a block; when this returns, it survives a crash of the machine."""
        height = block.header.height
        changes = rlp.encode([change.encode() for change in block.changes])
        transactions = [
            (height, receipt.position, receipt.transaction_hash, raw, receipt.encode())
            for raw, receipt in zip(block.transactions, block.receipts, strict=True)
        ]
        logs = [row for receipt in block.receipts for row in log_rows(receipt)]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?)", (height, block.header.encode(), changes))
            self._db.executemany("INSERT INTO transactions VALUES (?, ?, ?, ?, ?)", transactions)
            self._db.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", logs)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def height(self) -> int:
        """Height of the newest block, 0 if there is none."""
        return int(self._db.execute("SELECT ifnull(max(height), 0) FROM blocks").fetchone()[0])

    def block(self, height: int) -> StoredBlock | None:
        """Rows of a block."""
        row = self._db.execute("SELECT header, changes FROM blocks WHERE height = ?", (height,)).fetchone()
        if row is None:
            return None
        transactions = self._db.execute(
            "SELECT height, position, hash, raw, receipt FROM transactions WHERE height = ? ORDER BY position",
            (height,),
        )
        return StoredBlock(height, row[0], row[1], [StoredTransaction(*row) for row in transactions])

    def transaction(self, tx_hash: bytes) -> StoredTransaction | None:
        """Row of a transaction."""
        row = self._db.execute(
            "SELECT height, position, hash, raw, receipt FROM transactions WHERE hash = ?", (tx_hash,)
        ).fetchone()
        return StoredTransaction(*row) if row else None

    def transactions_with_logs(
        self, address: Address | None, after: tuple[int, int], last_block: int
    ) -> list[StoredTransaction]:
        """Next transactions behind a height and position that may have emitted an event, some at a time."""
        if address is None:
            rows = self._db.execute(
                "SELECT height, position, hash, raw, receipt FROM transactions"
                " WHERE (height, position) > (?, ?) AND height <= ?"
                " ORDER BY height, position LIMIT ?",
                (*after, last_block, _READ_LIMIT),
            )
        else:
            rows = self._db.execute(
                "SELECT DISTINCT height, position, hash, raw, receipt FROM logs JOIN transactions"
                " USING (height, position) WHERE address = ? AND (height, position) > (?, ?)"
                " AND height <= ? ORDER BY height, position LIMIT ?",
                (address, *after, last_block, _READ_LIMIT),
            )
        return [StoredTransaction(*row) for row in rows]

    def log_rows(self) -> Iterator[tuple[bytes, int, int, bytes]]:
        """All rows of `logs` in the order of the chain."""
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

    def close(self) -> None:
        """Bring everything into one file and let go of it."""
        self._db.close()


def log_rows(receipt: Receipt) -> Collection[tuple[bytes, int, int, bytes]]:
    """Rows of `logs` that lead to a receipt, in the order of `Store.log_rows`."""
    rows = {
        (log.address, receipt.height, receipt.position, log.topics[0] if log.topics else b"") for log in receipt.logs
    }
    return sorted(rows)
