"""Delivered prices before energy is bought, and monthly statements after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from gridbourse.api.billing_schema import Community, CommunityMonth, MonthStatement, MonthText, OfferPrice, TariffDay
from gridbourse.api.schema import Day, Period, PriceTicks
from gridbourse.extras import extras_named
from gridbourse.region.shown_names import ShownNames
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.billing.month_text import months_csv
from gridbourse.service.language import language_of
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import NodeFilter, operation
from gridbourse.service.routes.statements import CSV, PDF, download, file_operation
from gridbourse.text import Language, Translation, read_translation

router = APIRouter(tags=["money and energy"])
_MONTH_READ = operation(Right.READ_NODE, HTTPStatus.NOT_FOUND)


@router.get("/delivered-prices/{period}", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_delivered_price(
    exchange: ExchangeOf,
    principal: CurrentUser,
    period: Period,
    price_ticks: Annotated[PriceTicks, Query()],
    node_id: NodeFilter = None,
) -> OfferPrice:
    """What an offer costs at your meter, part by part, beside the retail tariff; masters name the node."""
    return exchange.tariffs.offer(principal, period, price_ticks, node_id=node_id)


@router.get("/tariffs/{day}", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_tariff(exchange: ExchangeOf, principal: CurrentUser, day: Day, node_id: NodeFilter = None) -> TariffDay:
    """The retail tariff of a delivery day at your connection, quarter hour by quarter hour."""
    return exchange.tariffs.day(principal, day, node_id=node_id)


@router.get("/months", **_MONTH_READ)
async def list_month_statements(
    exchange: ExchangeOf, principal: CurrentUser, node_id: NodeFilter = None
) -> list[MonthStatement]:
    """The monthly statements of your nodes, corrected ones too, the newest month first."""
    return exchange.months.statements(principal, node_id=node_id)


@router.get("/months/{month}.csv", **file_operation(CSV, "CSV"))
async def read_month_csv(
    exchange: ExchangeOf, principal: CurrentUser, month: MonthText, node_id: NodeFilter = None
) -> Response:
    """What counts of a month as CSV (RFC 4180)."""
    statements = exchange.months.of_month(principal, month, node_id=node_id)
    return download(months_csv(statements), CSV, f"month-{month}.csv")


@router.get("/months/{month}.pdf", **file_operation(PDF, "PDF"))
async def read_month_pdf(
    request: Request,
    exchange: ExchangeOf,
    principal: CurrentUser,
    month: MonthText,
    node_id: NodeFilter = None,
    language: Annotated[Language | None, Query(description="By default what `Accept-Language` prefers.")] = None,
) -> Response:
    """What counts of a month as PDF, for people, in Chinese or English, at most 100 nodes."""
    statements = exchange.months.of_month(principal, month, node_id=node_id)
    t = read_translation(language or language_of(request.headers))
    content = await asyncio.to_thread(_pdf, statements, exchange.shown_names, t)
    return download(content, PDF, f"month-{month}.pdf")


@router.get("/months/{month}", **_MONTH_READ)
async def read_month(
    exchange: ExchangeOf, principal: CurrentUser, month: MonthText, node_id: NodeFilter = None
) -> list[MonthStatement]:
    """What counts of a month, a document for each of your nodes."""
    return exchange.months.of_month(principal, month, node_id=node_id)


@router.get("/communities", **operation(Right.READ_NODE))
async def list_communities(exchange: ExchangeOf, principal: CurrentUser) -> list[Community]:
    """Communities of which any node is yours."""
    return exchange.communities.communities(principal)


@router.get("/communities/{name}/{month}", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_community_month(
    exchange: ExchangeOf,
    principal: CurrentUser,
    name: Annotated[str, Path(min_length=1, max_length=80)],
    month: MonthText,
) -> CommunityMonth:
    """A month of a community: what it generated, who used it, and the tests of local use, from its meters alone."""
    return exchange.communities.month(principal, name, month)


def _pdf(statements: list[MonthStatement], names: Mapping[Language, ShownNames], t: Translation) -> bytes:
    with extras_named():
        from gridbourse.service.billing.month_pdf import months_pdf  # noqa: PLC0415 - for those who ask for one

    return months_pdf(statements, names, t)
