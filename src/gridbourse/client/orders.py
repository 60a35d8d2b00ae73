"""Requests of function nodes: orders, deals, money, energy and statements."""

from __future__ import annotations

from dataclasses import asdict
from types import NoneType
from urllib.parse import quote
from uuid import uuid4

from gridbourse.api.schema import (
    Deal,
    Deposit,
    Limits,
    MeteredPeriod,
    Order,
    Page,
    Position,
    SigningContext,
    Statement,
)
from gridbourse.client.market import names_of
from gridbourse.client.request import Request, delete, get, post, put
from gridbourse.market.types import Offer


def place(offer: Offer, *, energy_quota_wh: int | None = None, key: str | None = None) -> Request[Order]:
    """Place an order, once, however often the request is sent; `key` is a new one by default."""
    body = {
        "side": offer.side.name.lower(),
        "energy_types": names_of(offer.energy_types),
        "period": offer.period,
        "energy_wh": offer.energy_wh,
        "price_ticks": offer.price_ticks,
        "energy_quota_wh": energy_quota_wh,
    }
    return post("/orders", Order, body, once=True, key=key)


def orders(
    *, node_id: str | None = None, period: int | None = None, status: str | None = None, limit: int = 50
) -> Request[Page[Order]]:
    """Orders of your nodes, newest first."""
    return get("/orders", Page[Order], node_id=node_id, period=period, status=status, limit=limit)


def order(order_id: str) -> Request[Order]:
    """One order."""
    return get(f"/orders/{order_id}", Order)


def deals(*, node_id: str | None = None, status: str | None = None, limit: int = 50) -> Request[Page[Deal]]:
    """Deals of your nodes, newest first."""
    return get("/deals", Page[Deal], node_id=node_id, status=status, limit=limit)


def deal(deal_id: int) -> Request[Deal]:
    """One deal."""
    return get(f"/deals/{deal_id}", Deal)


def confirm(deal_id: int) -> Request[Deal]:
    """Confirm a deal. Sent twice, it is the same as once."""
    return Request("POST", f"/deals/{deal_id}/confirm", Deal, is_repeatable=True)


def abandon(deal_id: int) -> Request[Deal]:
    """Abandon a deal. Sent twice, it is the same as once."""
    return Request("POST", f"/deals/{deal_id}/abandon", Deal, is_repeatable=True)


def deposits(*, node_id: str | None = None, day: int | None = None) -> Request[list[Deposit]]:
    """Money of your nodes, by delivery day."""
    return get("/deposits", list[Deposit], node_id=node_id, day=day)


def positions(day: int, *, node_id: str | None = None) -> Request[list[Position]]:
    """Energy claims of your nodes in the periods of a delivery day."""
    return get("/positions", list[Position], day=day, node_id=node_id)


def metered(day: int, *, node_id: str | None = None) -> Request[list[MeteredPeriod]]:
    """What the meters of your nodes counted beside what they traded, once the day is settled."""
    return get("/metered", list[MeteredPeriod], day=day, node_id=node_id)


def statement(day: int, *, node_id: str | None = None) -> Request[Statement]:
    """What your nodes paid and received for delivery on a day."""
    return get(f"/statements/{day}", Statement, node_id=node_id)


def statement_csv(day: int, *, node_id: str | None = None, language: str = "en") -> Request[bytes]:
    """The statement as CSV, with the nodes' names in English (``en``) or Chinese (``zh``)."""
    return get(f"/statements/{day}.csv", bytes, node_id=node_id, language=language)


def statement_pdf(day: int, *, node_id: str | None = None, language: str = "en") -> Request[bytes]:
    """The statement as PDF, in English (``en``) or Chinese (``zh``)."""
    return get(f"/statements/{day}.pdf", bytes, node_id=node_id, language=language)


def credit(moneys: dict[str, int], day: int, payment_reference: bytes) -> Request[None]:
    """As settlement agent: credit deposits, in 1e-7 yuan by node, against payments received.

    The reference, 32 bytes, names the payments: repeated under it, they are credited once.
    """
    credits_ = [{"node_id": node_id, "money": money} for node_id, money in moneys.items()]
    body = {"day": day, "credits": credits_, "payment_reference": f"0x{payment_reference.hex()}"}
    return post("/deposits", NoneType, body)


def signing_context() -> Request[SigningContext]:
    """What it takes to sign a record with a key of your own."""
    return get("/records/signing", SigningContext)


def amend(order_id: str, *, energy_wh: int, price_ticks: int, key: str | None = None) -> Request[Order]:
    """Replace what is open of an order, once, however often the request is sent; the answer takes its place."""
    body = {"energy_wh": energy_wh, "price_ticks": price_ticks}
    headers = {"Idempotency-Key": key or uuid4().hex}
    return Request("PATCH", f"/orders/{order_id}", Order, body=body, headers=headers, is_repeatable=True)


def cancel(order_id: str) -> Request[Order]:
    """Take what is open of an order out of the market."""
    return delete(f"/orders/{order_id}", Order)


def limits(node_id: str) -> Request[Limits]:
    """What a node may do by itself."""
    return get(f"/nodes/{quote(node_id, safe='')}/limits", Limits)


def set_limits(wanted: Limits) -> Request[None]:
    """Say what your node may do by itself from now on."""
    return put("/limits", NoneType, asdict(wanted))


def relay(transaction: bytes) -> Request[Order | Deal | None]:
    """Hand in a record that you signed."""
    return post("/records", Order | Deal | None, {"transaction": f"0x{transaction.hex()}"}, once=True)  # type: ignore[arg-type]
