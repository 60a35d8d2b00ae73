"""`gridbourse month` and `gridbourse delivered`: what a month comes to, and what an offer costs at the meter."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from gridbourse.api.billing_schema import DeliveredPrice, MonthLine, MonthStatement, OfferPrice
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, kwh, show, show_one, yuan
from gridbourse.cli.statement import NODE
from gridbourse.client import billing
from gridbourse.errors import InvalidValue
from gridbourse.units import format_yuan, price_ticks

_MONTH = re.compile(r"(19[7-9][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)
_FILE = click.Path(path_type=Path, dir_okay=False)
_LINES: Columns[MonthLine] = {
    "item": lambda line: line.item.replace("_", " "),
    "kWh": lambda line: kwh(line.energy_wh),
    "paid yuan": lambda line: yuan(line.paid) if line.paid else "",
    "received yuan": lambda line: yuan(line.received) if line.received else "",
}


def month_given(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Refuse what is no month, in the words of the option. Raises `InvalidValue`."""
    if text is not None and not _MONTH.fullmatch(text):
        raise InvalidValue("--month", text, "a month like 2026-08")
    return text


@click.command()
@NODE
@click.option(
    "--month",
    "month_text",
    metavar="YYYY-MM",
    callback=month_given,
    help="By default the newest one that has statements.",
)
@click.option("--csv", "csv_file", type=_FILE, help="Also write it there as CSV.")
@click.option("--pdf", "pdf_file", type=_FILE, help="Also write it there as PDF.")
@click.option(
    "--lang", "language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the PDF."
)
@AS_JSON
@connected
def month(
    connection: Connection,
    node: str | None,
    month_text: str | None,
    csv_file: Path | None,
    pdf_file: Path | None,
    language: str,
    *,
    as_json: bool,
) -> None:
    """Show the monthly statement of NODE, or of all nodes that are yours, as their masters wrote it."""
    if month_text is None:
        known = connection.send(billing.months(node_id=node))
        if not known:
            click.echo("[]" if as_json else "There is no monthly statement yet.")
            return
        month_text = known[0].month
    found = connection.send(billing.month(month_text, node_id=node))
    if as_json:
        show(found, {}, as_json=True)
    else:
        for statement in found:
            _show(statement)
        if not found:
            click.echo(f"There is no statement of {month_text}.")
    if csv_file:
        csv_file.write_bytes(connection.send(billing.month_csv(month_text, node_id=node)))
    if pdf_file:
        pdf_file.write_bytes(connection.send(billing.month_pdf(month_text, node_id=node, language=language)))


@click.command()
@NODE
@click.option("--period", required=True, metavar="YYYY-MM-DDTHH:MM", help="When delivery begins, in local time.")
@click.option("--price", required=True, metavar="YUAN/KWH", help="Of the energy: that of the offer.")
@AS_JSON
@connected
def delivered(connection: Connection, node: str | None, period: str, price: str, *, as_json: bool) -> None:
    """Show what an offer costs at the meter of NODE, or at yours, part by part, beside the retail tariff."""
    number = RegionTimes(connection)().period_from(period)
    found = connection.send(billing.delivered_price(number, price_ticks(price), node_id=node))
    if as_json:
        show_one(found, {}, as_json=True)
        return
    prices = [*found.offers, found.retail]
    names = [(one.reach or "retail tariff").replace("_", " ") for one in prices]
    parts = [part.name for part in found.retail.parts]
    columns: Columns[tuple[str, DeliveredPrice]] = {
        "price": lambda row: row[0],
        **{name: _part(turn) for turn, name in enumerate(parts)},
        "yuan/kWh": lambda row: _microyuan(row[1].price_microyuan),
    }
    show(list(zip(names, prices, strict=True)), columns, as_json=False, title=f"{found.node_id}, {found.band} hours")
    _show_savings(found)


def _part(turn: int) -> Callable[[tuple[str, DeliveredPrice]], object]:
    return lambda row: _microyuan(row[1].parts[turn].price_microyuan)


def _show_savings(found: OfferPrice) -> None:
    for offer in found.offers:
        saved = found.retail.price_microyuan - offer.price_microyuan
        words = f"saves {_microyuan(saved)}" if saved >= 0 else f"costs {_microyuan(-saved)} more"
        click.echo(f"{str(offer.reach).replace('_', ' ')}: {words} yuan/kWh")
    click.echo(f"Rules {found.rules}")
    if found.unconfirmed:
        click.secho(f"Not confirmed by an operator: {', '.join(found.unconfirmed)}", fg="yellow")


def _show(statement: MonthStatement) -> None:
    title = f"{statement.node_id}, {statement.month}, number {statement.number}"
    if statement.corrects:
        title += f", in place of {statement.corrects}"
    show(statement.lines, _LINES, as_json=False, title=title)
    click.echo(f"on balance {format_yuan(statement.received - statement.paid)} yuan")
    if statement.compared_wh:
        saved = format_yuan(statement.retail - statement.delivered)
        delivered_yuan, retail = format_yuan(statement.delivered), format_yuan(statement.retail)
        click.echo(f"delivered {delivered_yuan} yuan, by the retail tariff {retail}: saved {saved} yuan")
    if statement.open_periods:
        click.echo(f"open periods: {statement.open_periods}, a reading is missing or in doubt")
    for gap in statement.gaps:
        click.secho(f"left out, for the rules have no value: {gap}", fg="yellow")
    click.echo(f"rules {', '.join(statement.rules) or 'none'}; record {statement.record} of {statement.master}")


def _microyuan(price: int) -> str:
    return f"{price / 1_000_000:.6f}"
