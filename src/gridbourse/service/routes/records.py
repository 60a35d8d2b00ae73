"""For nodes that hold their own keys: what they need to sign a record, and the way for it to its slave chain."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gridbourse.api.schema import Deal, Order, SigningContext
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import IdempotencyKey, operation

router = APIRouter(prefix="/records", tags=["own keys"])

MAX_TRANSACTION_BYTES = 16_384


class SignedRecord(BaseModel):
    """A raw transaction of the slave chain that writes one record."""

    model_config = ConfigDict(extra="forbid")

    transaction: Annotated[
        str,
        Field(pattern="^0x(?:[0-9a-fA-F]{2})+$", max_length=2 + 2 * MAX_TRANSACTION_BYTES, examples=["0x02f8..."]),
    ]


@router.get("/signing", **operation(Right.TRADE, HTTPStatus.SERVICE_UNAVAILABLE))
async def read_signing_context(exchange: ExchangeOf, principal: CurrentUser) -> SigningContext:
    """Chain, ledger, next nonce and readers' keys: all that it takes to seal and sign a record of yours."""
    return await exchange.trading.signing_context(principal)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    **operation(Right.TRADE, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def relay_record(
    exchange: ExchangeOf, principal: CurrentUser, record: SignedRecord, idempotency_key: IdempotencyKey = None
) -> Order | Deal | None:
    """Hand in a record that you signed: an order, a cancellation, an answer to a deal, or limits; it is relayed."""
    raw = bytes.fromhex(record.transaction[2:])
    return await exchange.trading.relay(principal, raw, idempotency_key=idempotency_key)
