"""Requests of delivered prices and monthly statements."""

from __future__ import annotations

from urllib.parse import quote

from gridbourse.api.billing_schema import Community, CommunityMonth, MonthStatement, OfferPrice, TariffDay
from gridbourse.client.request import Request, get


def delivered_price(period: int, price_ticks: int, *, node_id: str | None = None) -> Request[OfferPrice]:
    """What an offer costs at a node's meter, beside the retail tariff."""
    return get(f"/delivered-prices/{period}", OfferPrice, price_ticks=price_ticks, node_id=node_id)


def tariff(day: int, *, node_id: str | None = None) -> Request[TariffDay]:
    """The retail tariff of a delivery day at a node's connection."""
    return get(f"/tariffs/{day}", TariffDay, node_id=node_id)


def months(*, node_id: str | None = None) -> Request[list[MonthStatement]]:
    """All monthly statements, corrected ones too, the newest month first."""
    return get("/months", list[MonthStatement], node_id=node_id)


def month(month_text: str, *, node_id: str | None = None) -> Request[list[MonthStatement]]:
    """What counts of a month, a document for each node."""
    return get(f"/months/{month_text}", list[MonthStatement], node_id=node_id)


def communities() -> Request[list[Community]]:
    """Communities of which any node is the caller's."""
    return get("/communities", list[Community])


def community_month(name: str, month_text: str) -> Request[CommunityMonth]:
    """A month of a community."""
    return get(f"/communities/{quote(name, safe='')}/{month_text}", CommunityMonth)


def month_csv(month_text: str, *, node_id: str | None = None) -> Request[bytes]:
    """The same as CSV."""
    return get(f"/months/{month_text}.csv", bytes, node_id=node_id)


def month_pdf(month_text: str, *, node_id: str | None = None, language: str = "en") -> Request[bytes]:
    """The same as PDF, in English (``en``) or Chinese (``zh``)."""
    return get(f"/months/{month_text}.pdf", bytes, node_id=node_id, language=language)
