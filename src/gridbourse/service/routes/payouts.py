"""Money that goes out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from gridbourse.api.payout_schema import PayoutConfirmation, PayoutRequest, Payouts
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation

router = APIRouter(tags=["money and energy"])
_Reference = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="The bank's reference, as the payout and the payout file have it.")
]


@router.get("/payouts", **operation(Right.READ_NODE, HTTPStatus.SERVICE_UNAVAILABLE))
async def list_payouts(exchange: ExchangeOf, principal: CurrentUser) -> Payouts:
    """Payouts of your nodes, and what they have in their master's purse; the settlement agent sees all payouts."""
    return await exchange.payouts.payouts(principal)


@router.post(
    "/payouts",
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.PAY_OUT, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def request_payout(exchange: ExchangeOf, principal: CurrentUser, wanted: PayoutRequest) -> None:
    """Have your node's money paid out: once, or after every delivery day what is above an amount.

    An instruction that is not carried out yet is replaced by the next one of its kind.
    """
    await exchange.payouts.instruct(principal, wanted.money, wanted.payee, standing=wanted.standing)


@router.post(
    "/payouts/{reference}",
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.CREDIT, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def confirm_payout(
    exchange: ExchangeOf, principal: CurrentUser, reference: _Reference, done: PayoutConfirmation
) -> None:
    """Say what the bank did, once however often. Only the settlement agent may."""
    await exchange.payouts.confirm(principal, bytes.fromhex(reference), paid=done.paid)
