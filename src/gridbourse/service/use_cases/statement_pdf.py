"""Settlement statements as PDF, for people. Loading this takes as long as loading half of the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace
from matplotlib import get_data_path
from matplotlib.font_manager import findSystemFonts

from gridbourse.api.schema import Statement
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.errors import InvalidValue
from gridbourse.service.use_cases.statement_text import paid_and_received, shown_node, statement_notes
from gridbourse.text import Language, Message, Translation
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
MAX_PDF_LINES = 2_000


def statement_pdf(
    statement: Statement, regions: Mapping[Language, str], calendar: DeliveryCalendar, t: Translation
) -> bytes:
    """A statement as PDF, A4: in Chinese if the machine has a font for it; else in English.

    Parameters
    ----------
    statement
        What it says.
    regions
        What the region is called, by language.
    calendar
        The region's local time.
    t
        The texts in the language that is wanted.

    Raises
    ------
    InvalidValue
        It has more than `MAX_PDF_LINES` lines.
    """
    if len(statement.lines) > MAX_PDF_LINES:
        remedy = Message("one of them, or take CSV: a PDF has at most {most} lines", most=MAX_PDF_LINES)
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
    times = f"{date_text(statement.day)}, {calendar.time_zone}"
    pdf.ln(2)
    _write_text(pdf, f"{regions[t.language]}. {times}.")
    _write_text(pdf, t("statement.lead"))
    pdf.ln(4)
    _write_lines(pdf, statement, calendar, t)
    pdf.ln(4)
    for note in statement_notes(statement, t):
        _write_text(pdf, note)
    return bytes(pdf.output())


def _write_text(pdf: FPDF, text: str) -> None:
    pdf.multi_cell(0, h=5, text=text, align="LEFT", new_x="LMARGIN", new_y="NEXT")


def _write_lines(pdf: FPDF, statement: Statement, calendar: DeliveryCalendar, t: Translation) -> None:
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
                    shown_node(statement, line.node_id, t.language),
                    calendar.span(line.period),
                    t(f"side.{line.side}"),
                    t(f"type.{line.energy_type}") if line.energy_type else "",
                    format_kwh(line.energy_wh),
                    format_price(line.price_ticks),
                    *paid_and_received(line),
                ]
            )
        paid, received = format_yuan(statement.paid), format_yuan(statement.received)
        table.row([t("statement.total"), "", "", "", "", "", "", paid, received])
    pdf.set_font("text", size=9)


def _latin_font() -> Path:
    return Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def _chinese_font() -> Path | None:
    """A font of this machine that has Chinese glyphs; None if there is none."""
    found = {path.name: path for path in map(Path, findSystemFonts())}
    return next((found[name] for name in _CHINESE_FONTS if name in found), None)
