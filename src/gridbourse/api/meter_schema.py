"""What the service says of meters, readings and automatic offers, as values: see `gridbourse.api.schema`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gridbourse.api.schema import AddressText, EnergyWh, MasterName, NodeId, Order, Period, Seconds

SurplusWh = Annotated[
    int, Field(description="Energy fed in less energy drawn, in Wh; negative for need.", examples=[1_250])
]


class OfferOutcome(StrEnum):
    """What a node offered by itself in a delivery period, or why it offered nothing."""

    OFFERED = "offered"
    ORDERED = "ordered"
    OFF = "off"
    NO_METER = "no_meter"
    NO_READING = "no_reading"
    NO_FORECAST = "no_forecast"
    NOTHING_LEFT = "nothing_left"
    PRICE_LIMIT = "price_limit"
    GATE_CLOSED = "gate_closed"


@dataclass(frozen=True, slots=True)
class MeterView:
    """A smart meter at the connection of one of your nodes, and when it was heard last."""

    meter: AddressText
    node_id: NodeId
    master: MasterName
    limit_w: Annotated[int, Field(ge=1, description="The most that the connection carries, in W.", examples=[17_000])]
    is_current: Annotated[bool, Field(description="False for one that was exchanged: its readings stay.")]
    registered_at: Annotated[Seconds, Field(description="When its master entered it.")]
    reading_count: Annotated[int, Field(ge=0, description="Readings of it that were accepted.", examples=[96])]
    missing_count: Annotated[int, Field(ge=0, description="Readings between them that have not come yet.")]
    last_period: Annotated[Period | None, Field(description="The newest delivery period that it has reported.")]
    heard_at: Annotated[Seconds | None, Field(description="When the newest of its readings was taken.")]
    is_silent: Annotated[bool, Field(description="Whether a reading of it is overdue.")]
    is_simulated: Annotated[
        bool, Field(description="Whether it is one of the example region's: it signs, and counts what a data set says.")
    ]


@dataclass(frozen=True, slots=True)
class PeriodReading:
    """What a node's meter counted in one delivery period, or what it lets expect of one that is still to come."""

    node_id: NodeId
    period: Period
    imported_wh: Annotated[EnergyWh | None, Field(description="Drawn; null while unknown or in doubt.")]
    exported_wh: Annotated[EnergyWh | None, Field(description="Fed in; null while unknown or in doubt.")]
    surplus_wh: Annotated[SurplusWh | None, Field(description="Fed in less drawn, in Wh; negative for need.")]
    expected_wh: Annotated[SurplusWh | None, Field(description="Expected surplus, of the periods next to be traded.")]
    expected_error_wh: Annotated[
        EnergyWh | None, Field(description="How far off such an expectation was on average, over the last day.")
    ]


@dataclass(frozen=True, slots=True)
class AutomaticOffer:
    """What a node offered by itself in one delivery period, or why nothing."""

    node_id: NodeId
    period: Period
    outcome: Annotated[
        OfferOutcome,
        Field(
            description="`ordered`: it had an order for the period already; `off`: its owner does not let it; "
            "`no_meter`, `no_reading`, `no_forecast`: there is nothing to expect anything from; `nothing_left`: the "
            "limits leave nothing; `price_limit`: the market does not take the owner's price; `gate_closed`: too late."
        ),
    ]
    expected_wh: Annotated[SurplusWh | None, Field(description="Surplus that it expected when it decided.")]
    expected_error_wh: EnergyWh | None
    decided_at: Seconds
    order: Annotated[Order | None, Field(description="The order, if it offered, or the one that was there already.")]


@dataclass(frozen=True, slots=True)
class ReadingReceipt:
    """Readings that are safe: on disk, each of them once."""

    accepted: Annotated[int, Field(ge=0, description="Taken now.", examples=[4])]
    repeated: Annotated[int, Field(ge=0, description="Taken before; nothing was done.", examples=[0])]
