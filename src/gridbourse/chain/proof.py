"""Proofs for somebody who holds a header and nothing else: what was sent, what came of it, what an account holds.

A header names the roots of three Merkle-Patricia tries: of the block's transactions, of their receipts, and of the
state (Ethereum Yellow Paper, section 4.3 and appendix D). A proof is the nodes from a root to a leaf. Whoever asks for
one need not trust the node that gives it, and any Ethereum library checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridbourse._native import ordered_key, ordered_proof, ordered_root, verify_proof
from gridbourse.chain import rlp
from gridbourse.chain.block import Log
from gridbourse.chain.interface import EMPTY_ROOT
from gridbourse.chain.rpc.client import Call, RpcClient
from gridbourse.chain.rpc.values import data, quantity, read_address, read_data, read_hash, read_quantity, read_slot
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainError, InvalidValue, RpcError

_LEGACY = 0
_ROOTS = {"stateRoot": 3, "transactionsRoot": 4, "receiptsRoot": 5, "number": 8}
"""Places in the list that a header of Ethereum is, whose first item is the parent's hash (Yellow Paper, 4.4)."""
_OWN_ROOTS = {"number": 1, "transactionsRoot": 4, "receiptsRoot": 5, "stateRoot": 8}
"""The same in a header of this project's chains, whose first item is the chain's number."""
_FIRST_OF_LIST = 0xC0


@dataclass(frozen=True, slots=True)
class ProvenTransaction:
    """A transaction that is in the block of a header, and what came of it.

    Parameters
    ----------
    raw
        The signed bytes.
    succeeded
        Whether its effects hold.
    logs
        The events.
    """

    raw: bytes
    succeeded: bool
    logs: tuple[Log, ...]

    @property
    def hash(self) -> bytes:
        """Its name on every Ethereum chain."""
        return keccak256(self.raw)


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """What an account holds in the state of a header; all zero if there is no such account.

    Parameters
    ----------
    address
        Whose it is.
    nonce, balance
        Transactions sent, and wei.
    code_hash
        Keccak-256 of the code; 32 zero bytes where there is no account.
    slots
        Slot and value of each slot that was asked for, 0 where nothing is.
    """

    address: bytes
    nonce: int
    balance: int
    code_hash: bytes
    slots: Mapping[int, int]


def prove_transaction(node: RpcClient, tx_hash: bytes) -> dict[str, Any]:
    """Prove a transaction and its receipt.

    Parameters
    ----------
    node
        A node of the chain; it needs no trust.
    tx_hash
        The transaction's hash.

    Returns
    -------
    dict
        ``block`` (``number`` and ``hash``), ``header`` (its bytes, or None if the node does not give them),
        ``transactionIndex``, ``transaction`` and ``receipt`` as the tries hold
        them, ``transactionProof`` and ``receiptProof``.

    Raises
    ------
    InvalidValue
        The transaction is in no block.
    ChainError
        What the node says of the block does not have the roots of its header.
    """
    found = node.ask("eth_getTransactionReceipt", data(tx_hash))
    if found is None:
        raise InvalidValue("transaction", data(tx_hash), "the hash of a transaction in a block of this chain")
    number = found["blockNumber"]
    block, receipts = _answers(
        node,
        [Call("eth_getBlockByNumber", (number, False)), Call("eth_getBlockReceipts", (number,))],
    )
    raws = _answers(node, [Call("debug_getRawTransaction", (name,)) for name in block["transactions"]])
    transactions = [read_data(raw, "transaction") for raw in raws]
    encoded = [_encode_receipt(receipt) for receipt in receipts]
    for root, items in (("transactionsRoot", transactions), ("receiptsRoot", encoded)):
        if ordered_root(items) != read_hash(block[root], root):
            raise ChainError(f"block {number}: the node's answer does not have its {root}; ask another one")
    index = read_quantity(found["transactionIndex"], "transactionIndex")
    return {
        "block": {"number": block["number"], "hash": block["hash"]},
        "header": _raw_header(node, block["number"]),
        "transactionIndex": quantity(index),
        "transaction": data(transactions[index]),
        "transactionProof": [data(item) for item in ordered_proof(transactions, index)],
        "receipt": data(encoded[index]),
        "receiptProof": [data(item) for item in ordered_proof(encoded, index)],
    }


