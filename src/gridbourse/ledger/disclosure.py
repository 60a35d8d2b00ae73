"""Selective disclosure: single fields of a record, shown to somebody who sees nothing but the main chain.

Who can open a record (its owner, the encryption node, the regulator) makes a disclosure; anybody checks it against the
main chain alone. The chain of proof: value and salt lead to the record's commitment, the commitment is part of the
record's leaf, the leaf is in the log that the master anchored on the main chain, and the author signed the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger, record_leaf
from gridbourse.crypto.commitment import FieldProof, FieldValue
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import MerkleLog, verify_inclusion
from gridbourse.errors import GridbourseError, InvalidValue, ProofError
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.sealing import prove_fields, verify_fields
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import OrderId


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Fields of one record, and all that proves them.

    Parameters
    ----------
    master_id
        Whose slave chain the record lies on.
    anchor
        Number of the master's anchor that covers it, from 0. The anchor itself is read from the main chain.
    index, author, kind, content
        The record; its envelope stays closed.
    inclusion
        From the record's leaf to the anchored root (RFC 9162), 32 bytes each.
    transaction
        The slave-chain transaction with which a function node signed the record; empty for a record of the master,
        who answers for it by the anchor.
    fields
        What is shown.
    """

    master_id: int
    anchor: int
    index: int
    author: Address
    kind: int
    content: bytes
    inclusion: tuple[bytes, ...]
    transaction: bytes
    fields: tuple[FieldProof, ...]

    def document(self) -> dict[str, Any]:
        """The same as a value that JSON can hold; bytes are written in hexadecimal."""
        return {
            "master": self.master_id,
            "anchor": self.anchor,
            "record": {
                "index": self.index,
                "author": self.author.hex(),
                "kind": self.kind,
                "content": self.content.hex(),
            },
            "inclusion": [node.hex() for node in self.inclusion],
            "transaction": self.transaction.hex(),
            "fields": [
                {
                    "name": field.name,
                    "value": field.value,
                    "salt": field.salt.hex(),
                    "path": [node.hex() for node in field.path],
                }
                for field in self.fields
            ],
        }

    @classmethod
    def read(cls, document: object) -> Disclosure:
        """Read what `document` made and somebody sent.

        Raises
        ------
        ProofError
            A part is missing, unknown or of another type.
        """
        parts = _parts(document, "master", "anchor", "record", "inclusion", "transaction", "fields")
        record = _parts(parts["record"], "index", "author", "kind", "content")
        return cls(
            master_id=_number(parts["master"]),
            anchor=_number(parts["anchor"]),
            index=_number(record["index"]),
            author=Address(_bytes(record["author"])),
            kind=_number(record["kind"]),
            content=_bytes(record["content"]),
            inclusion=tuple(map(_bytes, _list(parts["inclusion"]))),
            transaction=_bytes(parts["transaction"]),
            fields=tuple(map(_field, _list(parts["fields"]))),
        )


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a disclosure proves.

    Parameters
    ----------
    fields
        Values by name, as the record's author stated them.
    kind
        What the record is.
    author
        Who signed it.
    by_master
        True if that is the master itself.
    anchor
        The anchor that fixes the record.
    order_id
        The order on the main chain that stands for the record, if it is one of an order; None if there is none.
    """

    fields: Mapping[str, FieldValue]
    kind: RecordKind
    author: Address
    by_master: bool
    anchor: Anchor
    order_id: OrderId | None


def disclose(
    main: MainChain, master_id: int, slave: Slave, index: int, names: Sequence[str], keys: Sequence[EncryptionKey]
) -> Disclosure:
    """Show fields of a record, with what proves them.

    Parameters
    ----------
    main
        The main chain.
    master_id, slave
        Whose slave chain, and the chain.
    index
        The record's number in the log.
    names
        The fields to show, at least one.
    keys
        Those of whoever shows them; one of them opens the record.

    Raises
    ------
    InvalidValue
        There is no such record or field, or it is not anchored yet.
    EnvelopeError
        None of the keys opens the record.
    ProofError
        The slave chain is not what was anchored, so that nothing could be proven.
    """
    records = list(slave.records())
    if not 0 <= index < len(records):
        raise InvalidValue("record", index, f"the number of a record, 0 to {len(records) - 1}")
    if not names:
        raise InvalidValue("fields", list(names), "at least one field to show")
    anchors = enumerate(main.anchors.anchors(master_id))
    number, anchor = next(((number, anchor) for number, anchor in anchors if anchor.leaf_count > index), (0, None))
    if anchor is None:
        raise InvalidValue("record", index, "one that is anchored on the main chain")
    if anchor.leaf_count > len(records):
        raise ProofError(f"the slave chain has {len(records)} records, {anchor.leaf_count} are anchored")
    record = records[index]
    disclosure = Disclosure(
        master_id=master_id,
        anchor=number,
        index=index,
        author=record.author,
        kind=record.kind,
        content=record.content,
        inclusion=MerkleLog(record.leaf for record in records).inclusion_proof(index, anchor.leaf_count),
        transaction=_signed(main, master_id, slave, record),
        fields=prove_fields(slave.ledger, record, names, *keys),
    )
    verify_disclosure(disclosure, main)
    return disclosure


def verify_disclosure(disclosure: Disclosure, main: MainChain) -> Disclosed:
    """Check a disclosure against the main chain; nothing else is trusted.

    Raises
    ------
    ProofError
        It does not hold.
    """
    registered = main.consortium.slave_chain(disclosure.master_id)
    if registered is None:
        raise ProofError(f"master {disclosure.master_id} has no slave chain on this main chain")
    if not disclosure.fields:
        raise ProofError("the disclosure shows no field")
    anchors = main.anchors.anchors(disclosure.master_id)
    if not 0 <= disclosure.anchor < len(anchors):
        raise ProofError(f"master {disclosure.master_id} has no anchor {disclosure.anchor} on this main chain")
    anchor = anchors[disclosure.anchor]
    values = verify_fields(disclosure.kind, disclosure.content, disclosure.fields)
    leaf = record_leaf(disclosure.author, disclosure.kind, disclosure.content)
    verify_inclusion(leaf, disclosure.index, anchor.leaf_count, disclosure.inclusion, anchor.root)
    by_master = disclosure.author in main.consortium.accounts(disclosure.master_id)
    if not by_master:
        _require_signed(disclosure, registered.chain_id, SlaveLedger(main.chain, registered.ledger))
    return Disclosed(
        fields=values,
        kind=RecordKind(disclosure.kind),
        author=disclosure.author,
        by_master=by_master,
        anchor=anchor,
        order_id=_order_of(main, leaf) if disclosure.kind == RecordKind.ORDER else None,
    )


def _signed(main: MainChain, master_id: int, slave: Slave, record: LedgerRecord) -> bytes:
    signed = slave.chain.transaction(record.transaction_hash)
    if record.author in main.consortium.accounts(master_id) or signed is None:
        return b""
    return signed.raw


def _require_signed(disclosure: Disclosure, chain_id: int, ledger: SlaveLedger) -> None:
    """Whether the author signed that just this record is written to the master's registered ledger."""
    author = f"0x{disclosure.author.hex()}"
    try:
        signed = SignedTransaction.decode(disclosure.transaction)
        call = ledger.append(disclosure.kind, disclosure.content)
    except GridbourseError as error:
        raise ProofError(f"author {author} did not sign the record: {error}") from error
    found = (signed.sender, signed.transaction.chain_id, signed.transaction.to, signed.transaction.data)
    if found != (disclosure.author, chain_id, call.to, call.data):
        raise ProofError(f"author {author} did not sign that this record is written to the master's ledger")


