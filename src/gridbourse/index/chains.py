"""The chains: their blocks and heads, anchors of the slave chains, and what the masters voted for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from gridbourse.contracts.abi import DecodedEvent
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.crypto.keys import Address
from gridbourse.index.blocks import Block, Head, MainBlock, SlaveBlock
from gridbourse.index.database import Database, insert_rows, is_integer, update_rows
from gridbourse.index.schema import MAIN, anchors, blocks, heads, records, votes

_OLDEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A chain as it stands.

    Parameters
    ----------
    chain
        Its name.
    head
        Its newest block.
    record_count
        Of a slave chain, how many records it holds.
    author
        Who speaks for its master; None before the ledger has one.
    """

    chain: str
    head: Head
    record_count: int
    author: Address | None


@dataclass(frozen=True, slots=True)
class AnchorEntry:
    """An anchor of a slave chain, and where and when it was made."""

    chain: str
    anchor: Anchor
    height: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class VoteEntry:
    """An action that masters voted for; `voters` are their numbers."""

    action_id: bytes
    action: bytes
    opened_at: int
    voters: tuple[int, ...]
    is_carried: bool


@dataclass(slots=True)
class _Block:
    """A row of `blocks`."""

    chain: str
    height: int
    timestamp: int
    hash: bytes
    parent_hash: bytes
    transaction_count: int


@dataclass(slots=True)
class _Anchor:
    """A row of `anchors`."""

    chain: str
    last_block: int
    first_block: int
    leaf_count: int
    root: bytes
    height: int
    timestamp: int


@dataclass(slots=True)
class HeadRow:
    """A row of `heads`."""

    chain: str
    height: int
    timestamp: int
    hash: bytes
    parent_hash: bytes
    transaction_count: int
    record_count: int = 0
    author: bytes | None = None


_STANDING = tuple(column.name for column in heads.columns if column.name != "chain")


def apply(
    connection: Connection, new: Sequence[Block], names: Mapping[int, str], standing: dict[str, HeadRow]
) -> list[AnchorEntry]:
    """Write blocks' heads, anchors and votes; returns the anchors.

    Parameters
    ----------
    connection
        In a transaction.
    new
        New blocks.
    names
        Names of the masters, by number.
    standing
        The heads of all chains, by name, which are brought up to date.
    """
    insert_rows(connection, blocks, [_block_row(block) for block in new])
    made: list[AnchorEntry] = []
    for block in new:
        if isinstance(block, MainBlock):
            place = block.head.height, block.head.timestamp
            made += [
                AnchorEntry(names[master_id], anchor, *place)
                for master_id, anchor in block.anchors
                if master_id in names
            ]
            for event in block.governance:
                _vote(connection, event, block.head.timestamp)
    insert_rows(connection, anchors, _new_anchors(made))
    _stand(connection, new, standing)
    return made


def standing_heads(connection: Connection) -> dict[str, HeadRow]:
    """The heads of all chains that are read here, by name."""
    return {row.chain: HeadRow(*row) for row in connection.execute(select(heads))}


def _block_row(block: Block) -> _Block:
    head = block.head
    return _Block(name_of(block), head.height, head.timestamp, head.hash, head.parent_hash, head.transaction_count)


def name_of(block: Block) -> str:
    """Name of the chain of a block."""
    return MAIN if isinstance(block, MainBlock) else block.master


def _new_anchors(made: Sequence[AnchorEntry]) -> list[_Anchor]:
    rows = {}
    for entry in made:
        anchor = entry.anchor
        rows[entry.chain, anchor.last_block] = _Anchor(
            entry.chain,
            anchor.last_block,
            anchor.first_block,
            anchor.leaf_count,
            anchor.root,
            entry.height,
            entry.timestamp,
        )
    return list(rows.values())


