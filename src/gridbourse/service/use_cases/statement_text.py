"""What a settlement statement says: as CSV for programs, and what people must know besides."""

from __future__ import annotations

from gridbourse.api.schema import SideName, Statement, StatementLine
from gridbourse.delivery import DeliveryCalendar
from gridbourse.files.writing import csv_text
from gridbourse.text import Language, Translation
from gridbourse.units import format_kwh, format_price, format_yuan

_COLUMNS = (
    "node",
    "node_name",
    "item",
    "deal",
    "delivery_from",
    "side",
    "energy_type",
    "energy_kwh",
    "price_yuan_per_kwh",
    "paid_yuan",
    "received_yuan",
)
NODES_NAMED = 8


def statement_csv(statement: Statement, calendar: DeliveryCalendar, language: Language) -> bytes:
    """A statement as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need; amounts are exact."""
    return csv_text(
        _COLUMNS,
        (
            (
                line.node_id,
                shown_node(statement, line.node_id, language),
                line.item,
                line.deal_id,
                calendar.begins(line.period),
                line.side,
                line.energy_type,
                format_kwh(line.energy_wh),
                format_price(line.price_ticks),
                *paid_and_received(line),
            )
            for line in statement.lines
        ),
    ).encode()


def shown_node(statement: Statement, node_id: str, language: Language) -> str:
    """What a node of a statement is called."""
    return statement.display_names[node_id].read(language, node_id)


def statement_notes(statement: Statement, t: Translation) -> list[str]:
    """What the reader of a statement must know about what is not in it yet."""
    notes = []
    if statement.unsettled_nodes:
        named = [shown_node(statement, own, t.language) for own in statement.unsettled_nodes[:NODES_NAMED]]
        more = ["…"] if len(statement.unsettled_nodes) > NODES_NAMED else []
        notes.append(t("statement.unsettled", nodes=t("list.comma").join([*named, *more])))
    if statement.open_periods:
        notes.append(t("statement.open", count=statement.open_periods))
    return notes


def paid_and_received(line: StatementLine) -> tuple[str, str]:
    """The amount of a line in yuan, below what it is to its node; the other is empty."""
    amount = format_yuan(line.money)
    return (amount, "") if line.side is SideName.BID else ("", amount)
