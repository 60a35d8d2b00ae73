"""What the node keeps beside its chains: under which idempotency keys records were submitted."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.node.commands.requests import IdempotencyKey

KEYS_KEPT_SECONDS = 7 * 86_400
"""How long a key is remembered."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    leaf BLOB NOT NULL,
    transaction_hash BLOB NOT NULL,
    submitted_at INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS submissions_age ON submissions (submitted_at);
"""


@dataclass(frozen=True, slots=True)
class Submission:
    """A record that was submitted under a key, and the transaction that writes it."""

    key: IdempotencyKey
    leaf: bytes
    transaction_hash: bytes


class NodeStore:
    """The open file. The thread that owns the region uses it, and no other.

    Parameters
    ----------
    path
        The file; made if need be, readable by its owner only.
    now
        Seconds since the epoch; what was submitted long ago is forgotten.

    Raises
    ------
    InvalidValue
        It is no such file.
    """

    def __init__(self, path: Path, now: int) -> None:
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute("DELETE FROM submissions WHERE submitted_at < ?", (now - KEYS_KEPT_SECONDS,))
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InvalidValue("node file", str(path), f"the file of a region's node ({error})") from error

    def submission(self, key: IdempotencyKey) -> Submission | None:
        """What was submitted last under a key; its digest may be another."""
        query = "SELECT digest, leaf, transaction_hash FROM submissions WHERE principal = ? AND key = ?"
        row = self._db.execute(query, (key.principal, key.key)).fetchone()
        return Submission(IdempotencyKey(key.principal, key.key, row[0]), row[1], row[2]) if row else None

    def remember(self, submissions: Mapping[tuple[str, str], Submission], now: int) -> None:
        """Keep what is about to be written; durable when this returns."""
        if not submissions:
            return
        rows = [
            (own.key.principal, own.key.key, own.key.digest, own.leaf, own.transaction_hash, now)
            for own in submissions.values()
        ]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO submissions VALUES (?, ?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
