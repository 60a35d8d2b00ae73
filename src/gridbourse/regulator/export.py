"""A trace as JSON for programs and as a page for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from gridbourse.api.chain_schema import AnchorView, TraceParty, TraceStep, TraceView
from gridbourse.api.schema import DealStatus, SideName
from gridbourse.market.types import Side
from gridbourse.regulator.trace import PartyTrace, Trace
from gridbourse.text import Language, Translation, read_translation, say
from gridbourse.units import format_kwh, format_price, format_yuan

PARTY = {Side.ASK: "seller", Side.BID: "buyer"}
_HASH = re.compile(r"\b(?:0x)?[0-9a-f]{15,}\b")

_STYLE = """
:root { color-scheme: light dark; --good: light-dark(#00603f, #6fd3a5); --bad: light-dark(#b00020, #ff8a9a);
        --line: light-dark(#ddd, #444); --soft: light-dark(#666, #aaa); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; margin-bottom: .3rem; }
h1 + p, h2 + p { margin-top: 0; color: var(--soft); }
.parties { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 3rem; }
ol { list-style: none; padding: 0; }
ol li { position: relative; padding: .5rem 0 .5rem 2rem; border-top: 1px solid var(--line); }
ol li::before { position: absolute; left: .2rem; font-weight: 700; content: "✓"; color: var(--good); }
li.fails::before { content: "✗"; color: var(--bad); }
li p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
li.fails p { color: inherit; }
code { font-size: .85em; }
.holds { color: var(--good); }
.fails > strong, h1 .fails { color: var(--bad); }
.faults { border: 2px solid var(--bad); border-radius: .4rem; padding: 0 1rem; }
@media print { li { break-inside: avoid; } }
"""


def trace_document(trace: Trace) -> dict[str, Any]:
    """Everything the walk found, as a value that JSON can hold; bytes are written in hexadecimal."""
    deal = trace.deal
    return {
        "deal": trace.deal_id,
        "holds": trace.holds,
        "state": deal.state.name.lower(),
        "period": deal.ask.period,
        "delivery": trace.delivery,
        "energy_wh": deal.energy_wh,
        "price_ticks": deal.price_ticks,
        "money_1e-7_yuan": deal.money,
        "parties": {PARTY[party.side]: _party_document(party) for party in trace.parties},
    }


def trace_view(trace: Trace) -> TraceView:
    """The walk as the service's API shows it."""
    deal = trace.deal
    return TraceView(
        deal_id=trace.deal_id,
        holds=trace.holds,
        status=DealStatus(deal.state.name.lower()),
        period=deal.ask.period,
        energy_wh=deal.energy_wh,
        price_ticks=deal.price_ticks,
        money=deal.money,
        parties=[_party_view(party) for party in trace.parties],
    )


def trace_page(trace: Trace, language: Language = "en") -> str:
    """A self-contained HTML page of the walk."""
    return "\n".join(_page_lines(trace, language))


def _party_view(party: PartyTrace) -> TraceParty:
    details, order, anchor = party.details, party.order, party.anchor
    return TraceParty(
        side=SideName(party.side.name.lower()),
        master=party.master,
        trader=party.placed.trader,
        order_id=f"{party.placed.order_id.pack():016x}",
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


def _party_document(party: PartyTrace) -> dict[str, Any]:
    details, order, anchor = party.details, party.order, party.anchor
    return {
        "master": party.master,
        "trader": party.placed.trader,
        "order": f"{party.placed.order_id.pack():x}",
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


def _page_lines(trace: Trace, language: Language) -> Iterator[str]:
    t = read_translation(language)
    verdict = "holds" if trace.holds else "fails"
    title, colon = t("trace.deal", number=trace.deal_id), t("trace.colon")
    yield f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>{title}</title><style>{_STYLE}</style>"
    yield f'<h1>{title}{colon}<span class="{verdict}">{t(f"trace.{verdict}")}</span></h1>'
    yield f"<p>{_summary(trace, t)}</p>"
    if not trace.holds:
        yield f'<div class="faults"><h2>{t("trace.faults")}</h2><ul>'
        for party in trace.parties:
            for number, step in enumerate(party.steps, start=1):
                if not step.holds:
                    fault = t("trace.fault", party=t(f"trace.{PARTY[party.side]}"), number=number)
                    yield f"<li>{fault}{colon}{_text(step.finding, language)}</li>"
        yield "</ul></div>"
    yield '<div class="parties">'
    for party in trace.parties:
        yield from _party_lines(party, language)
    yield "</div></html>"


def _party_lines(party: PartyTrace, language: Language) -> Iterator[str]:
    t, details = read_translation(language), party.details
    who = t("trace.who", user=details.user_id, location=details.location) if details else ""
    yield f"<section><h2>{t(f'trace.{PARTY[party.side]}')}</h2>"
    yield f"<p>{escape(who + t('trace.slave_chain', name=party.master))}</p><ol>"
    for number, step in enumerate(party.steps, start=1):
        mark = "" if step.holds else ' class="fails"'
        title, finding = escape(say(step.title, language)), _text(step.finding, language)
        yield f"<li{mark}><strong>{number}. {title}</strong><p>{finding}</p></li>"
    yield "</ol></section>"


def _summary(trace: Trace, t: Translation) -> str:
    deal = trace.deal
    return t(
        "trace.summary",
        energy=format_kwh(deal.energy_wh),
        price=format_price(deal.price_ticks),
        money=format_yuan(deal.money),
        delivery=trace.delivery,
        state=t(f"trace.state.{deal.state.name.lower()}"),
    )


def _text(finding: str, language: Language) -> str:
    return _HASH.sub(lambda found: f"<code>{found[0]}</code>", escape(say(finding, language)))
