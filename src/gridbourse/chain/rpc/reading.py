"""What a node answers, as our own values. What is not as the specification has it is a ChainError, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gridbourse.chain import rlp
from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.rpc.values import read_address, read_data, read_hash, read_quantity
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainError, InvalidValue, TransactionRejected

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class NetworkHeader:
    """A header as a node tells it; the fields are those of `gridbourse.chain.interface.HeaderView`."""

    height: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    transactions_root: bytes
    receipts_root: bytes
    state_root: bytes
    gas_used: int
    gas_limit: int
    sealer: Address


@dataclass(frozen=True, slots=True)
class NetworkBlock:
    """A block as a node tells it; the fields are those of `gridbourse.chain.interface.BlockView`."""

    header: NetworkHeader
    transactions: tuple[bytes, ...]
    receipts: tuple[Receipt, ...]


def _strictly(read: Callable[[Mapping[str, Any]], _Value]) -> Callable[[Mapping[str, Any]], _Value]:
    def strict(answer: Mapping[str, Any]) -> _Value:
        try:
            return read(answer)
        except (InvalidValue, KeyError, TypeError, AttributeError) as error:
            raise ChainError(f"the node's answer is not what the Ethereum specification says: {error!r}") from error

    return strict


def told(read: Callable[[object, str], _Value], answer: object, name: str) -> _Value:
    """Read a single quantity or some data."""
    try:
        return read(answer, name)
    except InvalidValue as error:
        raise ChainError(f"the node's answer is not what the Ethereum specification says: {error}") from error


@_strictly
def read_header(answer: Mapping[str, Any]) -> NetworkHeader:
    """Read a block without its transactions."""
    return NetworkHeader(
        height=read_quantity(answer["number"], "number"),
        hash=read_hash(answer["hash"], "hash"),
        parent_hash=read_hash(answer["parentHash"], "parentHash"),
        timestamp=read_quantity(answer["timestamp"], "timestamp"),
        transactions_root=read_hash(answer["transactionsRoot"], "transactionsRoot"),
        receipts_root=read_hash(answer["receiptsRoot"], "receiptsRoot"),
        state_root=read_hash(answer["stateRoot"], "stateRoot"),
        gas_used=read_quantity(answer["gasUsed"], "gasUsed"),
        gas_limit=read_quantity(answer["gasLimit"], "gasLimit"),
        sealer=read_address(answer["miner"], "miner"),
    )


@_strictly
def read_receipt(answer: Mapping[str, Any]) -> Receipt:
    """Read a receipt; its events are numbered within the transaction. Why it failed, some networks tell."""
    contract = answer.get("contractAddress")
    succeeded = read_quantity(answer["status"], "status") == 1
    logs = [read_log(entry) for entry in answer["logs"]]
    return Receipt(
        transaction_hash=read_hash(answer["transactionHash"], "transactionHash"),
        height=read_quantity(answer["blockNumber"], "blockNumber"),
        position=read_quantity(answer["transactionIndex"], "transactionIndex"),
        succeeded=succeeded,
        gas_used=read_quantity(answer["gasUsed"], "gasUsed"),
        revert_data=b"" if succeeded else read_data(answer.get("revertReason") or "0x", "revertReason"),
        halt="",
        contract_address=read_address(contract, "contractAddress") if contract and succeeded else None,
        logs=logs,
        kind=read_quantity(answer.get("type") or "0x0", "type"),
        cumulative_gas_used=read_quantity(answer["cumulativeGasUsed"], "cumulativeGasUsed"),
    )


@_strictly
def read_log(answer: Mapping[str, Any]) -> Log:
    """Read an event; its index is that within the block."""
    return Log(
        address=read_address(answer["address"], "address"),
        topics=tuple(read_hash(topic, "topic") for topic in answer["topics"]),
        data=read_data(answer["data"], "data"),
        height=read_quantity(answer["blockNumber"], "blockNumber"),
        transaction_hash=read_hash(answer["transactionHash"], "transactionHash"),
        index=read_quantity(answer["logIndex"], "logIndex"),
    )


@_strictly
def read_transaction(answer: Mapping[str, Any]) -> SignedTransaction:
    """Put a transaction's bytes together again; their hash proves them, and the signature the sender.

    Raises
    ------
    ChainError
        It is of a type that no chain of ours takes.
    """
    tx_hash, kind = read_hash(answer["hash"], "hash"), read_quantity(answer["type"], "type")
    if kind not in _FIELDS:
        raise ChainError(f"transaction 0x{tx_hash.hex()} is of type {kind}, which is not read here")
    fields = [_FIELD_READERS.get(name, read_quantity)(answer[name], name) for name in _FIELDS[kind]]
    raw = (bytes([kind]) if kind else b"") + rlp.encode(fields)
    if keccak256(raw) != tx_hash:
        raise ChainError(f"transaction 0x{tx_hash.hex()}: the node tells other contents than were signed")
    try:
        return SignedTransaction.decode(raw)
    except TransactionRejected as error:
        raise ChainError(f"transaction 0x{tx_hash.hex()}: {error}") from error


def _read_receiver(value: object, field: str) -> rlp.Item:
    return b"" if value is None else read_address(value, field)


def _read_access_list(value: Any, _: str) -> rlp.Item:
    return [
        [read_address(entry["address"], "address"), [read_hash(slot, "storageKeys") for slot in entry["storageKeys"]]]
        for entry in value
    ]


def _read_authorizations(value: Any, _: str) -> rlp.Item:
    names = ("chainId", "address", "nonce", "yParity", "r", "s")
    return [
        [(read_address if name == "address" else read_quantity)(entry[name], name) for name in names] for entry in value
    ]


_PAYLOAD = ("to", "value", "input")
_SIGNED = ("yParity", "r", "s")
_FEES = ("maxPriorityFeePerGas", "maxFeePerGas", "gas")
# What each type signs, in its order (EIP-155, 2930, 1559, 7702).
_FIELDS: Mapping[int, tuple[str, ...]] = {
    0: ("nonce", "gasPrice", "gas", *_PAYLOAD, "v", "r", "s"),
    1: ("chainId", "nonce", "gasPrice", "gas", *_PAYLOAD, "accessList", *_SIGNED),
    2: ("chainId", "nonce", *_FEES, *_PAYLOAD, "accessList", *_SIGNED),
    4: ("chainId", "nonce", *_FEES, *_PAYLOAD, "accessList", "authorizationList", *_SIGNED),
}
_FIELD_READERS: Mapping[str, Callable[[Any, str], rlp.Item]] = {
    "to": _read_receiver,
    "input": read_data,
    "accessList": _read_access_list,
    "authorizationList": _read_authorizations,
}
