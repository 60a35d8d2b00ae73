"""Blocks, transactions, receipts and events in the shape that the Ethereum execution-apis specification gives them.

Where our chains have no such thing the field holds what a reader can rely on: no uncles, no difficulty, a base fee of
zero.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import Any

from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import BlockView, Chain, HeaderView
from gridbourse.chain.rpc.values import data, quantity
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address, keccak256

EMPTY_UNCLES_HASH = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
"""Keccak-256 of the RLP of an empty list."""
_NOTHING_IN_BLOOM = bytes(256)
_LEGACY_V = 35
"""EIP-155: a signature's parity is told with twice the chain's number and this."""

_REMEMBERED_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """What receipts and events say of their block and of what stands before them in it.

    Parameters
    ----------
    block_hash, timestamp
        Of the block.
    gas_before
        For each transaction, the gas of those before it; and, at the end, of all.
    logs_before
        Likewise, the number of events.
    positions
        Where each transaction stands, by its hash.
    bloom
        Bloom filter of all events.
    """

    block_hash: str
    timestamp: str
    gas_before: tuple[int, ...]
    logs_before: tuple[int, ...]
    positions: Mapping[bytes, int]
    bloom: bytes

    @classmethod
    def of(cls, block: BlockView) -> BlockPlace:
        """Count through a block."""
        return cls(
            data(block.header.hash),
            quantity(block.header.timestamp),
            tuple(accumulate((receipt.gas_used for receipt in block.receipts), initial=0)),
            tuple(accumulate((len(receipt.logs) for receipt in block.receipts), initial=0)),
            {receipt.transaction_hash: receipt.position for receipt in block.receipts},
            _union(receipt.bloom for receipt in block.receipts if receipt.logs),
        )


class BlockPlaces:
    """The places of a chain's newest-asked blocks. Blocks are final, so nothing that is remembered becomes wrong."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._places: OrderedDict[int, BlockPlace] = OrderedDict()
        self._lock = Lock()

    def at(self, height: int) -> BlockPlace:
        """The place of a block, from height 1 on."""
        with self._lock:
            if known := self._places.get(height):
                self._places.move_to_end(height)
                return known
        place = BlockPlace.of(self._chain.block(height))
        with self._lock:
            self._places[height] = place
            if len(self._places) > _REMEMBERED_BLOCKS:
                self._places.popitem(last=False)
        return place


def _union(blooms: Iterable[bytes]) -> bytes:
    number = 0
    for bloom in blooms:
        number |= int.from_bytes(bloom, "big")
    return number.to_bytes(256, "big")


def header_object(header: HeaderView, bloom: bytes) -> dict[str, Any]:
    """A block without its transactions."""
    return {
        "number": quantity(header.height),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "timestamp": quantity(header.timestamp),
        "miner": data(header.sealer),
        "gasUsed": quantity(header.gas_used),
        "gasLimit": quantity(header.gas_limit),
        "baseFeePerGas": "0x0",
        "transactionsRoot": data(header.transactions_root),
        "receiptsRoot": data(header.receipts_root),
        "stateRoot": data(header.state_root),
        "logsBloom": data(bloom),
        "sha3Uncles": EMPTY_UNCLES_HASH,
        "difficulty": "0x0",
        "nonce": "0x0000000000000000",
        "mixHash": data(bytes(32)),
        "extraData": "0x",
    }


def genesis_object(header: HeaderView) -> dict[str, Any]:
    """Block 0, which has no transactions."""
    return {**header_object(header, _NOTHING_IN_BLOOM), "size": "0x0", "uncles": [], "transactions": []}


def block_object(block: BlockView, *, full: bool) -> dict[str, Any]:
    """A block with its transactions, or with their hashes only."""
    place = BlockPlace.of(block)
    if full:
        transactions: list[Any] = [
            transaction_object(SignedTransaction.decode(raw), receipt, place)
            for raw, receipt in zip(block.transactions, block.receipts, strict=True)
        ]
    else:
        transactions = [data(receipt.transaction_hash) for receipt in block.receipts]
    return {
        **header_object(block.header, place.bloom),
        "size": quantity(sum(map(len, block.transactions))),
        "uncles": [],
        "transactions": transactions,
    }