def _stand(connection: Connection, new: Sequence[Block], standing: dict[str, HeadRow]) -> None:
    """Write the new heads."""
    begun: dict[str, HeadRow] = {}
    for block in new:
        name, head = name_of(block), block.head
        place = head.height, head.timestamp, head.hash, head.parent_hash, head.transaction_count
        if name not in standing:
            begun[name] = standing[name] = HeadRow(name, *place)
        row = standing[name]
        row.height, row.timestamp, row.hash, row.parent_hash, row.transaction_count = place
        if isinstance(block, SlaveBlock):
            row.record_count += len(block.records)
            row.author = block.author
    insert_rows(connection, heads, begun.values())
    moved = {name_of(block) for block in new} - begun.keys()
    update_rows(connection, heads, _STANDING, [standing[name] for name in sorted(moved)])


def _vote(connection: Connection, event: DecodedEvent, timestamp: int) -> None:
    """An action that was carried can be put to the vote again: that is another row."""
    if event.name not in {"Voted", "ActionCarried"}:
        return
    action_id = event.values["actionId"]
    last = select(votes).where(votes.c.action_id == action_id).order_by(votes.c.number.desc()).limit(1)
    row = connection.execute(last).first()
    if event.name == "ActionCarried":
        assert row is not None, "it was voted for"
        connection.execute(update(votes).where(votes.c.number == row.number).values(is_carried=True))
    elif row is None or row.is_carried:
        number = (connection.scalar(select(func.max(votes.c.number))) or 0) + 1
        new = {"number": number, "action_id": action_id, "action": event.values["action"], "opened_at": timestamp}
        voters = json.dumps([event.values["masterId"]])
        connection.execute(insert(votes), {**new, "voters": voters, "is_carried": False})
    else:
        voters = json.dumps([*json.loads(row.voters), event.values["masterId"]])
        connection.execute(update(votes).where(votes.c.number == row.number).values(voters=voters))


# Queries

_WRITTEN_AT = (
    select(blocks.c.timestamp)
    .join(records, and_(records.c.chain == blocks.c.chain, records.c.height == blocks.c.height))
    .where(records.c.chain == bindparam("chain"), records.c.number == bindparam("number"))
)
_HEADS = select(
    heads.c.chain,
    heads.c.height,
    heads.c.timestamp,
    heads.c.hash,
    heads.c.parent_hash,
    heads.c.transaction_count,
    heads.c.record_count,
    heads.c.author,
)
_BLOCK = (blocks.c.height, blocks.c.timestamp, blocks.c.hash, blocks.c.parent_hash, blocks.c.transaction_count)
_NEWEST = (
    select(*_BLOCK)
    .where(blocks.c.chain == bindparam("chain"), blocks.c.height < bindparam("before"))
    .order_by(blocks.c.height.desc())
    .limit(bindparam("limit"))
)
_BY_HASH = select(blocks.c.chain, blocks.c.height).where(
    blocks.c.hash >= bindparam("first"), blocks.c.hash <= bindparam("last")
)
_ANCHOR = (
    anchors.c.chain,
    anchors.c.first_block,
    anchors.c.last_block,
    anchors.c.leaf_count,
    anchors.c.root,
    anchors.c.height,
    anchors.c.timestamp,
)
_NEWEST_ANCHORS = (
    select(*_ANCHOR)
    .where(anchors.c.chain == bindparam("chain"), anchors.c.last_block < bindparam("before"))
    .order_by(anchors.c.last_block.desc())
    .limit(bindparam("limit"))
)
_COVERING = (
    select(*_ANCHOR)
    .where(anchors.c.chain == bindparam("chain"), anchors.c.leaf_count > bindparam("index"))
    .order_by(anchors.c.leaf_count, anchors.c.last_block)
    .limit(1)
)
_MADE_IN = select(*_ANCHOR).where(anchors.c.height == bindparam("height")).order_by(anchors.c.chain)
_VOTES = select(votes.c.action_id, votes.c.action, votes.c.opened_at, votes.c.voters, votes.c.is_carried).order_by(
    votes.c.opened_at.desc(), votes.c.number
)