def prove_account(node: RpcClient, address: bytes, slots: Sequence[int], height: int | None = None) -> dict[str, Any]:
    """Prove what an account and some slots hold (EIP-1186).

    Parameters
    ----------
    node
        A node of the chain; it needs no trust.
    address, slots
        What is asked for.
    height
        The block behind which it is so; the newest one if None.

    Returns
    -------
    dict
        ``{"block": {"number", "hash"}, "header": its bytes or None, "account": the answer of eth_getProof}``: whose
        header proves it. Ethereum's
        headers name the state behind their own block, those of this project's chains the one behind the block before:
        there it is the next block, whose hash is None as long as it is not sealed.
    """
    height_or_tag = "latest" if height is None else quantity(height)
    [block] = _answers(node, [Call("eth_getBlockByNumber", (height_or_tag, False))])
    if block is None:
        raise InvalidValue("height", height, "the height of a block of this chain")
    account = node.ask(
        "eth_getProof", data(address), [data(slot.to_bytes(32, "big")) for slot in slots], block["number"]
    )
    root = data(keccak256(read_data(account["accountProof"][0], "accountProof"))) if account["accountProof"] else ""
    if root not in {"", block["stateRoot"]}:
        number = quantity(read_quantity(block["number"], "number") + 1)
        [following] = _answers(node, [Call("eth_getBlockByNumber", (number, False))])
        block = following or {"number": number, "hash": None}
    header = block["hash"] and _raw_header(node, block["number"])
    return {"block": {"number": block["number"], "hash": block["hash"]}, "header": header, "account": account}


def read_header(raw: bytes, block_hash: bytes) -> dict[str, Any]:
    """The header whose bytes somebody gives, for somebody who holds no more than its hash.

    Parameters
    ----------
    raw
        The bytes, as ``debug_getRawHeader`` gives them and a proof brings them; of our chains or Ethereum's.
    block_hash
        The hash of the block, from somebody who is trusted.

    Returns
    -------
    dict
        ``number``, ``hash``, ``stateRoot``, ``transactionsRoot`` and ``receiptsRoot``, named as by
        ``eth_getBlockByNumber``.

    Raises
    ------
    InvalidValue
        They have another hash, or are no header.
    """
    _require_same(data(keccak256(raw)), data(block_hash), "hash")
    fields = rlp.to_list(rlp.decode(raw))
    roots = _ROOTS if fields and len(rlp.to_bytes(fields[0])) == len(block_hash) else _OWN_ROOTS
    if len(fields) <= max(roots.values()):
        raise InvalidValue("header", data(raw), "the bytes of a block's head")
    named = {name: data(rlp.to_bytes(fields[place], 32)) for name, place in roots.items() if name != "number"}
    return {"number": quantity(rlp.to_int(fields[roots["number"]])), "hash": data(block_hash), **named}


def verify_transaction(proof: Mapping[str, Any], header: Mapping[str, Any]) -> ProvenTransaction:
    """Check a proof of a transaction against a header.

    Parameters
    ----------
    proof
        As `prove_transaction` gives it.
    header
        The block as ``eth_getBlockByNumber`` gives it, from somebody who is trusted.

    Raises
    ------
    InvalidValue
        The proof does not prove it, or is of another block.
    """
    _require_same_block(proof, header)
    key = ordered_key(read_quantity(_field(proof, "transactionIndex"), "transactionIndex", bits=32))
    raw, receipt = (
        _proven(header, root, key, _field(proof, nodes), read_data(_field(proof, name), name))
        for root, nodes, name in (
            ("transactionsRoot", "transactionProof", "transaction"),
            ("receiptsRoot", "receiptProof", "receipt"),
        )
    )
    is_typed = receipt[0] < _FIRST_OF_LIST
    status, _, _, logs = rlp.decode_list(receipt[is_typed:], 4)
    height = read_quantity(_field(header, "number"), "number")
    events = (_log(log, height, keccak256(raw), index) for index, log in enumerate(rlp.to_list(logs)))
    return ProvenTransaction(raw, rlp.to_int(status) == 1, tuple(events))


