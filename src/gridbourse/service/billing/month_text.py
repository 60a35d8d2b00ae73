"""What monthly statements say: as CSV for programs, and what stands beside their lines."""

from __future__ import annotations

from collections.abc import Sequence

from gridbourse.api.billing_schema import MonthStatement
from gridbourse.files.writing import csv_text
from gridbourse.text import Translation
from gridbourse.units import format_kwh, format_yuan

_COLUMNS = (
    "number",
    "corrects",
    "month",
    "node",
    "item",
    "energy_kwh",
    "paid_yuan",
    "received_yuan",
    "rules",
    "leaf",
)


def months_csv(statements: Sequence[MonthStatement]) -> bytes:
    """Statements as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need; amounts are exact."""
    return csv_text(
        _COLUMNS,
        (
            (
                own.number,
                own.corrects,
                own.month,
                own.node_id,
                line.item,
                format_kwh(line.energy_wh),
                format_yuan(line.paid),
                format_yuan(line.received),
                " ".join(own.rules),
                own.leaf,
            )
            for own in statements
            for line in own.lines
        ),
    ).encode()


def month_notes(own: MonthStatement, t: Translation) -> list[str]:
    """What stands beside the lines of a statement."""
    notes = [t("month.number", number=own.number)]
    if own.corrects:
        notes.append(t("month.corrects", number=own.corrects))
    notes.append(t("month.rules", rules=", ".join(own.rules)) if own.rules else t("month.no_rules"))
    if own.compared_wh:
        notes.append(
            t(
                "month.saving",
                energy=format_kwh(own.compared_wh),
                delivered=format_yuan(own.delivered),
                retail=format_yuan(own.retail),
                saved=format_yuan(own.retail - own.delivered),
            )
        )
    if own.open_periods:
        notes.append(t("month.open", count=own.open_periods))
    notes += [t("month.gap", gap=gap) for gap in own.gaps]
    return [*notes, t("month.record", master=own.master, record=own.record, leaf=own.leaf)]
