"""What the service keeps outside the chains: accounts, sessions, tokens, decisions, audits; in one file.

Nothing in it is needed to prove a trade, and no secret in it is of use without a password, a cookie or a token.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gridbourse.errors import InvalidValue

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE accounts (
            name TEXT PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('node', 'master', 'regulator')),
            subject TEXT NOT NULL,
            password_hash TEXT NOT NULL,
            keystore BLOB,
            created_at INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE sessions (
            digest BLOB PRIMARY KEY,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            account TEXT REFERENCES accounts (name) ON DELETE CASCADE,
            wrapped_keys BLOB,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE tokens (
            id TEXT PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            scopes TEXT NOT NULL,
            wrapped_keys BLOB,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE nonces (
            nonce TEXT PRIMARY KEY,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE decisions (
            node_id TEXT NOT NULL,
            period INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            decided_at INTEGER NOT NULL,
            expected_wh INTEGER,
            error_wh INTEGER,
            side INTEGER,
            energy_wh INTEGER,
            price_ticks INTEGER,
            PRIMARY KEY (node_id, period)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        # A token ends with the account that made it, and with the token that did.
        "ALTER TABLE tokens ADD COLUMN account TEXT REFERENCES accounts (name) ON DELETE CASCADE",
        "ALTER TABLE tokens ADD COLUMN maker TEXT REFERENCES tokens (id) ON DELETE CASCADE",
        "CREATE INDEX tokens_of_account ON tokens (account)",
        "CREATE INDEX tokens_of_maker ON tokens (maker)",
        "CREATE TABLE failed_sign_ins (account TEXT NOT NULL, address TEXT NOT NULL, at INTEGER NOT NULL) STRICT",
        "CREATE INDEX failures_of_account ON failed_sign_ins (account, at)",
        """CREATE TABLE known_addresses (
            account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
            address TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (account, address)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        "CREATE TABLE audit_reports (checked_at INTEGER PRIMARY KEY, report TEXT NOT NULL) STRICT",
        "CREATE TABLE attempts (caller TEXT PRIMARY KEY, free_at REAL NOT NULL) STRICT, WITHOUT ROWID",
    ),
)
"""What leads from one version of the schema to the next; the file's `user_version` says how far it has come."""


class ServiceStore:
    """The open file; any thread may use it. Who reads does not wait until what others write is durable.

    Parameters
    ----------
    path
        The file; made, or brought to the newest schema, if need be. Readable by its owner only.

    Raises
    ------
    InvalidValue
        A newer version of gridbourse wrote the file, or it is no such file, or it was emptied or damaged.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.stat().st_size:
            remedy = "the file with its accounts: it was emptied; restore it, or delete it to begin without accounts"
            raise InvalidValue("service file", str(path), remedy)
        if not path.exists():
            _create(path)
        self.path = path
        self._lock, self._reading_lock = threading.Lock(), threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._require_sound()
            self._migrate()
            self._reading = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._reading.execute("PRAGMA query_only = ON")
            self._reading.row_factory = sqlite3.Row
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InvalidValue("service file", str(path), f"the service file of a region ({error})") from error
        except BaseException:
            self._db.close()
            raise

    def rows(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """Read rows."""
        with self._reading_lock:
            return self._reading.execute(query, parameters).fetchall()

    def row(self, query: str, *parameters: object) -> sqlite3.Row | None:
        """Read the first row; None if there is none."""
        return next(iter(self.rows(query, *parameters)), None)

    def change(self, statement: str, *parameters: object) -> int:
        """Write durably; returns how many rows that changed."""
        with self._lock:
            return self._db.execute(statement, parameters).rowcount

    def change_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Write many rows durably, all or none."""
        with self.transaction() as db:
            db.executemany(statement, rows)

    def attempt(self, caller: str, seconds: float, burst: int, now: float) -> float:
        """Count an attempt of a caller, who has so many at once, and one more after each time.

        Returns
        -------
        float
            0, or how many seconds the caller has to wait: then it was not counted.
        """
        with self.transaction() as db:
            db.execute("DELETE FROM attempts WHERE free_at < ?", (now,))
            row = db.execute("SELECT free_at FROM attempts WHERE caller = ?", (caller,)).fetchone()
            free_at = max(now, row[0] if row else now) + seconds
            wait_seconds = free_at - now - burst * seconds
            if wait_seconds <= 0:
                db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?)", (caller, free_at))
        return max(0.0, wait_seconds)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is durable afterwards, or none of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def back_up(self, path: Path) -> None:
        """Write a consistent copy, while others go on."""
        with self._lock, sqlite3.connect(path) as copy:
            self._db.backup(copy)
        copy.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._reading_lock:
            self._reading.close()
        with self._lock:
            self._db.close()

    def _require_sound(self) -> None:
        found = [str(row[0]) for row in self._db.execute("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError("; ".join(found))

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise InvalidValue(
                "service file", str(self.path), "a file that this or an older version of gridbourse wrote"
            )
        for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
            self._db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {number}")
            self._db.execute("COMMIT")


def _create(path: Path) -> None:
    """Make the file whole or not at all: an empty one is one that lost its accounts."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    db = sqlite3.connect(draft, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("VACUUM")
    db.close()
    # Another web server may have made it meanwhile: a link, unlike a name, replaces nothing.
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
