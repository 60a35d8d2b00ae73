"""What the service says of delivered prices and monthly statements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gridbourse.api.schema import Day, EnergyWh, HashText, MasterName, Money, NodeId, Period, PriceTicks, Seconds

Microyuan = Annotated[
    int, Field(description="Price in 0.000001 yuan/kWh, as tariffs are published.", examples=[506_544])
]
MonthText = Annotated[
    str, Field(pattern="^(19[7-9][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])$", description="A month.", examples=["2026-08"])
]
RulesVersion = Annotated[
    str, Field(description="A set of market rules: name and digest.", examples=["sichuan-2026@3f0c5e1d8a77"])
]


class TradeReach(StrEnum):
    """Between which zones of the grid a trade is."""

    WITHIN_ZONE = "within_zone"
    BETWEEN_ZONES = "between_zones"


@dataclass(frozen=True, slots=True)
class DeliveredPart:
    """One part of a delivered price."""

    name: Annotated[str, Field(description="energy, loss, network, system or funds.", examples=["network"])]
    price_microyuan: Annotated[Microyuan, Field(description="What it adds, time of use included.")]
    parameters: Annotated[list[str], Field(description="Rows of the set that it comes from.")]


@dataclass(frozen=True, slots=True)
class DeliveredPrice:
    """What energy costs at the meter, part by part; each part is rounded for itself."""

    reach: Annotated[TradeReach | None, Field(description="Of a trade; null for the retail tariff.")]
    price_microyuan: Microyuan
    parts: list[DeliveredPart]


@dataclass(frozen=True, slots=True)
class OfferPrice:
    """An offer's delivered price beside the retail tariff, for one connection and period."""

    node_id: NodeId
    period: Period
    price_ticks: Annotated[PriceTicks, Field(description="Of the energy alone.")]
    band: Annotated[str, Field(description="Time of use: tip, peak, flat or valley.", examples=["peak"])]
    offers: Annotated[list[DeliveredPrice], Field(description="By where the seller is; from another zone if there is.")]
    retail: DeliveredPrice
    rules: RulesVersion
    unconfirmed: Annotated[list[str], Field(description="Parameters that no operator has confirmed.")]


@dataclass(frozen=True, slots=True)
class TariffPeriod:
    """The retail tariff of a period."""

    period: Period
    begins_at: Seconds
    band: str
    price_microyuan: Microyuan


@dataclass(frozen=True, slots=True)
class TariffDay:
    """The retail tariff of a delivery day, for one connection."""

    node_id: NodeId
    day: Day
    voltage_level: Annotated[str, Field(examples=["1-10kV"])]
    tariff: Annotated[str, Field(examples=["two_part"])]
    rules: RulesVersion
    periods: list[TariffPeriod]


@dataclass(frozen=True, slots=True)
class MonthLine:
    """One line of a monthly statement."""

    item: Annotated[str, Field(description="What it is for.", examples=["network"])]
    energy_wh: EnergyWh
    paid: Money
    received: Money


@dataclass(frozen=True, slots=True)
class MonthStatement:
    """A node's month in one numbered document, as its master wrote it to the slave chain."""

    number: Annotated[str, Field(description="Of the document.", examples=["aggregator-000012"])]
    corrects: Annotated[str | None, Field(description="The document that it takes the place of.")]
    is_newest: Annotated[bool, Field(description="Whether nothing has taken its place.")]
    node_id: NodeId
    master: MasterName
    month: MonthText
    rules: Annotated[list[RulesVersion], Field(description="The sets in force that month.")]
    lines: list[MonthLine]
    paid: Money
    received: Money
    gaps: Annotated[list[str], Field(description="What the rules lack, for lines that are missing.")]
    open_periods: Annotated[int, Field(description="Not settled, for want of a reading.")]
    compared_wh: Annotated[EnergyWh, Field(description="Energy of periods in which the node only drew.")]
    delivered: Annotated[Money, Field(description="What that cost at the meter.")]
    retail: Annotated[Money, Field(description="What it would have cost by the retail tariff.")]
    record: Annotated[int, Field(description="Number of the record on the slave chain.")]
    leaf: HashText


@dataclass(frozen=True, slots=True)
class Community:
    """Nodes of one master that share what some of them generate."""

    name: Annotated[str, Field(description="Of the community.", examples=["Park"])]
    master: MasterName
    key: Annotated[str, Field(description="dynamic, static or reshared.", examples=["dynamic"])]
    plants: list[NodeId]
    members: Annotated[list[NodeId], Field(description="Those of them that the caller may see.")]


@dataclass(frozen=True, slots=True)
class SharedEnergy:
    """What a member of a community drew in a month, and what of it the community generated at the time."""

    node_id: NodeId
    drawn_wh: EnergyWh
    shared_wh: EnergyWh


@dataclass(frozen=True, slots=True)
class LocalUse:
    """A test of local use: what the community reached, and what the rules ask for."""

    name: Annotated[str, Field(description="Parameter of the rules.", examples=["own_of_available"])]
    share_permille: int
    limit_permille: int
    passed: bool


@dataclass(frozen=True, slots=True)
class CommunityMonth:
    """A month of a community, quarter hour by quarter hour from its meters alone, summed up."""

    community: Community
    month: MonthText
    generated_wh: EnergyWh
    drawn_wh: EnergyWh
    shared_wh: EnergyWh
    to_grid_wh: EnergyWh
    members: Annotated[list[SharedEnergy], Field(description="Those that the caller may see.")]
    local_use: Annotated[list[LocalUse], Field(description="Of this month; empty if nothing is to be tested.")]
    rules: RulesVersion | None
    open_periods: Annotated[int, Field(description="Not shared: a reading of somebody is missing or in doubt.")]
