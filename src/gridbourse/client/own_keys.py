"""For those who hold their own keys: sealing and signing records, and signing in, without ever showing a key."""

from __future__ import annotations

from gridbourse.api.schema import SigningContext
from gridbourse.crypto.keys import SigningKey, keccak256
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.ledger.records import Cancellation, Confirmation, LimitsSet, OrderDetails
from gridbourse.ledger.signing import sign_record
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
    return sign_record(keys, context, details).raw


def sign_cancellation(keys: NodeKeys, context: SigningContext, order_id: OrderId) -> bytes:
    """Seal and sign the record that an order is to leave the market; returns the transaction for `orders.relay`."""
    return sign_record(keys, context, Cancellation(context.node_id, order_id.pack())).raw


def sign_limits(keys: NodeKeys, context: SigningContext, limits: AutoTradingLimits) -> bytes:
    """Seal and sign what the node may do by itself; returns the transaction for `orders.relay`."""
    return sign_record(keys, context, LimitsSet.of(context.node_id, limits)).raw


def sign_answer(keys: NodeKeys, context: SigningContext, deal_id: int, side: Side, *, confirmed: bool) -> bytes:
    """Seal and sign the record of an answer to a deal; returns the transaction for `orders.relay`."""
    return sign_record(keys, context, Confirmation(context.node_id, deal_id, side, confirmed)).raw


def sign_message(key: SigningKey, message: str) -> bytes:
    """Sign a text as wallets do (`personal_sign`, ERC-191), for `session.sign_in_with_key`."""
    data = message.encode()
    signature = key.sign(keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data))
    return signature[:64] + bytes([27 + signature[64]])
