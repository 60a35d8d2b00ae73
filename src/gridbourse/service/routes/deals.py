"""Deals of function nodes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gridbourse.api.schema import (
    Day,
    Deal,
    DealId,
    DealStatus,
    Deposit,
    Limits,
    MeteredPeriod,
    NodeId,
    Page,
    Position,
)
from gridbourse.index.naming import types_of
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import Cursor, Limit, NodeFilter, operation
from gridbourse.service.use_cases.views import limits_view

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


@router.get("/metered", tags=["money and energy"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def list_metered(
    exchange: ExchangeOf, principal: CurrentUser, day: Annotated[Day, Query()], node_id: NodeFilter = None
) -> list[MeteredPeriod]:
    """What the meters of your nodes counted beside what they traded, once their master has settled the day."""
    return exchange.trading.metered(principal, day, node_id=node_id)


@router.get("/nodes/{node_id}/limits", tags=["automatic offering"], **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_limits(exchange: ExchangeOf, principal: CurrentUser, node_id: NodeId) -> Limits:
    """What a node may do by itself."""
    return limits_view(exchange.trading.limits(principal, node_id))


@router.put(
    "/limits",
    tags=["automatic offering"],
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.TRADE, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def set_limits(exchange: ExchangeOf, principal: CurrentUser, limits: Limits) -> None:
    """Say what your node may do by itself from now on: a record that the node signs. `active` false switches it off."""
    await exchange.trading.set_limits(
        principal,
        AutoTradingLimits(
            active=limits.active,
            energy_type=types_of([limits.energy_type]),
            accepted_types=types_of(limits.accepted_types),
            lowest_sell_ticks=limits.lowest_sell_ticks,
            highest_buy_ticks=limits.highest_buy_ticks,
            reserve_wh=limits.reserve_wh,
            smallest_wh=limits.smallest_wh,
            max_share_permille=limits.max_share_permille,
        ),
    )
