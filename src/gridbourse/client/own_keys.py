"""For those who hold their own keys: sealing and signing records, and signing in, without ever showing a key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from gridbourse.api.schema import SigningContext
from gridbourse.chain.interface import Chain
from gridbourse.chain.transaction import Transaction
from gridbourse.contracts.slave_ledger import SlaveLedger
from gridbourse.crypto.keys import Address, SigningKey, keccak256
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import Cancellation, Confirmation, LimitsSet, NodeDetails, OrderDetails
from gridbourse.ledger.sealing import seal_record
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits


def sign_order(
    keys: NodeKeys,
    context: SigningContext,
    offer: Offer,
    *,
    energy_quota_wh: int | None = None,
    replaces: OrderId | None = None,
) -> bytes:
    """Seal and sign the record of an order, or of what takes its place; returns the transaction for `orders.relay`."""
    place = context.node_id, context.location
    details = OrderDetails.of(*place, offer, energy_quota_wh=energy_quota_wh, replaces=replaces)
    return _sign(keys, context, details)


def sign_cancellation(keys: NodeKeys, context: SigningContext, order_id: OrderId) -> bytes:
    """Seal and sign the record that an order is to leave the market; returns the transaction for `orders.relay`."""
    return _sign(keys, context, Cancellation(context.node_id, order_id.pack()))


def sign_limits(keys: NodeKeys, context: SigningContext, limits: AutoTradingLimits) -> bytes:
    """Seal and sign what the node may do by itself; returns the transaction for `orders.relay`."""
    return _sign(keys, context, LimitsSet.of(context.node_id, limits))


def sign_answer(keys: NodeKeys, context: SigningContext, deal_id: int, side: Side, *, confirmed: bool) -> bytes:
    """Seal and sign the record of an answer to a deal; returns the transaction for `orders.relay`."""
    return _sign(keys, context, Confirmation(context.node_id, deal_id, side, confirmed))


def sign_message(key: SigningKey, message: str) -> bytes:
    """Sign a text as wallets do (`personal_sign`, ERC-191), for `session.sign_in_with_key`."""
    data = message.encode()
    signature = key.sign(keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data))
    return signature[:64] + bytes([27 + signature[64]])


def _sign(keys: NodeKeys, context: SigningContext, details: NodeDetails) -> bytes:
    if context.chain_id < 1:
        raise InvalidValue("chain_id", context.chain_id, "the context that the service gave")
    # Sealing asks a ledger for its chain's id and its own address, and for nothing that would need the chain.
    chain = cast("Chain", SimpleNamespace(chain_id=context.chain_id))
    ledger = SlaveLedger(chain, Address(bytes.fromhex(context.ledger[2:])))
    suite = keys.encryption.suite
    readers = [keys.encryption.public_bytes, *(bytes.fromhex(reader) for reader in context.readers)]
    content = seal_record(ledger, keys.address, details, readers, suite)
    call = ledger.append(details.KIND, content)
    transaction = Transaction(context.chain_id, context.nonce, context.gas_limit, call.to, call.data)
    return transaction.sign(keys.signing).raw
