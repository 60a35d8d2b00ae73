"""The index: one database of all that the chains hold and somebody asks for.

It is written by the node, in the step in which it reads a block and before anybody who caused the block is answered;
everybody else reads. With what blocks say stands how far each chain was read, in one transaction: so every block counts
once, whatever is killed. It follows from the chains alone, and is built again where it does not fit them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, inspect, select
from sqlalchemy.exc import DatabaseError

from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import IndexMismatch, InvalidValue
from gridbourse.index import balance, chains, market, participants, records
from gridbourse.index.blocks import Block, MainBlock
from gridbourse.index.chains import AnchorEntry, HeadRow, name_of
from gridbourse.index.database import Database, insert_rows, update_rows
from gridbourse.index.market import MarketChanges
from gridbourse.index.market_rows import NextNumbers, next_numbers
from gridbourse.index.schema import SCHEMA_VERSION, changes, heads, index_state, metadata

KEPT_CHANGES = 5_000
"""So many steps are remembered for those who come back to an event stream."""
FORGOTTEN_TOGETHER = 100
MOST_CHANGES = 5_000
"""A step that changes more than this is told as: load anew."""


@dataclass(frozen=True, slots=True)
class Notice:
    """That the index has new blocks.

    Parameters
    ----------
    heights
        The newest blocks of the chains that have new ones, by name.
    sequence
        Number of the newest entry of `changes`.
    is_voted
        Whether masters voted: the rules in force may be others.
    """

    heights: Mapping[str, int]
    sequence: int
    is_voted: bool = False


@dataclass(slots=True)
class _Standing:
    """How the index stands, as its one writer knows it: the newest change, the chains' heads, the next numbers."""

    sequence: int
    heads: dict[str, HeadRow]
    numbers: NextNumbers


class Index:
    """Writes the index of a region; there is one writer.

    Parameters
    ----------
    database
        Where it lies.
    region
        The region's name.
    names
        Names of the masters, by number.
    kept
        Those of them whose slave chains are read here.
    calendar
        The region's delivery days.

    Raises
    ------
    InvalidValue
        The database holds the index of another region.
    IndexUnavailable
        The database is not reached.
    """

    def __init__(
        self,
        database: Database,
        region: str,
        names: Mapping[int, str],
        kept: Collection[str],
        calendar: DeliveryCalendar,
    ) -> None:
        self.database = database
        self._calendar = calendar
        self._region = region
        self._names = dict(names)
        self._kept = frozenset(kept)
        self._scope = json.dumps([sorted(kept), self._names, calendar.time_zone])
        self._standing: _Standing | None = None
        if not self._is_usable():
            self.clear()

    def heads(self) -> dict[str, tuple[int, bytes]]:
        """Height and hash of each chain's newest block that stands here."""
        rows = self.database.rows(select(heads.c.chain, heads.c.height, heads.c.hash))
        return {chain: (height, block_hash) for chain, height, block_hash in rows}

    def sequence(self) -> int:
        """Number of the newest entry of `changes`."""
        found: int = self.database.value(select(index_state.c.sequence))
        return found

    def apply(self, blocks: Sequence[Block]) -> Notice:
        """Write what blocks changed, all of it or nothing.

        Parameters
        ----------
        blocks
            New blocks, each chain's in their order. Those that stand here already change nothing.

        Raises
        ------
        IndexMismatch
            A chain's blocks do not follow on the newest that stands here.
        IndexUnavailable
            The database is not reached, or has no room.
        """
        standing, self._standing = self._standing, None
        with self.database.writing() as connection:
            if standing is None:
                standing = _Standing(
                    connection.scalar(select(index_state.c.sequence)) or 0,
                    chains.standing_heads(connection),
                    next_numbers(connection),
                )
            new = _following(standing.heads, blocks)
            if new:
                self._write(connection, new, standing)
        # Only now is it known to stand there.
        self._standing = standing
        is_voted = any(block.governance for block in new if isinstance(block, MainBlock))
        return Notice({name_of(block): block.head.height for block in new}, standing.sequence, is_voted)

    def _write(self, connection: Connection, new: list[Block], standing: _Standing) -> None:
        # What a slave chain says of trades stands on the main chain before.
        new.sort(key=lambda block: not isinstance(block, MainBlock))
        made = chains.apply(connection, new, self._names, standing.heads)
        participants.apply(connection, new, self._names)
        changed = market.apply(connection, new, self._names, self._kept, standing.numbers)
        counts = {name: head.record_count for name, head in standing.heads.items()}
        records.apply(connection, new, self._calendar, counts)
        records.note_submitted(connection, new)
        balance.apply(connection, new)
        standing.sequence += 1
        _publish(connection, standing.sequence, _content(new, made, changed))

    def clear(self) -> None:
        """Forget everything, so that it is built again."""
        self._standing = None
        with self.database.writing() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            metadata.drop_all(connection)
            metadata.create_all(connection)
            # Higher than any number of an index before it: whoever comes back with one of those has to load anew.
            sequence = time.time_ns() // 1_000_000
            row = {"schema_version": SCHEMA_VERSION, "region": self._region, "kept": self._scope, "sequence": sequence}
            connection.execute(insert(index_state), row)

    def _is_usable(self) -> bool:
        """Whether the database holds an index of these chains that this version can go on with."""
        try:
            with self.database.reading() as connection:
                inspector = inspect(connection)
                if not inspector.has_table(index_state.name):
                    return False
                if {column["name"] for column in inspector.get_columns(index_state.name)} != {*index_state.c.keys()}:
                    return False
                row = connection.execute(select(index_state)).first()
        except DatabaseError:  # the file is damaged
            self.database.discard()
            return False
        if row is not None and row.region != self._region:
            remedy = f"a database without the index of another region: this one holds that of {row.region!r}"
            raise InvalidValue("index", self.database.name, remedy)
        return row is not None and (row.schema_version, row.kept) == (SCHEMA_VERSION, self._scope)


