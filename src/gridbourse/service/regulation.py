"""What the regulator does: it traces deals, checks whole chains, and exports what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gridbourse.api.chain_schema import AnchorView, AuditReport, TraceParty, TraceStep, TraceView
from gridbourse.api.schema import DealStatus, SideName
from gridbourse.errors import NotFound
from gridbourse.index.chain_state import ChainState
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.node.node import Region
from gridbourse.regulator.export import trace_document, trace_page
from gridbourse.regulator.trace import PartyTrace, Trace
from gridbourse.service.csv_text import csv_text
from gridbourse.service.market_state import MarketState
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.views import order_text, type_name
from gridbourse.text import Language, Message

_EXPORT_COLUMNS = (
    "deal",
    "period",
    "energy_type",
    "energy_wh",
    "price_ticks",
    "money_1e-7_yuan",
    "state",
    "agreed_at",
    "seller",
    "buyer",
    "ask",
    "bid",
)


class Audit:
    """Acts for the regulator, beside the thread that owns the region: a long audit delays no order.

    Parameters
    ----------
    region
        Runs the region; one without the regulator's keys cannot audit.
    market, chains, directory
        The states to search.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        region: RegionProcess,
        market: MarketState,
        chains: ChainState,
        directory: ParticipantRegistry,
        clock: Callable[[], int],
    ) -> None:
        self._region = region
        self._market = market
        self._chains = chains
        self._directory = directory
        self._clock = clock
        self.last_report: AuditReport | None = None
        """What the last audit found."""

    async def trace(self, principal: Principal, deal_id: int) -> TraceView:
        """Walk from a deal to the proof of every detail behind it. Raises `NotFound`."""
        traced = await self._trace(principal, deal_id)
        return TraceView(
            deal_id=deal_id,
            holds=traced.holds,
            status=DealStatus(traced.deal.state.name.lower()),
            period=traced.deal.ask.period,
            energy_wh=traced.deal.energy_wh,
            price_ticks=traced.deal.price_ticks,
            money=traced.deal.money,
            parties=[_party(party) for party in traced.parties],
        )

    async def trace_document(self, principal: Principal, deal_id: int) -> dict[str, Any]:
        """The walk as `gridbourse trace --json` writes it."""
        return trace_document(await self._trace(principal, deal_id))

    async def trace_page(self, principal: Principal, deal_id: int, language: Language) -> str:
        """The walk as `gridbourse trace --html` writes it."""
        return trace_page(await self._trace(principal, deal_id), language)

    async def report(self, principal: Principal) -> AuditReport:
        """Check all records of all chains against the main chain."""
        require(principal, Right.AUDIT)
        records = sum(len(chain.records) for chain in self._chains.chains.values())
        deals = len(self._market.deals)
        findings = await self._region.regulate(_audit)
        self.last_report = AuditReport(not findings, findings, records, deals, self._clock())
        return self.last_report

    def export(self, principal: Principal, day: int) -> str:
        """All deals of a delivery day as CSV, with who is behind them."""
        require(principal, Right.AUDIT)
        rows = (
            (
                deal.deal_id,
                deal.ask.period,
                type_name(deal.energy_type),
                deal.energy_wh,
                deal.price_ticks,
                deal.money,
                deal.state.name.lower(),
                deal.agreed_at,
                self._name(deal.seller),
                self._name(deal.buyer),
                order_text(deal.ask),
                order_text(deal.bid),
            )
            for deal in self._market.deals_on(day)
        )
        return csv_text(_EXPORT_COLUMNS, rows)

    async def _trace(self, principal: Principal, deal_id: int) -> Trace:
        require(principal, Right.AUDIT)
        if deal_id not in self._market.deals:
            raise NotFound(Message("the main chain has no deal {deal}", deal=deal_id))
        return await self._region.regulate(_trace, deal_id)

    def _name(self, trader: int) -> str:
        owner = self._directory.owners.get(trader)
        return owner.node_id if owner else Message("trader {number}", number=trader)


def _audit(region: Region) -> list[str]:
    return region.regulator.audit()


def _trace(region: Region, deal_id: int) -> Trace:
    return region.regulator.trace(deal_id)


def _party(party: PartyTrace) -> TraceParty:
    details, order, anchor = party.details, party.order, party.anchor
    return TraceParty(
        side=SideName(party.side.name.lower()),
        master=party.master,
        trader=party.placed.trader,
        order_id=order_text(party.placed.order_id),
        node_id=details.user_id if details else None,
        location=details.location if details else None,
        record_index=order.record.index if order else None,
        record_leaf=f"0x{order.record.leaf.hex()}" if order else None,
        anchor=AnchorView(
            party.master, anchor.first_block, anchor.last_block, anchor.leaf_count, f"0x{anchor.root.hex()}", 0
        )
        if anchor
        else None,
        steps=[TraceStep(step.title, step.holds, step.finding) for step in party.steps],
    )
