"""Settlement statements as files: CSV for programs, PDF for people."""

from __future__ import annotations

from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace
from matplotlib import get_data_path
from matplotlib.font_manager import findSystemFonts

from gridbourse.client.values import SideName, Statement, StatementLine
from gridbourse.console.csv_text import csv_text
from gridbourse.console.local_time import LocalTime, date_text
from gridbourse.console.translation import Translation
from gridbourse.errors import InvalidValue
from gridbourse.network.finding import Finding
from gridbourse.units import format_kwh, format_price, format_yuan

_CHINESE_FONTS = {
    "NotoSansCJK-Regular.ttc": 2,
    "NotoSansSC-Regular.otf": 0,
    "NotoSansSC-Regular.ttf": 0,
    "SourceHanSansSC-Regular.otf": 0,
    "wqy-zenhei.ttc": 0,
    "wqy-microhei.ttc": 0,
    "simhei.ttf": 0,
}
"""Files of fonts that have Chinese glyphs, and which of the fonts in them is the one for simplified Chinese."""
_COLUMNS = (
    "node",
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
MAX_PDF_LINES = 2_000
NODES_NAMED = 8


def statement_csv(statement: Statement, local: LocalTime) -> bytes:
    """A statement as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need; amounts are exact."""
    return csv_text(
        _COLUMNS,
        (
            (
                line.node_id,
                line.item,
                line.deal_id,
                local.begins(line.period),
                line.side,
                line.energy_type,
                format_kwh(line.energy_wh),
                format_price(line.price_ticks),
                *_paid_and_received(line),
            )
            for line in statement.lines
        ),
    ).encode("utf-8-sig")


def statement_pdf(statement: Statement, region: str, local: LocalTime, t: Translation) -> bytes:
    """A statement as PDF, A4.

    In Chinese if the machine has a font for it; else in English.

    Raises
    ------
    InvalidValue
        It has more than `MAX_PDF_LINES` lines.
    """
    if len(statement.lines) > MAX_PDF_LINES:
        remedy = Finding("one of them, or take CSV: a PDF has at most {most} lines", most=MAX_PDF_LINES)
        raise InvalidValue("node_id", None, remedy)
    chinese = _chinese_font()
    if t.language == "zh" and chinese is None:
        t = t.in_english()
    pdf = FPDF(format="A4")
    pdf.set_title(f"{t('statement.title')} {date_text(statement.day)}")
    pdf.add_font("text", fname=_latin_font())
    if chinese:
        pdf.add_font("chinese", fname=chinese, collection_font_number=_CHINESE_FONTS[chinese.name])
        pdf.set_fallback_fonts(["chinese"])
    pdf.add_page()
    pdf.set_font("text", size=17)
    pdf.cell(text=f"{t('statement.title')} {date_text(statement.day)}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("text", size=9)
    times = f"{local.day_span(statement.day)}, {local.name}"
    pdf.ln(2)
    _write_text(pdf, f"{region}. {times}.")
    _write_text(pdf, t("statement.lead"))
    pdf.ln(4)
    _write_lines(pdf, statement, local, t)
    pdf.ln(4)
    for note in statement_notes(statement, t):
        _write_text(pdf, note)
    return bytes(pdf.output())


def statement_notes(statement: Statement, t: Translation) -> list[str]:
    """What the reader of a statement must know about what is not in it yet."""
    notes = []
    if statement.unsettled_nodes:
        named = statement.unsettled_nodes[:NODES_NAMED]
        more = ["…"] if len(statement.unsettled_nodes) > NODES_NAMED else []
        notes.append(t("statement.unsettled", nodes=t("list.comma").join([*named, *more])))
    if statement.open_periods:
        notes.append(t("statement.open", count=statement.open_periods))
    return notes


def _write_text(pdf: FPDF, text: str) -> None:
    pdf.multi_cell(0, h=5, text=text, align="LEFT", new_x="LMARGIN", new_y="NEXT")


def _write_lines(pdf: FPDF, statement: Statement, local: LocalTime, t: Translation) -> None:
    pdf.set_font("text", size=8)
    heading = FontFace(emphasis=TextEmphasis.NONE, color=(81, 97, 107))
    headings = ("statement.item", "energy.node", "col.period", "market.side", "col.type")
    amounts = (
        ("col.energy", "unit.energy"),
        ("col.price", "unit.price"),
        ("statement.paid", "unit.money"),
        ("statement.received", "unit.money"),
    )
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=heading,
        col_widths=(20, 25, 29, 9, 13, 17, 18, 25, 25),
        text_align=("LEFT",) * 5 + ("RIGHT",) * 4,
        line_height=6,
    ) as table:
        table.row([*(t(key) for key in headings), *(f"{t(key)} {t(unit)}" for key, unit in amounts)])
        for line in statement.lines:
            table.row(
                [
                    f"{t(f'item.{line.item}')} {line.deal_id or ''}".rstrip(),
                    line.node_id,
                    local.span(line.period),
                    t(f"side.{line.side}"),
                    t(f"type.{line.energy_type}") if line.energy_type else "",
                    format_kwh(line.energy_wh),
                    format_price(line.price_ticks),
                    *_paid_and_received(line),
                ]
            )
        paid, received = format_yuan(statement.paid), format_yuan(statement.received)
        table.row([t("statement.total"), "", "", "", "", "", "", paid, received])
    pdf.set_font("text", size=9)


def _paid_and_received(line: StatementLine) -> tuple[str, str]:
    amount = format_yuan(line.money)
    return (amount, "") if line.side is SideName.BID else ("", amount)


def _latin_font() -> Path:
    return Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def _chinese_font() -> Path | None:
    """A font of this machine that has Chinese glyphs; None if there is none."""
    found = {path.name: path for path in map(Path, findSystemFonts())}
    return next((found[name] for name in _CHINESE_FONTS if name in found), None)
