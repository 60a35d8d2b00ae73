"""Signing records: whoever holds a function node's keys seals and signs here, and hands on nothing but the result."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.api.schema import SigningContext
from gridbourse.chain.transaction import Transaction
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.slave_ledger import SlaveLedger, record_leaf
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import NodeDetails
from gridbourse.ledger.sealing import LedgerPlace, seal_record


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record that its node has sealed and signed.

    Parameters
    ----------
    raw
        The slave-chain transaction that writes it.
    author, content, leaf
        What it will be on the chain.
    """

    raw: bytes
    author: Address
    content: bytes
    leaf: bytes


def sign_record(keys: NodeKeys, context: SigningContext, details: NodeDetails) -> SignedRecord:
    """Seal and sign what a function node states for itself.

    Parameters
    ----------
    keys
        The node's.
    context
        Chain, ledger, nonce and readers, as the node of its master gave them.
    details
        What it states.

    Raises
    ------
    InvalidValue
        The context is none that was given.
    """
    if context.chain_id < 1:
        raise InvalidValue("chain_id", context.chain_id, "the context that the service gave")
    place = LedgerPlace(context.chain_id, Address(bytes.fromhex(context.ledger[2:])))
    readers = [keys.encryption.public_bytes, *(bytes.fromhex(reader) for reader in context.readers)]
    content = seal_record(place, keys.address, details, readers, keys.encryption.suite)
    data = contract_abi(SlaveLedger.NAME).encode("append", details.KIND, content)
    transaction = Transaction(context.chain_id, context.nonce, context.gas_limit, place.address, data)
    raw = transaction.sign(keys.signing).raw
    return SignedRecord(raw, keys.address, content, record_leaf(keys.address, details.KIND, content))
