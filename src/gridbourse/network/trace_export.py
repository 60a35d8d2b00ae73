"""A trace as JSON for programs and as a page for people."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from gridbourse.market.types import Side
from gridbourse.network.regulator import PartyTrace, Trace
from gridbourse.units import format_kwh, format_price, format_yuan, period_start

_PARTY = {Side.ASK: "seller", Side.BID: "buyer"}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #ddd; }
td:last-child { overflow-wrap: anywhere; }
.holds { color: #00603f; font-weight: 600; white-space: nowrap; }
.fails { color: #b00020; font-weight: 600; white-space: nowrap; }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #161616; } td, th { border-color: #444; }
  .holds { color: #6fd3a5; } .fails { color: #ff8a9a; }
}
"""


def trace_document(trace: Trace) -> dict[str, Any]:
    """Everything the walk found, as a value that JSON can hold; bytes are written in hexadecimal."""
    deal = trace.deal
    return {
        "deal": trace.deal_id,
        "holds": trace.holds,
        "state": deal.state.name.lower(),
        "period": deal.ask.period,
        "energy_wh": deal.energy_wh,
        "price_ticks": deal.price_ticks,
        "money_1e-7_yuan": deal.money,
        "parties": {_PARTY[party.side]: _party_document(party) for party in trace.parties},
    }


def trace_page(trace: Trace) -> str:
    """A self-contained HTML page of the walk."""
    return "\n".join(_page_lines(trace))


def _party_document(party: PartyTrace) -> dict[str, Any]:
    details, order, anchor = party.details, party.order, party.anchor
    return {
        "master": party.master,
        "user": details.user_id if details else None,
        "location": details.location if details else None,
        "record": {
            "index": order.record.index,
            "block": order.record.height,
            "leaf": order.record.leaf.hex(),
            "author": f"0x{order.record.author.hex()}",
            "transaction": f"0x{order.record.transaction_hash.hex()}",
        }
        if order
        else None,
        "anchor": {
            "first_block": anchor.first_block,
            "last_block": anchor.last_block,
            "leaf_count": anchor.leaf_count,
            "root": anchor.root.hex(),
        }
        if anchor
        else None,
        "steps": [{"title": step.title, "holds": step.holds, "finding": step.finding} for step in party.steps],
    }


def _page_lines(trace: Trace) -> Iterator[str]:
    deal = trace.deal
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>Deal {trace.deal_id}</title><style>{_STYLE}</style>"
    yield f"<h1>Deal {trace.deal_id}: {_verdict(holds=trace.holds)}</h1>"
    yield (
        f"<p>{format_kwh(deal.energy_wh)} kWh at {format_price(deal.price_ticks)} yuan/kWh, "
        f"{format_yuan(deal.money)} yuan, delivery from {period_start(deal.ask.period):%Y-%m-%d %H:%M} UTC, "
        f"{escape(deal.state.name.lower())}.</p>"
    )
    for party in trace.parties:
        details = party.details
        who = f": {escape(details.user_id)}, {escape(details.location)}" if details else ""
        yield f"<h2>{_PARTY[party.side].title()}{who}</h2><p>Slave chain of master {escape(party.master)}.</p>"
        yield "<table><tr><th>step</th><th>verdict</th><th>finding</th></tr>"
        for step in party.steps:
            cells = (escape(step.title), _verdict(holds=step.holds), escape(step.finding))
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        yield "</table>"
    yield "</html>"


def _verdict(*, holds: bool) -> str:
    return '<span class="holds">holds</span>' if holds else '<span class="fails">does not hold</span>'
