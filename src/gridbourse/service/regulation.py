"""What the regulator does: it traces deals, checks whole chains, and exports what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridbourse.api.chain_schema import AuditReport, TraceView
from gridbourse.errors import NotFound
from gridbourse.files.writing import csv_text
from gridbourse.index.chain_state import ChainState
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.requests import TraceReport
from gridbourse.service.market_state import MarketState
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.views import order_text, type_name
from gridbourse.text import Language, Message
from gridbourse.units import format_kwh, format_price, format_yuan

_EXPORT_COLUMNS = (
    "deal",
    "delivery_from",
    "energy_type",
    "energy_kwh",
    "price_yuan_per_kwh",
    "money_yuan",
    "state",
    "agreed_at",
    "seller",
    "buyer",
    "ask",
    "bid",
)


class Audit:
    """Acts for the regulator.

    Parameters
    ----------
    node
        The region's node; one without the regulator's keys cannot audit.
    market, chains, directory
        The states to search.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        node: NodeClient,
        market: MarketState,
        chains: ChainState,
        directory: ParticipantRegistry,
        clock: Callable[[], int],
    ) -> None:
        self._node = node
        self._market = market
        self._chains = chains
        self._directory = directory
        self._clock = clock
        self.last_report: AuditReport | None = None
        """What the last audit found."""

    async def trace(self, principal: Principal, deal_id: int) -> TraceView:
        """Walk from a deal to the proof of every detail behind it. Raises `NotFound`."""
        return (await self._trace(principal, deal_id)).view

    async def trace_document(self, principal: Principal, deal_id: int) -> Mapping[str, object]:
        """The walk as `gridbourse trace --json` writes it."""
        return (await self._trace(principal, deal_id)).document

    async def trace_page(self, principal: Principal, deal_id: int, language: Language) -> str:
        """The walk as `gridbourse trace --html` writes it."""
        return (await self._trace(principal, deal_id, language)).page

    async def report(self, principal: Principal) -> AuditReport:
        """Check all records of all chains against the main chain."""
        require(principal, Right.AUDIT)
        records = sum(len(chain.records) for chain in self._chains.chains.values())
        deals = len(self._market.deals)
        findings = await self._node.ask(requests.Audit())
        self.last_report = AuditReport(not findings, findings, records, deals, self._clock())
        return self.last_report

    def export(self, principal: Principal, day: int) -> str:
        """All deals of a delivery day as CSV, with who is behind them, in local time."""
        require(principal, Right.AUDIT)
        calendar = self._market.calendar
        rows = (
            (
                deal.deal_id,
                calendar.begins(deal.ask.period),
                type_name(deal.energy_type),
                format_kwh(deal.energy_wh),
                format_price(deal.price_ticks),
                format_yuan(deal.money),
                deal.state.name.lower(),
                calendar.at(deal.agreed_at).isoformat(),
                self._name(deal.seller),
                self._name(deal.buyer),
                order_text(deal.ask),
                order_text(deal.bid),
            )
            for deal in self._market.deals_on(day)
        )
        return csv_text(_EXPORT_COLUMNS, rows)

    async def _trace(self, principal: Principal, deal_id: int, language: Language = "en") -> TraceReport:
        require(principal, Right.AUDIT)
        if deal_id not in self._market.deals:
            raise NotFound(Message("the main chain has no deal {deal}", deal=deal_id))
        traced: TraceReport = await self._node.ask(requests.TraceTrade(deal_id, language))
        return traced

    def _name(self, trader: int) -> str:
        owner = self._directory.owners.get(trader)
        return owner.node_id if owner else Message("trader {number}", number=trader)
