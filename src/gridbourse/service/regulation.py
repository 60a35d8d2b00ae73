"""What the regulator does: it traces deals, checks whole chains, and exports what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gridbourse.api.chain_schema import AnchorView, AuditReport, TraceParty, TraceStep, TraceView
from gridbourse.api.schema import DealStatus, SideName
from gridbourse.errors import NotFound
from gridbourse.index.naming import order_text
from gridbourse.index.reader import IndexReader
from gridbourse.node.node import Region
from gridbourse.regulator.export import trace_document, trace_page
from gridbourse.regulator.trace import PartyTrace, Trace
from gridbourse.service.csv_text import csv_text
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Language, Message
from gridbourse.units import PERIODS_PER_DAY

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
    index
        The index.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        region: RegionProcess,
        index: IndexReader,
        clock: Callable[[], int],
    ) -> None:
        self._region = region
        self._index = index
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
        records = sum(chain.record_count for chain in self._index.chains.heads().values())
        deals = self._index.trades.count()
        findings = await self._region.regulate(_audit)
        self.last_report = AuditReport(not findings, findings, records, deals, self._clock())
        return self.last_report

    def export(self, principal: Principal, day: int) -> str:
        """All deals of a delivery day as CSV, with who is behind them."""
        require(principal, Right.AUDIT)
        periods = range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
        rows = (
            (
                entry.trade.deal_id,
                entry.trade.period,
                entry.trade.energy_type,
                entry.trade.energy_wh,
                entry.trade.price_ticks,
                entry.trade.money,
                entry.trade.status,
                entry.trade.agreed_at,
                self._name(entry.seller),
                self._name(entry.buyer),
                order_text(entry.ask),
                order_text(entry.bid),
            )
            for entry in self._index.trades.entries(periods)
        )
        return csv_text(_EXPORT_COLUMNS, rows)

    async def _trace(self, principal: Principal, deal_id: int) -> Trace:
        require(principal, Right.AUDIT)
        if self._index.trades.trade(deal_id) is None:
            raise NotFound(Message("the main chain has no deal {deal}", deal=deal_id))
        return await self._region.regulate(_trace, deal_id)

    def _name(self, trader: int) -> str:
        owner = self._index.participants.owner(trader)
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
