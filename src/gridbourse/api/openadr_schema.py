"""Objects of OpenADR 3.1.0, as far as a price server has them; names are that standard's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

ObjectId = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,128}$", examples=["tariff-5f0c3a8d11e2b7aa"])]
DateTime = Annotated[str, Field(description="RFC 3339.", examples=["2026-08-03T16:00:00Z"])]
Duration = Annotated[str, Field(description="ISO 8601.", examples=["PT15M"])]


@dataclass(frozen=True, slots=True)
class EventPayloadDescriptor:
    """What values of events mean."""

    objectType: Literal["EVENT_PAYLOAD_DESCRIPTOR"]  # noqa: N815 - the standard's name
    payloadType: Literal["PRICE"]  # noqa: N815
    units: Annotated[str, Field(description="Of what the price is for.", examples=["KWH"])]
    currency: Annotated[str, Field(description="ISO 4217.", examples=["CNY"])]


@dataclass(frozen=True, slots=True)
class IntervalPeriod:
    """When the first interval begins, and how long each lasts; they follow each other."""

    start: DateTime
    duration: Duration


@dataclass(frozen=True, slots=True)
class ValuesMap:
    """A value and its type."""

    type: Literal["PRICE"]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Interval:
    """One quarter hour."""

    id: int
    payloads: list[ValuesMap]


@dataclass(frozen=True, slots=True)
class ProgramObject:
    """A tariff."""

    id: ObjectId
    createdDateTime: DateTime  # noqa: N815
    modificationDateTime: DateTime  # noqa: N815
    objectType: Literal["PROGRAM"]  # noqa: N815
    programName: str  # noqa: N815
    payloadDescriptors: list[EventPayloadDescriptor]  # noqa: N815


@dataclass(frozen=True, slots=True)
class EventObject:
    """The prices of a day."""

    id: ObjectId
    createdDateTime: DateTime  # noqa: N815
    modificationDateTime: DateTime  # noqa: N815
    objectType: Literal["EVENT"]  # noqa: N815
    programID: ObjectId  # noqa: N815
    eventName: str  # noqa: N815
    payloadDescriptors: list[EventPayloadDescriptor]  # noqa: N815
    intervalPeriod: IntervalPeriod  # noqa: N815
    intervals: list[Interval]
