"""Monthly statements as PDF, for people. Loading this takes as long as loading half of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace

from gridbourse.api.billing_schema import MonthStatement
from gridbourse.errors import InvalidValue
from gridbourse.region.shown_names import ShownNames
from gridbourse.service.billing.month_text import month_notes
from gridbourse.service.use_cases.statement_pdf import document, write_text
from gridbourse.text import Language, Message, Translation
from gridbourse.units import format_kwh, format_yuan

MAX_PDF_STATEMENTS = 100


def months_pdf(statements: Sequence[MonthStatement], names: Mapping[Language, ShownNames], t: Translation) -> bytes:
    """Statements as PDF, A4, each on pages of its own; in Chinese if the machine has a font for it, else in English.

    Parameters
    ----------
    statements
        What they say.
    names
        What the region and its nodes are called, by language.
    t
        The texts in the language that is wanted.

    Raises
    ------
    InvalidValue
        They are more than `MAX_PDF_STATEMENTS`.
    """
    if len(statements) > MAX_PDF_STATEMENTS:
        remedy = Message("one of them, or take CSV: a PDF has at most {most} statements", most=MAX_PDF_STATEMENTS)
        raise InvalidValue("node_id", None, remedy)
    pdf, t = document(t("month.title"), t)
    called = names[t.language]
    for own in statements:
        pdf.add_page()
        pdf.set_font("text", size=17)
        pdf.cell(text=f"{t('month.title')} {own.month}", new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("text", size=9)
        pdf.ln(3)
        write_text(pdf, f"{called.region}: {called.node(own.node_id)}")
        for note in month_notes(own, t):
            write_text(pdf, note)
        pdf.ln(4)
        _write_lines(pdf, own, t)
    if not statements:
        pdf.add_page()
        pdf.set_font("text", size=9)
        write_text(pdf, t("month.empty"))
    return bytes(pdf.output())


def _write_lines(pdf: FPDF, own: MonthStatement, t: Translation) -> None:
    heading = FontFace(emphasis=TextEmphasis.NONE, color=(81, 97, 107))
    amounts = (("col.energy", "unit.energy"), ("statement.paid", "unit.money"), ("statement.received", "unit.money"))
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=heading,
        col_widths=(70, 30, 40, 40),
        text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT"),
        line_height=6,
    ) as table:
        table.row([t("statement.item"), *(f"{t(key)} {t(unit)}" for key, unit in amounts)])
        for line in own.lines:
            moneys = [format_yuan(money) if money else "" for money in (line.paid, line.received)]
            table.row([t(f"month_item.{line.item}"), format_kwh(line.energy_wh), *moneys])
        table.row([t("statement.total"), "", format_yuan(own.paid), format_yuan(own.received)])
