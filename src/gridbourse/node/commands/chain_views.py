"""What is read from the chains for those who ask: blocks, transactions, records. Any thread may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import Enum

from gridbourse.api.chain_schema import AssetRow, AssetsView, BlockSummary, BlockView, EventView, TransactionView
from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.abi import Contract
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.errors import EnvelopeError, InvalidValue, NotFound
from gridbourse.index.blocks import Head
from gridbourse.index.schema import MAIN
from gridbourse.ledger.records import Details
from gridbourse.node.assets import published_assets
from gridbourse.node.commands.requests import (
    OpenedRecord,
    OpenRecord,
    ReadAssets,
    ReadBlock,
    ReadTransaction,
)
from gridbourse.node.region import Region
from gridbourse.text import Message


def read_block(region: Region, command: ReadBlock) -> BlockView:
    """Read a block with its transactions."""
    name = command.chain
    block = _chain(region, name).block(command.height)
    header = block.header
    return BlockView(
        block=block_summary(name, Head.of(block)),
        sealer=hex_text(header.sealer),
        transactions_root=hex_text(header.transactions_root),
        receipts_root=hex_text(header.receipts_root),
        state_root=hex_text(header.state_root),
        gas_used=header.gas_used,
        transactions=[
            _transaction_view(region, name, SignedTransaction.decode(raw), receipt)
            for raw, receipt in zip(block.transactions, block.receipts, strict=True)
        ],
    )


def read_transaction(region: Region, command: ReadTransaction) -> TransactionView | None:
    """Read a transaction; None if there is none."""
    chain = _chain(region, command.chain)
    signed, receipt = chain.transaction(command.hash), chain.receipt(command.hash)
    return _transaction_view(region, command.chain, signed, receipt) if signed and receipt else None


def read_record(region: Region, command: OpenRecord) -> OpenedRecord:
    """Read a record, opened by its chain's encryption node, by the regulator, or not at all."""
    master = region.masters.get(command.master)
    if master is None:
        raise _no_chain(region, "master", command.master)
    ledger = master.slave.ledger
    at = {"first_block": command.height, "last_block": command.height}
    record = next((record for record in ledger.records(**at) if record.index == command.index), None)
    if record is None:
        text = "block {height} of {name} has no record {index}"
        raise NotFound(Message(text, height=command.height, name=command.master, index=command.index))
    if command.reader == "nobody":
        return OpenedRecord(ledger.chain_id, ledger.address, record)
    opening: Callable[[LedgerRecord], Details] = master.encryption_node.open
    if command.reader == "regulator":
        regulator = region.regulator
        opening = lambda sealed: regulator.open(ledger, sealed)  # noqa: E731 - one of two ways
    try:
        return OpenedRecord(ledger.chain_id, ledger.address, record, plain_fields(opening(record)))
    except EnvelopeError as error:
        return OpenedRecord(ledger.chain_id, ledger.address, record, fault=str(error))


def plain_fields(details: Details) -> dict[str, str | int | bool]:
    """The fields of a record's details, for people and programs."""
    return {key: _plain(value) for key, value in asdict(details).items()}


def block_summary(name: str, head: Head) -> BlockSummary:
    """A block's head, for who asks."""
    hashes = hex_text(head.hash), hex_text(head.parent_hash)
    return BlockSummary(name, head.height, head.timestamp, *hashes, head.transaction_count)


def hex_text(data: bytes) -> str:
    """Bytes as Ethereum writes them."""
    return f"0x{data.hex()}"


def _plain(value: object) -> str | int | bool:
    if isinstance(value, Enum):
        return str(value.name or value.value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, int | bool) else str(value)


def _chain(region: Region, name: str) -> Chain:
    if name == MAIN:
        return region.main.chain
    if name not in region.masters:
        raise _no_chain(region, "chain", name)
    return region.masters[name].slave.chain


def _no_chain(region: Region, field: str, name: str) -> InvalidValue:
    kept = ([MAIN] if field == "chain" else []) + list(region.masters)
    return InvalidValue(field, name, f"one that is kept here: {', '.join(kept)}")


def _contracts(region: Region, name: str) -> list[Contract]:
    if name != MAIN:
        return [region.masters[name].slave.ledger]
    return [region.main.consortium, region.main.market, region.main.anchors, region.main.balancing]


def _transaction_view(region: Region, name: str, signed: SignedTransaction, receipt: Receipt) -> TransactionView:
    contracts = _contracts(region, name)
    called = next((own for own in contracts if own.address == signed.transaction.to), None)
    read = called.abi.read_call(signed.transaction.data) if called else None
    return TransactionView(
        chain=name,
        hash=hex_text(signed.hash),
        height=receipt.height,
        position=receipt.position,
        sender=hex_text(signed.sender),
        to=hex_text(signed.transaction.to) if signed.transaction.to else None,
        contract=called.NAME if called else None,
        function=read[0] if read else None,
        nonce=signed.transaction.nonce,
        gas_used=receipt.gas_used,
        succeeded=receipt.succeeded,
        events=[view for log in receipt.logs if (view := _event_view(contracts, log)) is not None],
    )


def _event_view(contracts: Sequence[Contract], log: Log) -> EventView | None:
    contract = next((own for own in contracts if own.address == log.address), None)
    event = contract.abi.event(log) if contract else None
    if contract is None or event is None:
        return None
    return EventView(contract.NAME, event.name, {key: _text(value) for key, value in event.values.items()})


def _text(value: object) -> str:
    return hex_text(value) if isinstance(value, bytes) else str(value)


def read_assets(region: Region, _: ReadAssets) -> list[AssetsView]:
    """What masters have to trade, as far as those may read it whose keys lie here."""
    return [
        AssetsView(
            master=region.spec.masters[published.master_id - 1].name,
            rows=[
                AssetRow(*row)
                for row in zip(
                    published.assets.asset_kinds,
                    published.assets.asset_zones,
                    published.assets.node_counts,
                    published.assets.capacities_w,
                    strict=True,
                )
            ],
            leaf=hex_text(published.submission.record.leaf),
            height=published.submission.record.height,
            transaction=hex_text(published.submission.record.transaction_hash),
        )
        for published in published_assets(region)
    ]
