"""What a day leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.ledger.records import NodeReport
from gridbourse.market.types import DealState, EnergyType, Side
from gridbourse.metering.intake import Finding
from gridbourse.settlement.imbalance import PeriodSettlement


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order that the market took."""

    node: str
    master: str
    side: Side
    period: int
    energy_types: EnergyType
    energy_wh: int
    price_ticks: int


@dataclass(frozen=True, slots=True)
class Trade:
    """A deal, with the names that the main chain does not tell."""

    deal_id: int
    period: int
    seller: str
    seller_master: str
    buyer: str
    buyer_master: str
    energy_type: EnergyType
    energy_wh: int
    price_ticks: int
    state: DealState

    @property
    def money(self) -> int:
        """In 1e-7 yuan."""
        return self.energy_wh * self.price_ticks


@dataclass(frozen=True, slots=True)
class DayResult:
    """What happened on the day.

    Parameters
    ----------
    first_period, periods
        What was traded.
    nodes
        How many prosumers took part.
    orders, refused
        What the market took, and how many offers it refused.
    trades
        All deals, however they ended.
    readings, findings
        How many readings came in, and what the intake reported.
    fed_in_wh, drawn_wh
        What the prosumers' meters say; periods in doubt left out.
    zone_of
        By prosumer: its zone.
    capacity_wh
        By ordered pair of zones, shape (periods,): what dispatch computed for each delivery period.
    passed_over
        By ordered pair of zones, shape (periods,): how often a buyer and a seller met and did not trade, because the
        capacity between their zones did not suffice.
    settlement
        What was traded against what was metered, period by period.
    records, anchors
        By master: records on its slave chain, and its anchors on the main chain.
    reports
        What the function nodes reported, as the regulator opened it.
    audit
        What the regulator finds wrong; empty if nothing is.
    seconds
        How long each part of the day took to compute.
    """

    first_period: int
    periods: int
    nodes: int
    orders: tuple[PlacedOrder, ...]
    refused: int
    trades: tuple[Trade, ...]
    readings: int
    findings: tuple[Finding, ...]
    fed_in_wh: int
    drawn_wh: int
    zone_of: dict[str, str]
    capacity_wh: dict[tuple[str, str], tuple[int, ...]]
    passed_over: dict[tuple[str, str], tuple[int, ...]]
    settlement: tuple[PeriodSettlement, ...]
    records: dict[str, int]
    anchors: dict[str, int]
    reports: tuple[NodeReport, ...]
    audit: tuple[str, ...]
    seconds: dict[str, float]

    def settled(self) -> list[Trade]:
        """The deals that were carried out."""
        return [trade for trade in self.trades if trade.state is DealState.SETTLED]

    def exchanged_wh(self) -> dict[tuple[str, str], list[int]]:
        """By ordered pair of zones, shape (periods,): what settled deals brought from the first into the second."""
        exchanged = {pair: [0] * self.periods for pair in self.capacity_wh}
        for trade in self.settled():
            pair = self.zone_of[trade.seller], self.zone_of[trade.buyer]
            if pair in exchanged:
                exchanged[pair][trade.period - self.first_period] += trade.energy_wh
        return exchanged