def _following(standing: Mapping[str, HeadRow], blocks: Sequence[Block]) -> list[Block]:
    """The blocks that are new here."""
    last = {chain: (head.height, head.hash) for chain, head in standing.items()}
    new: list[Block] = []
    for block in blocks:
        chain, head = name_of(block), block.head
        height, block_hash = last.get(chain, (head.height - 1, head.parent_hash))
        if head.height <= height:
            continue
        if head.height != height + 1 or head.parent_hash != block_hash:
            raise IndexMismatch(f"block {head.height} of chain {chain} does not follow on block {height} of the index")
        last[chain] = head.height, head.hash
        new.append(block)
    return new


def _content(new: Sequence[Block], made: Sequence[AnchorEntry], changed: MarketChanges) -> dict[str, object]:
    """What is told to those who watch."""
    if len(changed.orders) + len(changed.levels) + len(changed.deals) + len(new) > MOST_CHANGES:
        return {"is_too_much": True}
    return {
        "levels": sorted(changed.levels),
        "orders": list(changed.orders),
        "deals": list(changed.deals),
        "trades": changed.trades,
        "blocks": [(name_of(block), block.head.height) for block in new],
        "anchors": [(entry.chain, entry.anchor.last_block) for entry in made],
    }


def _publish(connection: Connection, sequence: int, content: Mapping[str, object]) -> None:
    insert_rows(connection, changes, [_Change(sequence, json.dumps(content, separators=(",", ":")))])
    if sequence % FORGOTTEN_TOGETHER == 0:
        connection.execute(delete(changes).where(changes.c.sequence <= sequence - KEPT_CHANGES))
    update_rows(connection, index_state, ("sequence",), [_State(SCHEMA_VERSION, sequence)])


@dataclass(slots=True)
class _Change:
    """A row of `changes`."""

    sequence: int
    content: str


@dataclass(slots=True)
class _State:
    """What changes of the row of `index_state`."""

    schema_version: int
    sequence: int
