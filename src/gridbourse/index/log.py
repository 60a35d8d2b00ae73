"""The Merkle logs of the slave chains: their leaves, and the roots of full subtrees over them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gridbourse.crypto.merkle import root_of_leaves
from gridbourse.index.database import insert_rows
from gridbourse.index.schema import records, subtrees

SUBTREE_LEVELS = 8
"""The roots of full subtrees over 2^8, 2^16, ... leaves are kept: a proof hashes a few hundred others."""


@dataclass(slots=True)
class _Subtree:
    """A row of `subtrees`."""

    chain: str
    level: int
    number: int
    hash: bytes


def grow(connection: Connection, chain: str, new: int, total: int) -> None:
    """Keep the roots of the subtrees that new leaves fill."""
    level, before = SUBTREE_LEVELS, total - new
    while total >> level:
        roots = []
        for number in range(before >> level, total >> level):
            first, stop = number << SUBTREE_LEVELS, number + 1 << SUBTREE_LEVELS
            below = _hashes(connection, chain, level - SUBTREE_LEVELS, first, stop)
            roots.append(_Subtree(chain, level, number, root_of_leaves(below)))
        insert_rows(connection, subtrees, roots)
        level += SUBTREE_LEVELS


def _hashes(connection: Connection, chain: str, level: int, first: int, stop: int) -> list[bytes]:
    """The leaves of a chain's log, or the roots that are kept of a level, from one number up to another."""
    if level == 0:
        found = select(records.c.leaf).where(
            records.c.chain == chain, records.c.number >= first, records.c.number < stop
        )
        return list(connection.scalars(found.order_by(records.c.number)))
    kept = select(subtrees.c.hash).where(
        subtrees.c.chain == chain,
        subtrees.c.level == level,
        subtrees.c.number >= first,
        subtrees.c.number < stop,
    )
    return list(connection.scalars(kept.order_by(subtrees.c.number)))


class StoredLog:
    """A chain's log as the index keeps it."""

    def __init__(self, connection: Connection, chain: str) -> None:
        self._connection = connection
        self._chain = chain

    def __call__(self, level: int, number: int) -> bytes:
        """Root of the full subtree over leaves ``number * 2**level`` to ``(number + 1) * 2**level - 1``."""
        below = level % SUBTREE_LEVELS
        first, stop = number << below, number + 1 << below
        return root_of_leaves(_hashes(self._connection, self._chain, level - below, first, stop))