def transaction_object(signed: SignedTransaction, receipt: Receipt, place: BlockPlace) -> dict[str, Any]:
    """A transaction in a block. A bid of the newer types says what was paid, which is nothing; of the older, itself."""
    transaction, (parity, r, s) = signed.transaction, signed.signature
    shown: dict[str, Any] = {
        "hash": data(signed.hash),
        "type": quantity(transaction.kind),
        "nonce": quantity(transaction.nonce),
        "from": data(signed.sender),
        "to": data(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas_limit),
        "gasPrice": quantity(transaction.max_fee_per_gas if transaction.kind < 2 else 0),
        "input": data(transaction.data),
        "v": quantity(parity),
        "r": quantity(r),
        "s": quantity(s),
        "blockHash": place.block_hash,
        "blockNumber": quantity(receipt.height),
        "blockTimestamp": place.timestamp,
        "transactionIndex": quantity(receipt.position),
    }
    chain_id = transaction.chain_id or 0
    if transaction.kind == 0:
        return shown | {"chainId": quantity(chain_id), "v": quantity(_LEGACY_V + 2 * chain_id + parity)}
    shown |= {
        "chainId": quantity(chain_id),
        "accessList": access_list_object(transaction.access_list),
        "yParity": quantity(parity),
    }
    if transaction.kind >= 2:
        shown |= {
            "maxFeePerGas": quantity(transaction.max_fee_per_gas),
            "maxPriorityFeePerGas": quantity(transaction.max_priority_fee_per_gas),
        }
    if transaction.kind == 4:
        shown["authorizationList"] = [_authorization_object(*entry) for entry in transaction.authorizations]
    return shown


def _authorization_object(chain_id: int, address: Address, nonce: int, parity: int, r: int, s: int) -> dict[str, Any]:
    return {
        "chainId": quantity(chain_id),
        "address": data(address),
        "nonce": quantity(nonce),
        "yParity": quantity(parity),
        "r": quantity(r),
        "s": quantity(s),
    }


def bloom_of(logs: Iterable[tuple[bytes, Sequence[bytes], bytes]]) -> bytes:
    """Bloom filter of events, given as address, topics and data (Yellow Paper, 4.3.1)."""
    bloom = 0
    for address, topics, _ in logs:
        for item in (address, *topics):
            digest = keccak256(item)
            for turn in (0, 2, 4):
                bloom |= 1 << (int.from_bytes(digest[turn : turn + 2], "big") & 2_047)
    return bloom.to_bytes(256, "big")


def access_list_object(accessed: Sequence[tuple[Address, Sequence[bytes]]]) -> list[dict[str, Any]]:
    """Addresses and slots that are warm from the beginning (EIP-2930)."""
    return [{"address": data(address), "storageKeys": [data(slot) for slot in slots]} for address, slots in accessed]


def receipt_object(signed: SignedTransaction, receipt: Receipt, place: BlockPlace) -> dict[str, Any]:
    """A receipt."""
    return {
        "transactionHash": data(receipt.transaction_hash),
        "transactionIndex": quantity(receipt.position),
        "blockHash": place.block_hash,
        "blockNumber": quantity(receipt.height),
        "from": data(signed.sender),
        "to": data(signed.transaction.to) if signed.transaction.to else None,
        "type": quantity(receipt.kind),
        "status": quantity(receipt.succeeded),
        "gasUsed": quantity(receipt.gas_used),
        "cumulativeGasUsed": quantity(place.gas_before[receipt.position + 1]),
        "effectiveGasPrice": "0x0",
        "contractAddress": data(receipt.contract_address) if receipt.contract_address else None,
        "logsBloom": data(receipt.bloom),
        "logs": [log_object(log, place) for log in receipt.logs],
    }


def receipt_objects(block: BlockView) -> list[dict[str, Any]]:
    """All receipts of a block."""
    place = BlockPlace.of(block)
    return [
        receipt_object(SignedTransaction.decode(raw), receipt, place)
        for raw, receipt in zip(block.transactions, block.receipts, strict=True)
    ]


def log_object(log: Log, place: BlockPlace) -> dict[str, Any]:
    """An event; ``logIndex`` is its number within the block."""
    position = place.positions[log.transaction_hash]
    return {
        "address": data(log.address),
        "topics": [data(topic) for topic in log.topics],
        "data": data(log.data),
        "blockNumber": quantity(log.height),
        "blockHash": place.block_hash,
        "blockTimestamp": place.timestamp,
        "transactionHash": data(log.transaction_hash),
        "transactionIndex": quantity(position),
        "logIndex": quantity(place.logs_before[position] + log.index),
        "removed": False,
    }
