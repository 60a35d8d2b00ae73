"""What those who have signed in may see of the chains: blocks, transactions, records, proofs, anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum

from gridbourse.api.chain_schema import (
    AnchorView,
    BlockSummary,
    BlockView,
    ChainSummary,
    InclusionProof,
    RecordSummary,
    RecordView,
    TransactionView,
)
from gridbourse.api.schema import Page
from gridbourse.crypto.envelope import EncryptionKey, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import Conflict, Forbidden, NotFound
from gridbourse.index.chain_state import MAIN, ChainEntry, ChainState
from gridbourse.index.chain_tables import AnchorEntry, RecordEntry
from gridbourse.index.news import Head
from gridbourse.ledger.kinds import RecordKind
from gridbourse.region.description import RegionSpec
from gridbourse.service.chain_source import (
    block_summary,
    hex_text,
    read_block,
    read_head,
    read_height_of_block,
    read_height_of_transaction,
    read_record,
    read_record_as_master,
    read_transaction,
)
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.paging import cut, newest_first, read_cursor, write_cursor
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.text import Message


class ChainQueries:
    """Reads the chains for those who may.

    Parameters
    ----------
    region
        Runs the region, whose chains it reads.
    spec
        Who takes part.
    chain_ids
        Ids of the chains that are kept here, by name.
    state
        The chains as they stand.
    regulator_keys
        With which the regulator opens records.
    """

    def __init__(
        self,
        region: RegionProcess,
        spec: RegionSpec,
        chain_ids: Mapping[str, int],
        state: ChainState,
        regulator_keys: Sequence[EncryptionKey],
    ) -> None:
        self._region = region
        self._roles = {master.name: master.role.name.lower() for master in spec.masters}
        self._chain_ids = chain_ids
        self._state = state
        self._regulator_keys = regulator_keys

    def chains(self) -> list[ChainSummary]:
        """All chains; main chain first."""
        return [self._summary(name, entry) for name, entry in self._state.chains.items()]

    async def blocks(self, principal: Principal, name: str, cursor: str | None, limit: int) -> Page[BlockSummary]:
        """Blocks of a chain, newest first."""
        require(principal, Right.READ_CHAINS)
        entry = self._chain(name)
        newest = entry.head.height if entry.head else 0
        last = read_cursor(cursor)
        start = newest if last is None else min(last - 1, newest)
        heights = range(start, max(0, start - limit), -1)
        kept = {head.height: head for head in entry.heads}
        blocks = [
            block_summary(name, kept[height] if height in kept else await self._region.read(read_head, name, height))
            for height in heights
        ]
        return Page(blocks, write_cursor(heights[-1]) if heights and heights[-1] > 1 else None)

    async def block(self, principal: Principal, name: str, height: int) -> BlockView:
        """One block with its transactions; those of a private chain are told to its own members only."""
        require(principal, Right.READ_CHAINS)
        entry = self._chain(name)
        if not 1 <= height <= (entry.head.height if entry.head else 0):
            raise NotFound(Message("chain {name} has no block {height}", name=name, height=height))
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        return await self._region.read(read_block, name, height)

    async def transaction(self, principal: Principal, name: str, tx_hash: bytes) -> TransactionView:
        """One transaction. Raises `NotFound`."""
        require(principal, Right.READ_CHAINS)
        self._chain(name)
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        found = await self._region.read(read_transaction, name, tx_hash)
        if found is None:
            raise NotFound(Message("chain {name} has no transaction {hash}", name=name, hash=hex_text(tx_hash)))
        return found

    def anchors(self, name: str, cursor: str | None, limit: int) -> Page[AnchorView]:
        """Anchors of a slave chain, newest first."""
        entry = self._slave(name)
        return cut(
            newest_first(entry.anchors, cursor, lambda anchor: anchor.anchor.last_block),
            cursor,
            limit,
            key=lambda anchor: -anchor.anchor.last_block,
            view=lambda anchor: _anchor(name, anchor),
        )

    def anchors_in(self, height: int) -> list[AnchorView]:
        """Anchors that were made in a block of the main chain."""
        return [
            _anchor(name, anchor)
            for name, entry in self._state.chains.items()
            for anchor in entry.anchors.made_in(height)
        ]

    def records(
        self, principal: Principal, name: str, *, kind: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[RecordSummary]:
        """Records of a slave chain, newest first, to its own members."""
        require(principal, Right.READ_CHAINS)
        entry = self._slave(name)
        self._require_member(principal, name)
        return cut(
            newest_first(entry.records.of_kind(_kind_number(kind)) if kind else range(len(entry.records)), cursor),
            cursor,
            limit,
            key=lambda index: -index,
            view=lambda index: self._record_summary(principal, name, entry.records[index]),
        )

    def records_of_deal(self, principal: Principal, name: str, deal_id: int, order_leaf: bytes) -> list[RecordSummary]:
        """What a deal left on a slave chain, oldest first: the party's order, its answer, the deal as it came back."""
        require(principal, Right.READ_CHAINS)
        entry = self._slave(name)
        self._require_member(principal, name)
        return [self._record_summary(principal, name, record) for record in entry.records.about(deal_id, order_leaf)]

    def find_record(self, principal: Principal, leaf: bytes) -> RecordSummary:
        """The record that has a leaf. Raises `NotFound`."""
        require(principal, Right.READ_CHAINS)
        for name, entry in self._state.chains.items():
            if name != MAIN and self.is_member(principal, name) and (found := entry.records.beginning(leaf.hex())):
                return self._record_summary(principal, name, found[0])
        raise NotFound(Message("there is no record with leaf {leaf} that you may see", leaf=hex_text(leaf)))

    async def record(self, principal: Principal, name: str, index: int) -> RecordView:
        """A record, and what the caller may read of it."""
        require(principal, Right.READ_CHAINS)
        found = self._record(name, index)
        self._require_member(principal, name)
        keys, explanation = self._opening(principal, found)
        place = name, found.index, found.height
        if keys is None:
            read = await self._region.read(read_record_as_master, *place)
        else:
            read = await self._region.read(read_record, *place, keys)
        if read.fault is not None:
            explanation = f"does not open: {read.fault}"
        return RecordView(
            record=self._record_summary(principal, name, found),
            content_bytes=len(read.record.content),
            readers=[reader.hex() for reader in recipients_of(read.record.content[HASH_BYTES:])],
            details={key: _plain(value) for key, value in asdict(read.details).items()} if read.details else None,
            explanation=explanation,
        )

    def proof(self, principal: Principal, name: str, index: int) -> InclusionProof:
        """The proof that a record lies under an anchored root.

        Raises
        ------
        NotFound
            There is no such record.
        Conflict
            No anchor covers it yet.
        """
        require(principal, Right.READ_CHAINS)
        found, entry = self._record(name, index), self._slave(name)
        self._require_member(principal, name)
        covering = entry.anchors.covering(index)
        if covering is None:
            text = "record {index} of {name} is not anchored yet; ask again after the next anchor"
            raise Conflict(Message(text, index=index, name=name))
        leaf_count = covering.anchor.leaf_count
        return InclusionProof(
            chain=name,
            index=index,
            leaf=hex_text(found.leaf),
            leaf_count=leaf_count,
            path=[hex_text(node) for node in entry.log.inclusion_proof(index, leaf_count)],
            root=hex_text(covering.anchor.root),
            anchor=_anchor(name, covering),
        )

    def _opening(self, principal: Principal, entry: RecordEntry) -> tuple[Sequence[EncryptionKey] | None, str]:
        """With which keys a record is opened for the caller, None being those of its encryption node; and why."""
        if principal.kind is Kind.NODE and entry.node_id != principal.name:
            return (), "sealed to another function node, its encryption node and the regulator"
        if principal.kind is Kind.NODE and principal.keys is None:
            return (), "sealed to your own key, which the service does not have; open it with that key"
        if principal.kind is Kind.MASTER:
            return None, "sealed to the encryption node of this chain"
        if principal.keys is not None:
            return principal.keys.opening, "sealed to this function node"
        return self._regulator_keys, "sealed to the regulator, which reads everything"

    async def height_of(self, principal: Principal, name: str, block_hash: bytes) -> int | None:
        """Height of the block of a chain that has a hash; None if there is none."""
        require(principal, Right.READ_CHAINS)
        return await self._region.read(read_height_of_block, name, block_hash) if self._is_kept(name) else None

    async def height_of_transaction(self, principal: Principal, name: str, tx_hash: bytes) -> int | None:
        """Height of the block of a chain that holds a transaction; None if there is none that the caller may see."""
        require(principal, Right.READ_CHAINS)
        if not self._is_kept(name) or (name != MAIN and not self.is_member(principal, name)):
            return None
        return await self._region.read(read_height_of_transaction, name, tx_hash)

    def is_member(self, principal: Principal, name: str) -> bool:
        """Whether the caller reads a slave chain."""
        return principal.kind is Kind.REGULATOR or principal.master == name

    def _require_member(self, principal: Principal, name: str) -> None:
        if not self.is_member(principal, name):
            text = (
                "slave chain {name} is private: its master, the nodes below it and the regulator read it; "
                "everybody sees its blocks' heads and its anchors"
            )
            raise Forbidden(Message(text, name=name))

    def _require_kept(self, name: str) -> None:
        if not self._is_kept(name):
            raise NotFound(Message("slave chain {name} is not kept here, but by its master", name=name))

    def _is_kept(self, name: str) -> bool:
        return name in self._chain_ids

    def _chain(self, name: str) -> ChainEntry:
        entry = self._state.chains.get(name)
        if entry is None:
            text = "there is no chain {name!r}; there are {names}"
            raise NotFound(Message(text, name=name, names=", ".join(self._state.chains)))
        return entry

    def _slave(self, name: str) -> ChainEntry:
        if name == MAIN:
            raise NotFound(Message("the main chain has no records of its own; name a slave chain"))
        return self._chain(name)

    def _record(self, name: str, index: int) -> RecordEntry:
        records = self._slave(name).records
        if not 0 <= index < len(records):
            raise NotFound(Message("chain {name} has no record {index}", name=name, index=index))
        return records[index]

    def _summary(self, name: str, entry: ChainEntry) -> ChainSummary:
        head, is_slave = entry.head or Head(0, 0, bytes(32), bytes(32), 0), name != MAIN
        last = entry.anchors[-1].anchor if entry.anchors else None
        return ChainSummary(
            name=name,
            chain_id=self._chain_ids.get(name),
            role=self._roles.get(name),
            height=head.height,
            hash=hex_text(head.hash),
            timestamp=head.timestamp,
            record_count=len(entry.records) if is_slave else None,
            anchored_count=entry.anchored_count if is_slave else None,
            anchored_block=last.last_block if last else None,
        )

    def _record_summary(self, principal: Principal, name: str, entry: RecordEntry) -> RecordSummary:
        is_own = principal.kind is not Kind.NODE or (entry.node_id == principal.name and principal.keys is not None)
        return RecordSummary(
            chain=name,
            index=entry.index,
            kind=_kind(entry.kind),
            author=hex_text(entry.author),
            leaf=hex_text(entry.leaf),
            height=entry.height,
            transaction=hex_text(entry.transaction_hash),
            is_anchored=entry.index < self._state.chains[name].anchored_count,
            is_readable=is_own,
        )


def _anchor(name: str, entry: AnchorEntry) -> AnchorView:
    anchor = entry.anchor
    return AnchorView(
        name, anchor.first_block, anchor.last_block, anchor.leaf_count, hex_text(anchor.root), entry.height
    )


def _kind(kind: int) -> str:
    return RecordKind(kind).name.lower() if kind in set(RecordKind) else str(kind)


def _kind_number(name: str) -> int:
    """The number of a kind that `_kind` names; one that no record has if it names none."""
    if name.upper() in RecordKind.__members__:
        return RecordKind[name.upper()]
    return int(name) if name.isascii() and name.isdigit() else -1


def _plain(value: object) -> str | int | bool:
    if isinstance(value, Enum):
        return str(value.name or value.value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, int | bool) else str(value)
