"""The OpenADR 3.1.0 price server: programs and events, for devices that go by prices."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from gridbourse.api.openadr_schema import EventObject, ProgramObject
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation

router = APIRouter(prefix="/openadr3/3.1.0", tags=["prices for devices"])
_READ = operation(Right.READ_NODE, HTTPStatus.NOT_FOUND)
Skip = Annotated[int, Query(ge=0, description="So many are left out.")]
PageSize = Annotated[int, Query(ge=0, le=50, description="At most so many.")]
Id = Annotated[str, Path(pattern="^[a-zA-Z0-9_-]{1,128}$")]
ProgramFilter = Annotated[str | None, Query(alias="programID", pattern="^[a-zA-Z0-9_-]{1,128}$")]


@router.get("/programs", **operation(Right.READ_NODE))
async def search_openadr_programs(
    exchange: ExchangeOf, principal: CurrentUser, skip: Skip = 0, limit: PageSize = 50
) -> list[ProgramObject]:
    """The retail tariff of each connection that is yours, as a program."""
    return exchange.prices.programs(principal)[skip : skip + limit]


@router.get("/programs/{program_id}", **_READ)
async def read_openadr_program(exchange: ExchangeOf, principal: CurrentUser, program_id: Id) -> ProgramObject:
    """One program."""
    return exchange.prices.program(principal, program_id)


@router.get("/events", **_READ)
async def search_openadr_events(
    exchange: ExchangeOf,
    principal: CurrentUser,
    program_id: ProgramFilter = None,
    skip: Skip = 0,
    limit: PageSize = 50,
) -> list[EventObject]:
    """Prices of today and tomorrow, a quarter hour an interval, in yuan/kWh."""
    return exchange.prices.events(principal, exchange.today, program_id)[skip : skip + limit]


@router.get("/events/{event_id}", **_READ)
async def read_openadr_event(exchange: ExchangeOf, principal: CurrentUser, event_id: Id) -> EventObject:
    """One day of one tariff."""
    return exchange.prices.event(principal, exchange.today, event_id)
