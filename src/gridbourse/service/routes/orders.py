"""Orders of function nodes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gridbourse.api.schema import (
    EnergyTypeName,
    Order,
    OrderIdText,
    OrderStatus,
    Page,
    Period,
    PriceTicks,
    SideName,
)
from gridbourse.index.naming import side_of, types_of
from gridbourse.market.types import Offer
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import Cursor, IdempotencyKey, Limit, NodeFilter, operation
from gridbourse.units import MAX_ENERGY_WH

router = APIRouter(prefix="/orders", tags=["orders"])
_CHANGE = operation(Right.TRADE, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


class NewOrder(BaseModel):
    """What to buy or sell in one delivery period."""

    model_config = ConfigDict(extra="forbid")

    side: SideName
    energy_types: Annotated[
        list[EnergyTypeName],
        Field(max_length=6, description="An ask names one type, a bid those that it accepts; none named: all."),
    ] = []
    period: Period
    energy_wh: Annotated[int, Field(ge=1, le=MAX_ENERGY_WH, description="Energy in Wh.", examples=[300_000])]
    price_ticks: PriceTicks
    energy_quota_wh: Annotated[
        int | None,
        Field(ge=0, lt=2**48, description="What the node may sell in that period in all; by default all its asks."),
    ] = None

    def offer(self) -> Offer:
        """The order as the market knows it."""
        types = types_of(self.energy_types)
        return Offer(side_of(self.side), types, self.period, self.energy_wh, self.price_ticks)


@router.post(
    "", status_code=HTTPStatus.CREATED, **operation(Right.TRADE, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
)
async def place_order(
    exchange: ExchangeOf, principal: CurrentUser, order: NewOrder, idempotency_key: IdempotencyKey = None
) -> Order:
    """Place an order for the node that asks: signed with its kept key, recorded on its slave chain, and matched.

    The answer comes when all of that is durable; an order that the market refused is recorded all the same, and comes
    back with status `refused` and the reason.
    """
    return await exchange.trading.place(
        principal, order.offer(), energy_quota_wh=order.energy_quota_wh, idempotency_key=idempotency_key
    )


class Amendment(BaseModel):
    """New quantity and price for what is open of an order."""

    model_config = ConfigDict(extra="forbid")

    energy_wh: Annotated[int, Field(ge=1, le=MAX_ENERGY_WH, description="Energy in Wh.", examples=[200_000])]
    price_ticks: PriceTicks


@router.get("", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def list_orders(
    exchange: ExchangeOf,
    principal: CurrentUser,
    node_id: NodeFilter = None,
    period: Annotated[Period | None, Query()] = None,
    status: OrderStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Order]:
    """Orders of your nodes, newest first."""
    return exchange.trading.orders(principal, node_id=node_id, period=period, status=status, cursor=cursor, limit=limit)


@router.get("/{order_id}", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_order(exchange: ExchangeOf, principal: CurrentUser, order_id: OrderIdText) -> Order:
    """One order of your nodes."""
    return exchange.trading.order(principal, order_id)


@router.patch("/{order_id}", **_CHANGE)
async def amend_order(
    exchange: ExchangeOf,
    principal: CurrentUser,
    order_id: OrderIdText,
    amendment: Amendment,
    idempotency_key: IdempotencyKey = None,
) -> Order:
    """Replace what is open of an order by a new quantity and price, at the end of the new queue. Its deals stand.

    The answer is the order that took its place. If the market refuses that, it has status `refused`, and the old
    order stands.
    """
    return await exchange.trading.amend(
        principal,
        order_id,
        energy_wh=amendment.energy_wh,
        price_ticks=amendment.price_ticks,
        idempotency_key=idempotency_key,
    )


@router.delete("/{order_id}", **_CHANGE)
async def cancel_order(exchange: ExchangeOf, principal: CurrentUser, order_id: OrderIdText) -> Order:
    """Take what is open of an order out of the market. Its deals stand."""
    return await exchange.trading.cancel(principal, order_id)
