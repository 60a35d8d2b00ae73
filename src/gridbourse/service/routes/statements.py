"""Settlement statements of function nodes, as JSON, CSV and PDF."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gridbourse.api.schema import Day, Statement
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.extras import extras_named
from gridbourse.region.shown_names import ShownNames
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.language import language_of
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import NodeFilter, operation
from gridbourse.service.use_cases.statement_text import statement_csv
from gridbourse.text import Language, Translation, read_translation

router = APIRouter(prefix="/statements", tags=["money and energy"])
CSV, PDF = "text/csv", "application/pdf"
NameLanguage = Annotated[Language | None, Query(description="By default what `Accept-Language` prefers.")]


def file_operation(media_type: str, kind: str) -> dict[str, Any]:
    """Arguments of an operation that answers with a file."""
    described = operation(Right.READ_NODE, HTTPStatus.NOT_FOUND)
    content = {media_type: {"schema": {"type": "string"} | ({"format": "binary"} if media_type == PDF else {})}}
    described["responses"] |= {200: {"description": f"The statement as {kind}.", "content": content}}
    return described | {"response_class": Response}


@router.get("/{day}.csv", **file_operation(CSV, "CSV"))
async def read_statement_csv(
    request: Request,
    exchange: ExchangeOf,
    principal: CurrentUser,
    day: Day,
    node_id: NodeFilter = None,
    language: NameLanguage = None,
) -> Response:
    """The statement of a delivery day as CSV (RFC 4180), times in the region's local time."""
    statement = exchange.statements.statement(principal, day, node_id=node_id)
    return download(
        statement_csv(statement, exchange.calendar, language or language_of(request.headers)),
        CSV,
        f"statement-{date_text(day)}.csv",
    )


@router.get("/{day}.pdf", **file_operation(PDF, "PDF"))
async def read_statement_pdf(
    request: Request,
    exchange: ExchangeOf,
    principal: CurrentUser,
    day: Day,
    node_id: NodeFilter = None,
    language: NameLanguage = None,
) -> Response:
    """The statement of a delivery day as PDF, for people, in Chinese or English, at most 2,000 lines."""
    statement = exchange.statements.statement(principal, day, node_id=node_id)
    t = read_translation(language or language_of(request.headers))
    content = await asyncio.to_thread(_pdf, statement, exchange.shown_names, exchange.calendar, t)
    return download(content, PDF, f"statement-{date_text(day)}.pdf")


@router.get("/{day}", **operation(Right.READ_NODE, HTTPStatus.NOT_FOUND))
async def read_statement(
    exchange: ExchangeOf, principal: CurrentUser, day: Day, node_id: NodeFilter = None
) -> Statement:
    """What your nodes paid and received for delivery on a day: settled deals, and imbalances once they are settled."""
    return exchange.statements.statement(principal, day, node_id=node_id)


def _pdf(
    statement: Statement, regions: Mapping[Language, ShownNames], calendar: DeliveryCalendar, t: Translation
) -> bytes:
    with extras_named():
        from gridbourse.service.use_cases.statement_pdf import statement_pdf  # noqa: PLC0415 - for those who ask for one

    return statement_pdf(statement, {language: names.region for language, names in regions.items()}, calendar, t)


def download(content: bytes, media_type: str, name: str) -> Response:
    """Answer with a file."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
