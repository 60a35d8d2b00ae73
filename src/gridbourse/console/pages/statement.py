"""Settlement statements: what a node paid and received for delivery on a day, as CSV and as PDF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace
from matplotlib import get_data_path
from matplotlib.font_manager import findSystemFonts

from gridbourse.client.values import Deal, SideName
from gridbourse.console.pages.formats import date_text, day_of, span
from gridbourse.console.pages.translation import Translation
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
    "deal",
    "node",
    "delivery_day",
    "period_utc",
    "side",
    "energy_type",
    "energy_kwh",
    "price_yuan_per_kwh",
    "paid_yuan",
    "received_yuan",
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Settled deals for delivery on one day."""

    day: int
    lines: tuple[Deal, ...]

    @property
    def paid(self) -> int:
        """What was paid, in 1e-7 yuan."""
        return sum(line.money for line in self.lines if line.side is SideName.BID)

    @property
    def received(self) -> int:
        """What was received, in 1e-7 yuan."""
        return sum(line.money for line in self.lines if line.side is SideName.ASK)


def statement_of(settled: Iterable[Deal], day: int) -> Statement:
    """The statement of a delivery day, by period and deal."""
    of_day = (deal for deal in settled if day_of(deal.period) == day)
    return Statement(day, tuple(sorted(of_day, key=lambda deal: (deal.period, deal.deal_id, deal.side))))


def statement_csv(statement: Statement) -> str:
    """A statement as CSV (RFC 4180); amounts are exact."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for line in statement.lines:
        amount = format_yuan(line.money)
        is_buyer = line.side is SideName.BID
        writer.writerow(
            (
                line.deal_id,
                _cell(line.node_id),
                date_text(statement.day),
                span(line.period),
                line.side,
                line.energy_type,
                format_kwh(line.energy_wh),
                format_price(line.price_ticks),
                amount if is_buyer else "",
                "" if is_buyer else amount,
            )
        )
    return file.getvalue()


def statement_pdf(statement: Statement, region: str, t: Translation) -> bytes:
    """A statement as PDF, A4.

    In Chinese if the machine has a font for it; else in English.
    """
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
    pdf.multi_cell(0, text=f"{region}. {t('statement.lead')}", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    _write_lines(pdf, statement, t)
    return bytes(pdf.output())


def _write_lines(pdf: FPDF, statement: Statement, t: Translation) -> None:
    heading = FontFace(emphasis=TextEmphasis.NONE, color=(81, 97, 107))
    headings = ("col.deal", "energy.node", "col.period", "market.side", "col.type")
    amounts = (
        ("col.energy", "unit.energy"),
        ("col.price", "unit.price"),
        ("statement.paid", "unit.money"),
        ("statement.received", "unit.money"),
    )
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=heading,
        col_widths=(10, 28, 20, 12, 14, 20, 20, 22, 22),
        text_align=("LEFT",) * 5 + ("RIGHT",) * 4,
        line_height=6,
    ) as table:
        table.row([*(t(key) for key in headings), *(f"{t(key)} {t(unit)}" for key, unit in amounts)])
        for line in statement.lines:
            is_buyer, amount = line.side is SideName.BID, format_yuan(line.money)
            table.row(
                [
                    str(line.deal_id),
                    line.node_id,
                    span(line.period),
                    t(f"side.{line.side}"),
                    t(f"type.{line.energy_type}"),
                    format_kwh(line.energy_wh),
                    format_price(line.price_ticks),
                    amount if is_buyer else "",
                    "" if is_buyer else amount,
                ]
            )
        paid, received = format_yuan(statement.paid), format_yuan(statement.received)
        table.row([t("statement.total"), "", "", "", "", "", "", paid, received])


def _latin_font() -> Path:
    return Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def _chinese_font() -> Path | None:
    """A font of this machine that has Chinese glyphs; None if there is none."""
    found = {path.name: path for path in map(Path, findSystemFonts())}
    return next((found[name] for name in _CHINESE_FONTS if name in found), None)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
