"""Records of function nodes on their way to the slave chain: signed elsewhere, each written once.

A signed record can enter its chain once only, because its nonce can; so whoever does not know what became of it submits
it again. Under an idempotency key that also holds for another record which asks for the same: the key is durable, with
the transaction that it stands for, before the transaction is handed to its chain, and all of it happens in one thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from eth_abi.abi import decode as abi_decode

from gridbourse.chain.revert import contract_error
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.slave_ledger import LedgerRecord, record_leaf
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.crypto.keys import Address
from gridbourse.errors import GridbourseError, InvalidValue, KeyReused, Rejection, TransactionRejected
from gridbourse.ledger.records import OrderDetails
from gridbourse.node.commands.requests import IdempotencyKey, Submit, SubmittedDetails, SubmittedRecord
from gridbourse.node.folder.store import NodeStore, Submission
from gridbourse.node.master import Master
from gridbourse.node.region import Region
from gridbourse.node.relay import submit
from gridbourse.text import Message

FARTHEST_DAYS = 366
"""Orders are taken for so many delivery days ahead."""


class RecordWriter:
    """Writes function nodes' records to their slave chains and relays them.

    Parameters
    ----------
    region
        The region.
    store
        Remembers idempotency keys.
    """

    def __init__(self, region: Region, store: NodeStore) -> None:
        self._region = region
        self._store = store

    def write(self, commands: Sequence[Submit]) -> list[SubmittedRecord | Exception]:
        """Write records; each stands or fails for itself.

        Returns
        -------
        list of SubmittedRecord or Exception
            What became of each, in the same sequence.
        """
        batch = _Batch(self._region, self._store)
        results: list[SubmittedRecord | Exception] = []
        for place, command in enumerate(commands):
            try:
                results.append(batch.accept(place, command))
            except GridbourseError as error:
                results.append(error)
        self._store.remember(batch.submissions, int(time.time()))
        for name, places in batch.places_by_master.items():
            refusals = _write(self._region.masters[name], [batch.raw[place] for place in places])
            for place, refusal in zip(places, refusals, strict=True):
                results[place] = refusal or results[place]
        for place, first in batch.same_as.items():
            written = results[first]
            own = results[place]
            results[place] = written if isinstance(written, Exception) or isinstance(own, Exception) else own
        submit([self._region.relays[name] for name in batch.places_by_master])
        return results


class _Batch:
    """Records to be written together, each with the next nonce of its author.

    Attributes
    ----------
    raw, places_by_master
        What is to be written, by its place in the batch, and where.
    same_as
        Places of what is written already by an earlier place of the batch.
    submissions
        What is to be remembered.
    """

    def __init__(self, region: Region, store: NodeStore) -> None:
        self._region = region
        self._store = store
        self._next_nonces: dict[Address, int] = {}
        self._first_open: int | None = None
        self._place_of: dict[bytes, int] = {}
        self.raw: dict[int, bytes] = {}
        self.places_by_master: dict[str, list[int]] = {}
        self.same_as: dict[int, int] = {}
        self.submissions: dict[tuple[str, str], Submission] = {}

    def accept(self, place: int, command: Submit) -> SubmittedRecord:
        """Check the next record, and put it into the batch unless it is written already.

        Raises
        ------
        InvalidValue, EnvelopeError
            It is no record that its node may submit, or an order of which nothing can come.
        KeyReused
            Its key stands for something else.
        TransactionRejected
            Its nonce is not its author's next.
        """
        master = self._region.master_of(command.node_id)
        signed = SignedTransaction.decode(command.transaction)
        record = read_record(signed, master, command.node_id)
        if command.idempotency is not None and (known := self._known(command.idempotency)) is not None:
            if (first := self._place_of.get(known.transaction_hash)) is not None:
                self.same_as[place] = first
                return replace(record, leaf=known.leaf, is_repeated=True)
            if _is_written(master, known.transaction_hash):
                return replace(record, leaf=known.leaf, is_repeated=True)
        if (first := self._place_of.get(signed.hash)) is not None:
            self.same_as[place] = first
            return replace(record, is_repeated=True)
        nonce = self._next_nonces.get(signed.sender)
        if nonce is None:
            nonce = master.slave.chain.next_nonce(signed.sender)
        if signed.transaction.nonce != nonce:
            if signed.transaction.nonce < nonce and _is_written(master, signed.hash):
                return replace(record, is_repeated=True)
            reason = Rejection.NONCE_TOO_LOW if signed.transaction.nonce < nonce else Rejection.NONCE_TOO_HIGH
            text = f"nonce: {signed.transaction.nonce} is not the node's next; sign with {nonce}"
            raise TransactionRejected(text, reason)
        if isinstance(record.details, OrderDetails):
            self._require_tradable(record.details.period)
        self._next_nonces[signed.sender] = nonce + 1
        self._place_of[signed.hash] = place
        self.raw[place] = command.transaction
        self.places_by_master.setdefault(master.membership.name, []).append(place)
        if (key := command.idempotency) is not None:
            self.submissions[key.principal, key.key] = Submission(key, record.leaf, signed.hash)
        return record

    def _require_tradable(self, period: int) -> None:
        """Let no order in that would lie on the chain for ever and never trade."""
        now, calendar = self._region.clock(), self._region.calendar
        if self._first_open is None:
            self._first_open = self._region.main.consortium.settings().first_open_period(now)
        if period < self._first_open:
            raise InvalidValue("period", period, "a delivery period whose gate is still open")
        if calendar.day_of(period) > calendar.day_at(now) + FARTHEST_DAYS:
            raise InvalidValue("period", period, "a delivery period of the next twelve months")

    def _known(self, key: IdempotencyKey) -> Submission | None:
        found = self.submissions.get((key.principal, key.key)) or self._store.submission(key)
        if found is not None and found.key.digest != key.digest:
            text = "Idempotency-Key {key!r} came with another order before; give each order a key of its own"
            raise KeyReused(Message(text, key=key.key))
        return found


def _is_written(master: Master, transaction_hash: bytes) -> bool:
    """Whether a transaction has written its record."""
    receipt = master.slave.chain.receipt(transaction_hash)
    return receipt is not None and receipt.succeeded


def _write(master: Master, raw: Sequence[bytes]) -> list[GridbourseError | None]:
    """Hand records in; returns why each was not written, None for those that were."""
    try:
        receipts = master.slave.chain.submit(raw)
    except TransactionRejected as error:
        if len(raw) == 1:
            return [error]
        # The chain takes all or none: one that it does not take is not to keep the others out.
        return [refusal for one in raw for refusal in _write(master, [one])]
    except GridbourseError as error:
        return [error] * len(raw)
    explain = master.slave.ledger.abi.explain
    return [
        None if receipt.succeeded else explain(contract_error(receipt.revert_data, receipt.halt))
        for receipt in receipts
    ]


def read_record(signed: SignedTransaction, master: Master, node_id: str) -> SubmittedRecord:
    """Read the one record that a transaction writes, and check that it is the node's own order or answer.

    Raises
    ------
    InvalidValue
        The transaction does anything else.
    EnvelopeError
        The record is not sealed to the master's encryption node.
    """
    ledger, transaction = master.slave.ledger, signed.transaction
    if transaction.chain_id != ledger.chain_id or transaction.to != ledger.address:
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
    if not isinstance(details, SubmittedDetails):
        remedy = "the record of an order, a cancellation, an answer, or limits"
        raise InvalidValue("transaction", type(details).__name__, remedy)
    if details.user_id != node_id:
        raise InvalidValue("transaction", f"a record of {details.user_id!r}", f"a record of {node_id!r}")
    return SubmittedRecord(leaf, details)