def verify_account(proof: Mapping[str, Any], header: Mapping[str, Any]) -> ProvenAccount:
    """Check a proof of an account against a header.

    Parameters
    ----------
    proof
        As `prove_account` gives it.
    header
        The block as ``eth_getBlockByNumber`` gives it, from somebody who is trusted.

    Raises
    ------
    InvalidValue
        The proof does not prove it, or is of another block.
    """
    _require_same_block(proof, header)
    account = _field(proof, "account")
    address = read_address(_field(account, "address"), "address")
    stored = _value(
        read_hash(_field(header, "stateRoot"), "stateRoot"),
        keccak256(address),
        _field(account, "accountProof"),
        "accountProof",
    )
    nonce, balance, storage_root, code_hash = (
        (0, 0, EMPTY_ROOT, bytes(32)) if stored is None else _account_fields(rlp.decode_list(stored, 4))
    )
    slots = {}
    for entry in _field(account, "storageProof"):
        slot = read_slot(_field(entry, "key"), "key")
        value = _value(storage_root, keccak256(slot.to_bytes(32, "big")), _field(entry, "proof"), "storageProof")
        slots[slot] = 0 if value is None else rlp.to_int(rlp.decode(value), bits=256)
        _require_same(slots[slot], read_quantity(_field(entry, "value"), "value"), f"slot {slot}")
    _require_same(nonce, read_quantity(_field(account, "nonce"), "nonce"), "nonce")
    _require_same(balance, read_quantity(_field(account, "balance"), "balance"), "balance")
    return ProvenAccount(address, nonce, balance, code_hash, slots)


def _raw_header(node: RpcClient, number: str) -> str | None:
    """The bytes of a header; None where the node does not give them."""
    [raw] = node.ask_all([Call("debug_getRawHeader", (number,))])
    return None if isinstance(raw, RpcError) else raw


def _answers(node: RpcClient, calls: Sequence[Call]) -> list[Any]:
    answers = node.ask_all(calls)
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return answers


def _account_fields(fields: Sequence[rlp.Decoded]) -> tuple[int, int, bytes, bytes]:
    nonce, balance, storage_root, code_hash = fields
    return rlp.to_int(nonce), rlp.to_int(balance, bits=256), rlp.to_bytes(storage_root, 32), rlp.to_bytes(code_hash, 32)


def _log(item: rlp.Decoded, height: int, tx_hash: bytes, index: int) -> Log:
    address, topics, content = rlp.to_list(item)
    words = tuple(rlp.to_bytes(topic, 32) for topic in rlp.to_list(topics))
    return Log(Address(rlp.to_bytes(address, 20)), words, rlp.to_bytes(content), height, tx_hash, index)


def _encode_receipt(answer: Mapping[str, Any]) -> bytes:
    """What Ethereum's receipts trie holds: `type || rlp([status, cumulative gas, bloom, logs])` (EIP-2718, EIP-658)."""
    logs: list[rlp.Item] = [
        [
            read_address(log["address"], "address"),
            [read_hash(topic, "topic") for topic in log["topics"]],
            read_data(log["data"], "data"),
        ]
        for log in answer["logs"]
    ]
    body = rlp.encode(
        [
            read_quantity(answer["status"], "status"),
            read_quantity(answer["cumulativeGasUsed"], "cumulativeGasUsed"),
            read_data(answer["logsBloom"], "logsBloom", size=256),
            logs,
        ]
    )
    kind = read_quantity(answer["type"], "type", bits=8)
    return body if kind == _LEGACY else bytes([kind]) + body


def _field(given: object, name: str) -> Any:
    if not isinstance(given, Mapping) or name not in given:
        raise InvalidValue(name, "missing", "a proof or header that has it")
    return given[name]


def _require_same_block(proof: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    named = _field(proof, "block")
    for name in ("number", "hash"):
        if name == "hash" and _field(named, name) is None:  # the block was not sealed when the proof was made
            continue
        _require_same(str(_field(header, name)).lower(), str(_field(named, name)).lower(), f"block {name}")


def _require_same(proven: object, claimed: object, name: str) -> None:
    if proven != claimed:
        raise InvalidValue(name, claimed, f"what the header proves: {proven}")


def _proven(header: Mapping[str, Any], root: str, key: bytes, nodes: Sequence[object], claimed: bytes) -> bytes:
    value = _value(read_hash(_field(header, root), root), key, nodes, root)
    _require_same(None if value is None else data(value), data(claimed), root)
    return claimed


def _value(root: bytes, key: bytes, nodes: Sequence[object], name: str) -> bytes | None:
    try:
        return verify_proof(root, key, [read_data(node, name) for node in nodes])
    except ValueError as error:
        raise InvalidValue(name, data(root), f"nodes that lead from this root to the value ({error})") from None