class Chains:
    """Reads the chains.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self) -> dict[str, ChainHead]:
        """All chains that are read here, by name."""
        return {row.chain: _chain_head(row) for row in self._database.rows(_HEADS)}

    def head(self, chain: str) -> ChainHead | None:
        """A chain as it stands; None if nothing of it was read yet."""
        row = self._database.first(_HEADS.where(heads.c.chain == chain))
        return _chain_head(row) if row else None

    def height(self, chain: str = MAIN) -> int:
        """Height of a chain's newest block; 0 if nothing of it was read yet."""
        found: int | None = self._database.value(_HEIGHT, chain=chain)
        return found or 0

    def blocks(self, chain: str, before: int | None, limit: int) -> list[Head]:
        """Blocks of a chain, newest first, from before a height on."""
        before = _OLDEST if before is None else before
        return [Head(*row) for row in self._database.rows(_NEWEST, chain=chain, before=before, limit=limit)]

    def blocks_at(self, places: Sequence[tuple[str, int]]) -> Iterator[tuple[str, Head]]:
        """Blocks by their chains and heights, in that order of both."""
        for chain, *head in sorted(self._database.rows_with(blocks, ("chain", "height"), places)):
            yield chain, Head(*head)

    def anchors_at(self, places: Sequence[tuple[str, int]]) -> Iterator[AnchorEntry]:
        """Anchors by their chains and last blocks."""
        rows = self._database.rows_with(anchors, ("chain", "last_block"), places)
        made = [_Anchor(*row) for row in rows]
        for row in sorted(made, key=lambda row: (row.height, row.chain)):
            anchor = Anchor(row.first_block, row.last_block, row.leaf_count, row.root)
            yield AnchorEntry(row.chain, anchor, row.height, row.timestamp)

    def blocks_by_hash(self, digits: str, chains: Iterable[str]) -> list[tuple[str, int]]:
        """Chain and height of the blocks whose hash begins with some digits."""
        first, last = bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))
        statement = _BY_HASH.where(blocks.c.chain.in_(list(chains))).order_by(blocks.c.chain, blocks.c.height)
        return [(chain, height) for chain, height in self._database.rows(statement, first=first, last=last)]

    def anchors(self, chain: str, before: int | None = None, limit: int = 1) -> list[AnchorEntry]:
        """Anchors of a chain, newest first, from before one that ends in a block on."""
        before = _OLDEST if before is None else before
        rows = self._database.rows(_NEWEST_ANCHORS, chain=chain, before=before, limit=limit)
        return list(map(_anchor, rows))

    def covering(self, chain: str, index: int) -> AnchorEntry | None:
        """The first anchor that covers a record; None if none does yet."""
        row = self._database.first(_COVERING, chain=chain, index=index)
        return _anchor(row) if row else None

    def unanchored_since(self, chain: str) -> int | None:
        """When the first of the records was written that no anchor covers yet; None if there are none."""
        newest = self.anchors(chain)
        count = newest[0].anchor.leaf_count if newest else 0
        found: int | None = self._database.value(_WRITTEN_AT, chain=chain, number=count)
        return found

    def anchors_in(self, height: int) -> list[AnchorEntry]:
        """Anchors that were made in a block of the main chain."""
        return list(map(_anchor, self._database.rows(_MADE_IN, height=height))) if is_integer(height) else []

    def votes(self) -> list[VoteEntry]:
        """What masters voted for, newest first."""
        return [
            VoteEntry(action_id, action, opened_at, tuple(json.loads(voters)), is_carried)
            for action_id, action, opened_at, voters, is_carried in self._database.rows(_VOTES)
        ]


_HEIGHT = select(heads.c.height).where(heads.c.chain == bindparam("chain"))


def _chain_head(row: Any) -> ChainHead:
    head = Head(row.height, row.timestamp, row.hash, row.parent_hash, row.transaction_count)
    author = None if row.author is None else Address(row.author)
    return ChainHead(row.chain, head, row.record_count, author)


def _anchor(row: Sequence[Any]) -> AnchorEntry:
    chain, *covered, height, timestamp = row
    return AnchorEntry(chain, Anchor(*covered), height, timestamp)
