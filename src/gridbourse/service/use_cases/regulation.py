"""What the regulator does: it traces deals, checks whole chains, and exports what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from gridbourse.api.chain_schema import AuditReport, TraceView
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import NotFound
from gridbourse.files.writing import csv_text
from gridbourse.index.naming import order_text
from gridbourse.index.queries.reader import IndexReader
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.codec import decode, encode
from gridbourse.node.commands.requests import TraceReport
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.rights import Principal, Right, require
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
    index
        The index.
    calendar
        The region's delivery days.
    store
        Keeps reports.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        node: NodeClient,
        index: IndexReader,
        calendar: DeliveryCalendar,
        store: ServiceStore,
        clock: Callable[[], int],
    ) -> None:
        self._node = node
        self._index = index
        self._calendar = calendar
        self._store = store
        self._clock = clock

    @property
    def last_report(self) -> AuditReport | None:
        """What the last audit found, whichever web server asked for it."""
        row = self._store.row("SELECT report FROM audit_reports ORDER BY checked_at DESC LIMIT 1")
        report: AuditReport | None = decode(AuditReport, json.loads(row["report"])) if row else None
        return report

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
        records = sum(chain.record_count for chain in self._index.chains.heads().values())
        deals = self._index.trades.count()
        findings = await self._node.ask(requests.Audit())
        report = AuditReport(not findings, findings, records, deals, self._clock())
        stated = json.dumps(encode(AuditReport, report))
        self._store.change("INSERT OR REPLACE INTO audit_reports VALUES (?, ?)", report.checked_at, stated)
        return report

    def export(self, principal: Principal, day: int) -> str:
        """All deals of a delivery day as CSV, with who is behind them, in local time."""
        require(principal, Right.AUDIT)
        rows = (
            (
                entry.trade.deal_id,
                self._calendar.begins(entry.trade.period),
                entry.trade.energy_type,
                format_kwh(entry.trade.energy_wh),
                format_price(entry.trade.price_ticks),
                format_yuan(entry.trade.money),
                entry.trade.status,
                self._calendar.at(entry.trade.agreed_at).isoformat(),
                self._name(entry.seller),
                self._name(entry.buyer),
                order_text(entry.ask),
                order_text(entry.bid),
            )
            for entry in self._index.trades.entries(self._calendar.periods(day))
        )
        return csv_text(_EXPORT_COLUMNS, rows)

    async def _trace(self, principal: Principal, deal_id: int, language: Language = "en") -> TraceReport:
        require(principal, Right.AUDIT)
        if self._index.trades.trade(deal_id) is None:
            raise NotFound(Message("the main chain has no deal {deal}", deal=deal_id))
        traced: TraceReport = await self._node.ask(requests.TraceTrade(deal_id, language))
        return traced

    def _name(self, trader: int) -> str:
        owner = self._index.participants.owner(trader)
        return owner.node_id if owner else Message("trader {number}", number=trader)
