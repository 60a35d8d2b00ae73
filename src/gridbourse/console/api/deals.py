"""Deals of function nodes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gridbourse.client.values import Day, Deal, DealId, DealStatus, Deposit, Page, Position
from gridbourse.console.api.parameters import Cursor, Limit, NodeFilter
from gridbourse.console.api.routing import operation
from gridbourse.console.rights import Right
from gridbourse.console.signin.current import CurrentUser, ExchangeOf

router = APIRouter()
_ANSWER = operation(Right.TRADE, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/deals", tags=["deals"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def list_deals(
    exchange: ExchangeOf,
    principal: CurrentUser,
    node_id: NodeFilter = None,
    status: DealStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Deal]:
    """Deals of your nodes, newest first. A deal between two of your nodes stands there twice, once for each side."""
    return exchange.trading.deals(principal, node_id=node_id, status=status, cursor=cursor, limit=limit)


@router.get("/deals/{deal_id}", tags=["deals"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_deal(exchange: ExchangeOf, principal: CurrentUser, deal_id: DealId) -> Deal:
    """One deal of your nodes."""
    return exchange.trading.deal(principal, deal_id)


@router.post("/deals/{deal_id}/confirm", tags=["deals"], **_ANSWER)
async def confirm_deal(exchange: ExchangeOf, principal: CurrentUser, deal_id: DealId) -> Deal:
    """Confirm a deal within its cooling-off time. Confirmed by both sides, it is binding."""
    return await exchange.trading.answer(principal, deal_id, confirmed=True)


@router.post("/deals/{deal_id}/abandon", tags=["deals"], **_ANSWER)
async def abandon_deal(exchange: ExchangeOf, principal: CurrentUser, deal_id: DealId) -> Deal:
    """Abandon a deal within its cooling-off time: nothing is transferred, both orders wait again at their old place."""
    return await exchange.trading.answer(principal, deal_id, confirmed=False)


@router.get("/deposits", tags=["money and energy"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def list_deposits(
    exchange: ExchangeOf, principal: CurrentUser, node_id: NodeFilter = None, day: Annotated[Day | None, Query()] = None
) -> list[Deposit]:
    """Money of your nodes, for each delivery day that is open."""
    return exchange.trading.deposits(principal, node_id=node_id, day=day)


@router.get("/positions", tags=["money and energy"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def list_positions(
    exchange: ExchangeOf, principal: CurrentUser, day: Annotated[Day, Query()], node_id: NodeFilter = None
) -> list[Position]:
    """Energy claims of your nodes in the periods of a delivery day."""
    return exchange.trading.positions(principal, day, node_id=node_id)
