"""Records of function nodes on their way to the slave chain: signed here with a kept key, or by the node itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_abi.abi import decode as abi_decode

from gridbourse.chain.revert import contract_error
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.slave_ledger import LedgerRecord, record_leaf
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import GridbourseError, InvalidValue, TransactionRejected
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.records import Cancellation, Confirmation, LimitsSet, OrderDetails
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.master import Master
from gridbourse.node.node import Region
from gridbourse.node.relay import submit


@dataclass(frozen=True, slots=True)
class Place:
    """A node's wish to place an order."""

    offer: Offer
    energy_quota_wh: int | None
    replaces: OrderId | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """A node's wish to take an order out of the market."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class Answer:
    """A node's answer to a deal."""

    deal_id: int
    side: Side
    confirmed: bool


@dataclass(frozen=True, slots=True)
class SetLimits:
    """What a node's owner lets it do by itself."""

    limits: AutoTradingLimits


Wish = Place | Cancel | Answer | SetLimits

Wished = OrderDetails | Cancellation | Confirmation | LimitsSet
"""The records that a node may hand in."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What a node wants recorded.

    Parameters
    ----------
    node_id
        The node.
    content
        What is to be signed with `keys`, or a raw transaction that the node signed itself.
    keys
        The node's keys, where they are kept for it.
    idempotency
        Under which the request is remembered: who asked, the key, and a digest of what was asked.
    """

    node_id: str
    content: Wish | bytes
    keys: NodeKeys | None = None
    idempotency: tuple[str, str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A record that lies on its slave chain."""

    leaf: bytes
    details: Wished


class RecordWriter:
    """Writes nodes' records to their slave chains and takes them up.

    Parameters
    ----------
    region
        The region.
    prepare
        Is told the leaves of records before they are written.
    """

    def __init__(self, region: Region, prepare: Callable[[Sequence[tuple[NodeRecord, bytes]]], None]) -> None:
        self._region = region
        self._prepare = prepare

    def write(self, records: Sequence[NodeRecord]) -> list[Written | Exception]:
        """Write records; each stands or fails for itself.

        Returns
        -------
        list of Written or Exception
            What became of each, in the same sequence.
        """
        batch = _Batch(self._region)
        results: list[Written | Exception] = []
        for record in records:
            try:
                results.append(batch.sign(record))
            except GridbourseError as error:
                results.append(error)
        self._prepare(
            [
                (record, written.leaf)
                for record, written in zip(records, results, strict=True)
                if isinstance(written, Written)
            ]
        )
        for name, turns in batch.turns_by_master.items():
            refusals = _submit(self._region.masters[name], [batch.raw[turn] for turn in turns])
            for turn, refusal in zip(turns, refusals, strict=True):
                results[turn] = refusal or results[turn]
        submit([self._region.relays[name] for name in batch.turns_by_master])
        return results


class _Batch:
    """Records being signed, each with the next nonce of its sender."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._signers: dict[Address, FunctionNode] = {}
        self._next_nonces: dict[Address, int] = {}
        """Of those who signed a record of the batch themselves."""
        self._turn = -1
        self.raw: dict[int, bytes] = {}
        self.turns_by_master: dict[str, list[int]] = {}

    def sign(self, record: NodeRecord) -> Written:
        """Sign the next record, or check that its node has signed it, and put it into the batch."""
        self._turn += 1
        master = self._region.master_of(record.node_id)
        if isinstance(record.content, bytes):
            raw, written = record.content, self._signed_elsewhere(record.content, record.node_id, master)
        else:
            raw, written = self._signed_here(record, record.content, master)
        self.raw[self._turn] = raw
        self.turns_by_master.setdefault(master.membership.name, []).append(self._turn)
        return written

    def _signed_elsewhere(self, raw: bytes, node_id: str, master: Master) -> Written:
        signed = SignedTransaction.decode(raw)
        written = read_record(signed, master, node_id)
        if signed.sender in self._signers:
            raise TransactionRejected("nonce: a record of this node was signed here just now; sign with the next")
        nonce = self._next_nonces.get(signed.sender, master.slave.chain.next_nonce(signed.sender))
        if signed.transaction.nonce != nonce:
            raise TransactionRejected(f"nonce: {signed.transaction.nonce} is not the node's next; sign with {nonce}")
        self._next_nonces[signed.sender] = nonce + 1
        return written

    def _signed_here(self, record: NodeRecord, wish: Wish, master: Master) -> tuple[bytes, Written]:
        node = self._signer(record, master)
        if node.address in self._next_nonces:
            raise TransactionRejected("nonce: the node handed in a record that it signed itself; try again")
        details = _details(wish, node)
        signed = node.record(details)
        # What was sealed here needs no opening.
        master.encryption_node.remember(signed.author, signed.content, details)
        return signed.raw, Written(signed.leaf, details)

    def _signer(self, record: NodeRecord, master: Master) -> FunctionNode:
        """The node with its kept keys; its first nonce of a batch is the chain's."""
        node = master.nodes[record.node_id]
        address = record.keys.address if record.keys else node.address
        if address not in self._signers:
            if record.keys:
                node = FunctionNode(node.spec, record.keys, master.slave, master.encryption_node.readers)
            node.forget_unsent()
            self._signers[address] = node
        return self._signers[address]


def _submit(master: Master, raw: Sequence[bytes]) -> list[GridbourseError | None]:
    """Hand records in; returns why each was not written, None for those that were."""
    try:
        receipts = master.slave.chain.submit(raw)
    except GridbourseError as error:
        return [error] * len(raw)
    explain = master.slave.ledger.abi.explain
    return [
        None if receipt.succeeded else explain(contract_error(receipt.revert_data, receipt.halt))
        for receipt in receipts
    ]


def _details(wish: Wish, node: FunctionNode) -> Wished:
    """What a node has to record to get what it wants."""
    node_id = node.spec.node_id
    match wish:
        case Place(offer, quota_wh, replaces):
            return node.order(offer, energy_quota_wh=quota_wh, replaces=replaces)
        case Cancel(order_id):
            return Cancellation(node_id, order_id.pack())
        case Answer(deal_id, side, confirmed):
            return Confirmation(node_id, deal_id, side, confirmed)
        case SetLimits(limits):
            return LimitsSet.of(node_id, limits)


def read_record(signed: SignedTransaction, master: Master, node_id: str) -> Written:
    """Read the one record that a transaction writes, and check that it is the node's own order or answer.

    Raises
    ------
    InvalidValue
        The transaction does anything else.
    EnvelopeError
        The record is not sealed to the master's encryption node.
    """
    ledger, transaction = master.slave.ledger, signed.transaction
    if transaction.chain_id != ledger.chain.chain_id or transaction.to != ledger.address:
        raise InvalidValue(
            "transaction", f"for chain {transaction.chain_id}", f"one to ledger 0x{ledger.address.hex()}"
        )
    selector = ledger.abi.encode("append", 0, b"")[:4]
    if transaction.data[:4] != selector or transaction.gas_limit > GAS_LIMIT:
        raise InvalidValue("transaction", "another call", f"a call of `append` with at most {GAS_LIMIT} gas")
    try:
        kind, content = abi_decode(("uint8", "bytes"), transaction.data[4:])
    except Exception as error:  # eth_abi has no one error for data that is not what it says
        raise InvalidValue("transaction", "malformed call data", "a call of `append(uint8,bytes)`") from error
    leaf = record_leaf(signed.sender, kind, content)
    details = master.encryption_node.open(LedgerRecord(0, signed.sender, kind, leaf, 0, signed.hash, content))
    if not isinstance(details, Wished):
        remedy = "the record of an order, a cancellation, an answer, or limits"
        raise InvalidValue("transaction", type(details).__name__, remedy)
    if details.user_id != node_id:
        raise InvalidValue("transaction", f"a record of {details.user_id!r}", f"a record of {node_id!r}")
    return Written(leaf, details)
