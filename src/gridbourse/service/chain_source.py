"""What is read from the chains themselves, in the region's process: blocks, transactions, records.

All of it only reads, which any thread may; `gridbourse.service.chains` says who may see what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gridbourse.api.chain_schema import BlockSummary, BlockView, EventView, TransactionView
from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.abi import Contract
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.errors import EnvelopeError
from gridbourse.index.chain_state import MAIN
from gridbourse.index.news import Head
from gridbourse.ledger.records import Details
from gridbourse.ledger.sealing import open_record
from gridbourse.node.node import Region


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record as it lies on its chain, and what it says.

    Parameters
    ----------
    record
        The record.
    details
        What it says; None if nobody was to open it, or it does not open.
    fault
        Why it does not open; None if it does.
    """

    record: LedgerRecord
    details: Details | None = None
    fault: str | None = None


def read_head(region: Region, name: str, height: int) -> Head:
    """Read a block's head."""
    return Head.of(_chain(region, name).block(height))


def read_block(region: Region, name: str, height: int) -> BlockView:
    """Read a block with its transactions."""
    block = _chain(region, name).block(height)
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


def read_transaction(region: Region, name: str, tx_hash: bytes) -> TransactionView | None:
    """Read a transaction; None if there is none."""
    chain = _chain(region, name)
    signed, receipt = chain.transaction(tx_hash), chain.receipt(tx_hash)
    return _transaction_view(region, name, signed, receipt) if signed and receipt else None


def read_height_of_block(region: Region, name: str, block_hash: bytes) -> int | None:
    """Find the height of the block with a hash; None if there is none."""
    return _chain(region, name).height_of(block_hash)


def read_height_of_transaction(region: Region, name: str, tx_hash: bytes) -> int | None:
    """Find the height of the block with a transaction; None if there is none."""
    receipt = _chain(region, name).receipt(tx_hash)
    return receipt.height if receipt else None


def read_record(region: Region, name: str, index: int, height: int, keys: Sequence[EncryptionKey]) -> ReadRecord:
    """Read a record, and open it with the first of some keys that does; without any, it stays sealed."""
    record = _record(region, name, index, height)
    ledger = region.masters[name].slave.ledger
    return _opened(record, lambda: open_record(ledger, record, *keys)) if keys else ReadRecord(record)


def read_record_as_master(region: Region, name: str, index: int, height: int) -> ReadRecord:
    """Read a record, opened by its master's encryption node."""
    record = _record(region, name, index, height)
    return _opened(record, lambda: region.masters[name].encryption_node.open(record))


def block_summary(name: str, head: Head) -> BlockSummary:
    """A block's head, for who asks."""
    hashes = hex_text(head.hash), hex_text(head.parent_hash)
    return BlockSummary(name, head.height, head.timestamp, *hashes, head.transaction_count)


def hex_text(data: bytes) -> str:
    """Bytes as Ethereum writes them."""
    return f"0x{data.hex()}"


def _chain(region: Region, name: str) -> Chain:
    return region.main.chain if name == MAIN else region.masters[name].slave.chain


def _contracts(region: Region, name: str) -> list[Contract]:
    if name != MAIN:
        return [region.masters[name].slave.ledger]
    return [region.main.consortium, region.main.market, region.main.anchors, region.main.balancing]


def _record(region: Region, name: str, index: int, height: int) -> LedgerRecord:
    records = region.masters[name].slave.ledger.records(first_block=height, last_block=height)
    return next(record for record in records if record.index == index)


def _opened(record: LedgerRecord, opening: Callable[[], Details]) -> ReadRecord:
    try:
        return ReadRecord(record, opening())
    except EnvelopeError as error:
        return ReadRecord(record, fault=str(error))


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