def _order_of(main: MainChain, leaf: bytes) -> OrderId | None:
    """A record stands for one order, the first that carries its leaf."""
    market = main.market
    logs = main.chain.logs(address=market.address, topics=[{market.abi.topic("OrderPlaced")}, None, None, {leaf}])
    placed = (event for event in market.events(logs) if isinstance(event, OrderPlaced))
    return next((event.order_id for event in placed), None)


# Reading what somebody sent: whatever is not exactly as `document` writes it is refused.


def _parts(document: object, *names: str) -> dict[str, object]:
    if not isinstance(document, dict) or document.keys() != set(names):
        raise ProofError(f"a disclosure has here the parts {', '.join(names)}, and no others")
    return document


def _list(part: object) -> list[object]:
    if not isinstance(part, list):
        raise ProofError(f"{part!r} is no list")
    return part


def _number(part: object) -> int:
    if type(part) is not int or not 0 <= part < 2**64:
        raise ProofError(f"{part!r} is no whole number from 0 to 2^64 - 1")
    return part


def _bytes(part: object) -> bytes:
    try:
        octets = bytes.fromhex(part) if isinstance(part, str) else b""
    except ValueError:
        octets = b""
    if octets.hex() != part:
        raise ProofError(f"{part!r} is not in lower-case hexadecimal")
    return octets


def _field(part: object) -> FieldProof:
    parts = _parts(part, "name", "value", "salt", "path")
    name, value = parts["name"], parts["value"]
    items = value if isinstance(value, list) else [value]
    if type(name) is not str or not all(type(item) in {str, int, bool} for item in items):
        raise ProofError(f"{name!r} with value {value!r} is no field of a record")
    # Whether the value is of its field's type is for `verify_fields`, which knows the kind of record.
    return FieldProof(name, cast("FieldValue", value), _bytes(parts["salt"]), tuple(map(_bytes, _list(parts["path"]))))
