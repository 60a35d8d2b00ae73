"""Meters of function nodes: their readings, what these let expect, and what nodes offer by themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gridbourse.api.meter_schema import AutomaticOffer, MeterView, PeriodReading, ReadingReceipt
from gridbourse.api.schema import AddressText, Day, NodeId
from gridbourse.crypto.keys import Address
from gridbourse.ledger.records import MAX_CONNECTION_W
from gridbourse.metering.reading import READING_BYTES
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import operation

router = APIRouter()

MAX_READINGS = 500
DayFilter = Annotated[Day | None, Query(description="Delivery day; today by default.")]
_READ = operation(Right.READ_NODE, HTTPStatus.NOT_FOUND)


class MeterEntry(BaseModel):
    """The meter that stands at a node's connection."""

    model_config = ConfigDict(extra="forbid")

    meter: Annotated[AddressText, Field(description="Address of the meter's key.")]
    limit_w: Annotated[
        int,
        Field(ge=1, le=MAX_CONNECTION_W, description="The most that the connection carries, in W.", examples=[17_000]),
    ]


class SignedReadings(BaseModel):
    """Readings as their meters signed them."""

    model_config = ConfigDict(extra="forbid")

    readings: Annotated[
        list[
            Annotated[
                str,
                Field(
                    pattern="^0x(?:[0-9a-fA-F]{2})*$",
                    max_length=2 + 4 * READING_BYTES,
                    description="Big-endian: meter (20 bytes), number (4), delivery period that ended (4), imported Wh "
                    "(8), exported Wh (8), time in seconds (8), signature r, s, parity (65).",
                    examples=["0x" + "5f" * READING_BYTES],
                ),
            ]
        ],
        Field(min_length=1, max_length=MAX_READINGS, description="The same bytes as over MQTT, in hexadecimal."),
    ]


@router.get("/meters", tags=["meters"], **operation(Right.READ_NODE))
async def list_meters(exchange: ExchangeOf, principal: CurrentUser) -> list[MeterView]:
    """Meters of your nodes, and when each was heard last."""
    return exchange.metering.meters(principal)


@router.put(
    "/nodes/{node_id}/meter",
    tags=["meters"],
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.KEEP_METERS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def register_meter(exchange: ExchangeOf, principal: CurrentUser, node_id: NodeId, entry: MeterEntry) -> None:
    """Enter the meter at the connection of one of your nodes: a record on your slave chain.

    A meter that is exchanged is another one; the readings of the old one stay.
    """
    meter = Address(bytes.fromhex(entry.meter[2:]))
    await exchange.administration.register_meter(principal, node_id, meter, entry.limit_w)


@router.post("/readings", tags=["meters"], **operation(Right.HAND_IN_READINGS, HTTPStatus.SERVICE_UNAVAILABLE))
async def hand_in_readings(exchange: ExchangeOf, principal: CurrentUser, signed: SignedReadings) -> ReadingReceipt:
    """Hand in readings, of whichever meters: their signatures say whose they are. They are on disk when this answers.

    A reading that is handed in again is taken once. If some are refused, the answer is a problem whose `faults` name
    them, and all others are taken.
    """
    payloads = [bytes.fromhex(reading[2:]) for reading in signed.readings]
    return await exchange.metering.hand_in(principal, payloads)


@router.get("/nodes/{node_id}/readings", tags=["meters"], **_READ)
async def list_readings(
    exchange: ExchangeOf, principal: CurrentUser, node_id: NodeId, day: DayFilter = None
) -> list[PeriodReading]:
    """What the meter of a node of yours counted in each delivery period, and what it lets expect of the next ones."""
    return exchange.offering.readings(principal, node_id, exchange.today if day is None else day)


@router.get("/nodes/{node_id}/automatic-offers", tags=["automatic offering"], **_READ)
async def list_automatic_offers(
    exchange: ExchangeOf, principal: CurrentUser, node_id: NodeId, day: DayFilter = None
) -> list[AutomaticOffer]:
    """What a node of yours offered by itself in each delivery period, and why nothing where it offered nothing."""
    return exchange.offering.automatic_offers(principal, node_id, exchange.today if day is None else day)
