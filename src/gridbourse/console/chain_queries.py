"""What those who have signed in may see of the chains: blocks, transactions, records, proofs, anchors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum

from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.client.chain_values import (
    AnchorView,
    BlockSummary,
    BlockView,
    ChainSummary,
    EventView,
    InclusionProof,
    RecordSummary,
    RecordView,
    TransactionView,
)
from gridbourse.client.values import Page
from gridbourse.console.chain_state import MAIN, ChainEntry, ChainState
from gridbourse.console.chain_tables import AnchorEntry, RecordEntry
from gridbourse.console.news import Head
from gridbourse.console.paging import cut, newest_first, read_cursor, write_cursor
from gridbourse.console.rights import Kind, Principal, Right, require
from gridbourse.contracts.abi import Contract
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.crypto.envelope import EncryptionKey, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import Conflict, EnvelopeError, Forbidden, NotFound
from gridbourse.network.finding import Finding
from gridbourse.network.master import Master
from gridbourse.network.record_kind import RecordKind
from gridbourse.network.records import Details
from gridbourse.network.region import Region
from gridbourse.network.sealing import open_record


class ChainQueries:
    """Reads the chains for those who may.

    Parameters
    ----------
    region
        The region; its chains may be read by any thread.
    state
        The chains as they stand.
    regulator_keys
        With which the regulator opens records.
    """

    def __init__(self, region: Region, state: ChainState, regulator_keys: Sequence[EncryptionKey]) -> None:
        self._state = state
        self._roles = {master.name: master.role.name.lower() for master in region.spec.masters}
        self._masters: dict[str, Master] = region.masters
        self._regulator_keys = regulator_keys
        self._chains: dict[str, Chain] = {MAIN: region.main.chain}
        self._contracts: dict[str, list[Contract]] = {
            MAIN: [region.main.consortium, region.main.market, region.main.anchors, region.main.balancing]
        }
        for name, master in region.masters.items():
            self._chains[name] = master.slave.chain
            self._contracts[name] = [master.slave.ledger]

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
            _block(name, kept[height] if height in kept else await asyncio.to_thread(self._head, name, height))
            for height in heights
        ]
        return Page(blocks, write_cursor(heights[-1]) if heights and heights[-1] > 1 else None)

    async def block(self, principal: Principal, name: str, height: int) -> BlockView:
        """One block with its transactions; those of a private chain are told to its own members only."""
        require(principal, Right.READ_CHAINS)
        entry = self._chain(name)
        if not 1 <= height <= (entry.head.height if entry.head else 0):
            raise NotFound(Finding("chain {name} has no block {height}", name=name, height=height))
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        return await asyncio.to_thread(self._block, name, height)

    async def transaction(self, principal: Principal, name: str, tx_hash: bytes) -> TransactionView:
        """One transaction. Raises `NotFound`."""
        require(principal, Right.READ_CHAINS)
        self._chain(name)
        self._require_kept(name)
        if name != MAIN:
            self._require_member(principal, name)
        found = await asyncio.to_thread(self._transaction, name, tx_hash)
        if found is None:
            raise NotFound(Finding("chain {name} has no transaction {hash}", name=name, hash=_hex(tx_hash)))
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
        raise NotFound(Finding("there is no record with leaf {leaf} that you may see", leaf=_hex(leaf)))

    async def record(self, principal: Principal, name: str, index: int) -> RecordView:
        """A record, and what the caller may read of it."""
        require(principal, Right.READ_CHAINS)
        found = self._record(name, index)
        self._require_member(principal, name)
        record = await asyncio.to_thread(self._ledger_record, name, found)
        details, explanation = self._open(principal, name, found, record)
        return RecordView(
            record=self._record_summary(principal, name, found),
            content_bytes=len(record.content),
            readers=[reader.hex() for reader in recipients_of(record.content[HASH_BYTES:])],
            details=details,
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
            raise Conflict(Finding(text, index=index, name=name))
        leaf_count = covering.anchor.leaf_count
        return InclusionProof(
            chain=name,
            index=index,
            leaf=_hex(found.leaf),
            leaf_count=leaf_count,
            path=[_hex(node) for node in entry.log.inclusion_proof(index, leaf_count)],
            root=_hex(covering.anchor.root),
            anchor=_anchor(name, covering),
        )

    def _open(
        self, principal: Principal, name: str, entry: RecordEntry, record: LedgerRecord
    ) -> tuple[dict[str, str | int | bool] | None, str]:
        if principal.kind is Kind.NODE and entry.node_id != principal.name:
            return None, "sealed to another function node, its encryption node and the regulator"
        if principal.kind is Kind.NODE and principal.keys is None:
            return None, "sealed to your own key, which the service does not have; open it with that key"
        try:
            details, because = self._opened(principal, name, record)
        except EnvelopeError as error:
            return None, f"does not open: {error}"
        return {key: _plain(value) for key, value in asdict(details).items()}, because

    def _opened(self, principal: Principal, name: str, record: LedgerRecord) -> tuple[Details, str]:
        master = self._masters[name]
        if principal.kind is Kind.MASTER:
            return master.encryption_node.open(record), "sealed to the encryption node of this chain"
        if principal.keys is not None:
            return open_record(master.slave.ledger, record, *principal.keys.opening), "sealed to this function node"
        opened = open_record(master.slave.ledger, record, *self._regulator_keys)
        return opened, "sealed to the regulator, which reads everything"

    async def height_of(self, principal: Principal, name: str, block_hash: bytes) -> int | None:
        """Height of the block of a chain that has a hash; None if there is none."""
        require(principal, Right.READ_CHAINS)
        return await asyncio.to_thread(self._chains[name].height_of, block_hash) if name in self._chains else None

    async def height_of_transaction(self, principal: Principal, name: str, tx_hash: bytes) -> int | None:
        """Height of the block of a chain that holds a transaction; None if there is none that the caller may see."""
        require(principal, Right.READ_CHAINS)
        if name not in self._chains or (name != MAIN and not self.is_member(principal, name)):
            return None
        receipt = await asyncio.to_thread(self._chains[name].receipt, tx_hash)
        return receipt.height if receipt else None

    def is_member(self, principal: Principal, name: str) -> bool:
        """Whether the caller reads a slave chain."""
        return principal.kind is Kind.REGULATOR or principal.master == name

    def _require_member(self, principal: Principal, name: str) -> None:
        if not self.is_member(principal, name):
            text = (
                "slave chain {name} is private: its master, the nodes below it and the regulator read it; "
                "everybody sees its blocks' heads and its anchors"
            )
            raise Forbidden(Finding(text, name=name))

    def _require_kept(self, name: str) -> None:
        if name not in self._chains:
            raise NotFound(Finding("slave chain {name} is not kept here, but by its master", name=name))

    def _chain(self, name: str) -> ChainEntry:
        entry = self._state.chains.get(name)
        if entry is None:
            text = "there is no chain {name!r}; there are {names}"
            raise NotFound(Finding(text, name=name, names=", ".join(self._state.chains)))
        return entry

    def _slave(self, name: str) -> ChainEntry:
        if name == MAIN:
            raise NotFound(Finding("the main chain has no records of its own; name a slave chain"))
        return self._chain(name)

    def _record(self, name: str, index: int) -> RecordEntry:
        records = self._slave(name).records
        if not 0 <= index < len(records):
            raise NotFound(Finding("chain {name} has no record {index}", name=name, index=index))
        return records[index]

    def _summary(self, name: str, entry: ChainEntry) -> ChainSummary:
        head, is_slave = entry.head or Head(0, 0, bytes(32), bytes(32), 0), name != MAIN
        last = entry.anchors[-1].anchor if entry.anchors else None
        return ChainSummary(
            name=name,
            chain_id=self._chains[name].chain_id if name in self._chains else None,
            role=self._roles.get(name),
            height=head.height,
            hash=_hex(head.hash),
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
            author=_hex(entry.author),
            leaf=_hex(entry.leaf),
            height=entry.height,
            transaction=_hex(entry.transaction_hash),
            is_anchored=entry.index < self._state.chains[name].anchored_count,
            is_readable=is_own,
        )

    # What is read from the chains themselves, off the event loop

    def _head(self, name: str, height: int) -> Head:
        return Head.of(self._chains[name].block(height))

    def _ledger_record(self, name: str, entry: RecordEntry) -> LedgerRecord:
        ledger = self._masters[name].slave.ledger
        records = ledger.records(first_block=entry.height, last_block=entry.height)
        return next(record for record in records if record.index == entry.index)

    def _block(self, name: str, height: int) -> BlockView:
        block = self._chains[name].block(height)
        header = block.header
        return BlockView(
            block=_block(name, Head.of(block)),
            sealer=_hex(header.sealer),
            transactions_root=_hex(header.transactions_root),
            receipts_root=_hex(header.receipts_root),
            state_root=_hex(header.state_root),
            gas_used=header.gas_used,
            transactions=[
                self._transaction_view(name, SignedTransaction.decode(raw), receipt)
                for raw, receipt in zip(block.transactions, block.receipts, strict=True)
            ],
        )

    def _transaction(self, name: str, tx_hash: bytes) -> TransactionView | None:
        chain = self._chains[name]
        signed, receipt = chain.transaction(tx_hash), chain.receipt(tx_hash)
        return self._transaction_view(name, signed, receipt) if signed and receipt else None

    def _transaction_view(self, name: str, signed: SignedTransaction, receipt: Receipt) -> TransactionView:
        called = next((own for own in self._contracts[name] if own.address == signed.transaction.to), None)
        read = called.abi.read_call(signed.transaction.data) if called else None
        return TransactionView(
            chain=name,
            hash=_hex(signed.hash),
            height=receipt.height,
            position=receipt.position,
            sender=_hex(signed.sender),
            to=_hex(signed.transaction.to) if signed.transaction.to else None,
            contract=called.NAME if called else None,
            function=read[0] if read else None,
            nonce=signed.transaction.nonce,
            gas_used=receipt.gas_used,
            succeeded=receipt.succeeded,
            events=[view for log in receipt.logs if (view := self._event_view(name, log)) is not None],
        )

    def _event_view(self, name: str, log: Log) -> EventView | None:
        contract = next((own for own in self._contracts[name] if own.address == log.address), None)
        event = contract.abi.event(log) if contract else None
        if contract is None or event is None:
            return None
        return EventView(contract.NAME, event.name, {key: _text(value) for key, value in event.values.items()})


def _block(name: str, head: Head) -> BlockSummary:
    return BlockSummary(
        name, head.height, head.timestamp, _hex(head.hash), _hex(head.parent_hash), head.transaction_count
    )


def _anchor(name: str, entry: AnchorEntry) -> AnchorView:
    anchor = entry.anchor
    return AnchorView(name, anchor.first_block, anchor.last_block, anchor.leaf_count, _hex(anchor.root), entry.height)


def _kind(kind: int) -> str:
    return RecordKind(kind).name.lower() if kind in set(RecordKind) else str(kind)


def _kind_number(name: str) -> int:
    """The number of a kind that `_kind` names; one that no record has if it names none."""
    if name.upper() in RecordKind.__members__:
        return RecordKind[name.upper()]
    return int(name) if name.isascii() and name.isdigit() else -1


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _text(value: object) -> str:
    return _hex(value) if isinstance(value, bytes) else str(value)


def _plain(value: object) -> str | int | bool:
    if isinstance(value, Enum):
        return str(value.name or value.value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, int | bool) else str(value)
