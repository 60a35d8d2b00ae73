"""What those who have signed in may see of the chains: blocks, transactions, records, proofs, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

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
from gridbourse.crypto.envelope import recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import Conflict, EnvelopeError, Forbidden, NotFound
from gridbourse.index.blocks import Head
from gridbourse.index.chains import AnchorEntry, ChainHead
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.records import RecordEntry
from gridbourse.index.schema import MAIN
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.sealing import LedgerPlace, open_record
from gridbourse.node.commands import requests
from gridbourse.node.commands.chain_views import block_summary, hex_text, plain_fields
from gridbourse.node.commands.client import NodeClient
from gridbourse.region.description import RegionSpec
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.use_cases.paging import page_of, read_cursor
from gridbourse.text import Message


class ChainQueries:
    """Reads the chains for those who may.

    Parameters
    ----------
    node
        The region's node, which reads its chains.
    spec
        Who takes part.
    chain_ids
        Ids of the chains that are kept here, by name.
    index
        The index.
    """

    def __init__(
        self,
        node: NodeClient,
        spec: RegionSpec,
        chain_ids: Mapping[str, int],
        index: IndexReader,
    ) -> None:
        self._node = node
        self._roles = {master.name: master.role.name.lower() for master in spec.masters}
        self._names = (MAIN, *self._roles)
        self._display_names = {master.name: master.display_name for master in spec.masters}
        self._chain_ids = chain_ids
        self._index = index

    def chains(self) -> list[ChainSummary]:
        """All chains; main chain first."""
        heads = self._index.chains.heads()
        return [self._summary(name, heads.get(name)) for name in self._names]

    def blocks(self, principal: Principal, name: str, cursor: str | None, limit: int) -> Page[BlockSummary]:
        """Blocks of a chain, newest first."""
        require(principal, Right.READ_CHAINS)
        self._require_chain(name)
        heads = self._index.chains.blocks(name, read_cursor(cursor), limit + 1)
        return page_of(heads, limit, place=lambda head: head.height, view=partial(block_summary, name))

    async def block(self, principal: Principal, name: str, height: int) -> BlockView:
        """One block with its transactions; those of a private chain are told to its own members only."""
        require(principal, Right.READ_CHAINS)
        self._require_chain(name)
        if not 1 <= height <= self._index.chains.height(name):
            raise NotFound(Message("chain {name} has no block {height}", name=name, height=height))
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        block: BlockView = await self._node.ask(requests.ReadBlock(name, height))
        return block

    async def transaction(self, principal: Principal, name: str, tx_hash: bytes) -> TransactionView:
        """One transaction. Raises `NotFound`."""
        require(principal, Right.READ_CHAINS)
        self._require_chain(name)
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        found: TransactionView | None = await self._node.ask(requests.ReadTransaction(name, tx_hash))
        if found is None:
            raise NotFound(Message("chain {name} has no transaction {hash}", name=name, hash=hex_text(tx_hash)))
        return found

    def anchors(self, name: str, cursor: str | None, limit: int) -> Page[AnchorView]:
        """Anchors of a slave chain, newest first."""
        self._require_slave(name)
        found = self._index.chains.anchors(name, read_cursor(cursor), limit + 1)
        return page_of(found, limit, place=lambda entry: entry.anchor.last_block, view=_anchor)

    def anchors_in(self, height: int) -> list[AnchorView]:
        """Anchors that were made in a block of the main chain."""
        return list(map(_anchor, self._index.chains.anchors_in(height)))

    def records(
        self, principal: Principal, name: str, *, kind: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[RecordSummary]:
        """Records of a slave chain, newest first, to its own members."""
        require(principal, Right.READ_CHAINS)
        self._require_slave(name)
        self._require_member(principal, name)
        number = None if kind is None else _kind_number(kind)
        found = self._index.records.newest(name, number, read_cursor(cursor), limit + 1)
        anchored = self._anchored_count(name)
        return page_of(
            found,
            limit,
            place=lambda entry: entry.index,
            view=lambda entry: _record_summary(principal, entry, anchored),
        )

    def records_of_deal(self, principal: Principal, name: str, deal_id: int, order_leaf: bytes) -> list[RecordSummary]:
        """What a deal left on a slave chain, oldest first: the party's order, its answer, the deal as it came back."""
        require(principal, Right.READ_CHAINS)
        self._require_slave(name)
        self._require_member(principal, name)
        anchored = self._anchored_count(name)
        found = self._index.records.about(name, deal_id, order_leaf)
        return [_record_summary(principal, entry, anchored) for entry in found]

    def find_record(self, principal: Principal, leaf: bytes) -> RecordSummary:
        """The record that has a leaf. Raises `NotFound`."""
        require(principal, Right.READ_CHAINS)
        readable = [name for name in self._roles if self.is_member(principal, name)]
        for entry in self._index.records.beginning(leaf.hex(), readable):
            return _record_summary(principal, entry, self._anchored_count(entry.chain))
        raise NotFound(Message("there is no record with leaf {leaf} that you may see", leaf=hex_text(leaf)))

    async def record(self, principal: Principal, name: str, index: int) -> RecordView:
        """A record, and what the caller may read of it."""
        require(principal, Right.READ_CHAINS)
        found = self._record(name, index)
        self._require_member(principal, name)
        reader, explanation = _reader(principal, found)
        read: requests.OpenedRecord = await self._node.ask(requests.OpenRecord(name, found.index, found.height, reader))
        if principal.keys is not None and found.node_id == principal.name:
            read = _opened(read, principal.keys)
        if read.fault is not None:
            explanation = f"does not open: {read.fault}"
        return RecordView(
            record=_record_summary(principal, found, self._anchored_count(name)),
            content_bytes=len(read.record.content),
            readers=[reader.hex() for reader in recipients_of(read.record.content[HASH_BYTES:])],
            details=dict(read.details) if read.details else None,
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
        found = self._record(name, index)
        self._require_member(principal, name)
        covering = self._index.chains.covering(name, index)
        if covering is None:
            text = "record {index} of {name} is not anchored yet; ask again after the next anchor"
            raise Conflict(Message(text, index=index, name=name))
        leaf_count = covering.anchor.leaf_count
        return InclusionProof(
            chain=name,
            index=index,
            leaf=hex_text(found.leaf),
            leaf_count=leaf_count,
            path=[hex_text(node) for node in self._index.records.inclusion_proof(name, index, leaf_count)],
            root=hex_text(covering.anchor.root),
            anchor=_anchor(covering),
        )

    async def height_of_transaction(self, principal: Principal, name: str, tx_hash: bytes) -> int | None:
        """Height of the block of a chain that holds a transaction; None if there is none that the caller may see."""
        require(principal, Right.READ_CHAINS)
        if not self._is_kept(name) or (name != MAIN and not self.is_member(principal, name)):
            return None
        found: TransactionView | None = await self._node.ask(requests.ReadTransaction(name, tx_hash))
        return found.height if found else None

    def readable(self, principal: Principal) -> list[str]:
        """Chains whose blocks the caller may open."""
        return [name for name in self._names if name == MAIN or self.is_member(principal, name)]

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

    def _require_chain(self, name: str) -> None:
        if name not in self._names:
            text = "there is no chain {name!r}; there are {names}"
            raise NotFound(Message(text, name=name, names=", ".join(self._names)))

    def _require_slave(self, name: str) -> None:
        if name == MAIN:
            raise NotFound(Message("the main chain has no records of its own; name a slave chain"))
        self._require_chain(name)

    def _record(self, name: str, index: int) -> RecordEntry:
        self._require_slave(name)
        found = self._index.records.record(name, index)
        if found is None:
            raise NotFound(Message("chain {name} has no record {index}", name=name, index=index))
        return found

    def _anchored_count(self, name: str) -> int:
        newest = self._index.chains.anchors(name)
        return newest[0].anchor.leaf_count if newest else 0

    def _summary(self, name: str, found: ChainHead | None) -> ChainSummary:
        head, is_slave = found.head if found else Head(0, 0, bytes(32), bytes(32), 0), name != MAIN
        last = next((entry.anchor for entry in self._index.chains.anchors(name)), None)
        return ChainSummary(
            name=name,
            chain_id=self._chain_ids.get(name),
            role=self._roles.get(name),
            height=head.height,
            hash=hex_text(head.hash),
            timestamp=head.timestamp,
            record_count=(found.record_count if found else 0) if is_slave else None,
            anchored_count=(last.leaf_count if last else 0) if is_slave else None,
            anchored_block=last.last_block if last else None,
            display_name=self._display_names.get(name),
        )


def _record_summary(principal: Principal, entry: RecordEntry, anchored_count: int) -> RecordSummary:
    is_own = principal.kind is not Kind.NODE or (entry.node_id == principal.name and principal.keys is not None)
    return RecordSummary(
        chain=entry.chain,
        index=entry.index,
        kind=_kind(entry.kind),
        author=hex_text(entry.author),
        leaf=hex_text(entry.leaf),
        height=entry.height,
        transaction=hex_text(entry.transaction_hash),
        is_anchored=entry.index < anchored_count,
        is_readable=is_own,
    )


def _anchor(entry: AnchorEntry) -> AnchorView:
    anchor = entry.anchor
    return AnchorView(
        entry.chain, anchor.first_block, anchor.last_block, anchor.leaf_count, hex_text(anchor.root), entry.height
    )


def _kind(kind: int) -> str:
    return RecordKind(kind).name.lower() if kind in set(RecordKind) else str(kind)


def _kind_number(name: str) -> int:
    """The number of a kind that `_kind` names; one that no record has if it names none."""
    if name.upper() in RecordKind.__members__:
        return RecordKind[name.upper()]
    return int(name) if name.isascii() and name.isdigit() else -1


def _reader(principal: Principal, entry: RecordEntry) -> tuple[Literal["master", "regulator", "nobody"], str]:
    """Who opens a record for the caller: the node by a key that it keeps, or nobody there; and why."""
    if principal.kind is Kind.NODE and entry.node_id != principal.name:
        return "nobody", "sealed to another function node, its encryption node and the regulator"
    if principal.kind is Kind.NODE and principal.keys is None:
        return "nobody", "sealed to your own key, which the service does not have; open it with that key"
    if principal.kind is Kind.MASTER:
        return "master", "sealed to the encryption node of this chain"
    if principal.keys is not None:
        return "nobody", "sealed to this function node"
    return "regulator", "sealed to the regulator, which reads everything"


def _opened(sealed: requests.OpenedRecord, keys: NodeKeys) -> requests.OpenedRecord:
    """A record, opened with keys that are unlocked here."""
    place = LedgerPlace(sealed.chain_id, sealed.ledger)
    try:
        return replace(sealed, details=plain_fields(open_record(place, sealed.record, *keys.opening)))
    except EnvelopeError as error:
        return replace(sealed, fault=str(error))
