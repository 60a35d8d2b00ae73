"""`gridbourse statement` and `gridbourse metered`: what a node's day comes to, and what its meter counted."""

from __future__ import annotations

from pathlib import Path

import click

from gridbourse.api.schema import MeteredPeriod, SideName, Statement, StatementLine
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, LANGUAGE, Columns, kwh, period, price, read_day, show, show_one, yuan
from gridbourse.client import orders
from gridbourse.text import Language

_LINES: Columns[StatementLine] = {
    "item": lambda line: f"{line.item} {line.deal_id or ''}".rstrip(),
    "delivery": lambda line: period(line.period),
    "side": lambda line: line.side,
    "type": lambda line: line.energy_type,
    "kWh": lambda line: kwh(line.energy_wh),
    "yuan/kWh": lambda line: price(line.price_ticks),
    "paid yuan": lambda line: yuan(line.money) if line.side is SideName.BID else "",
    "received yuan": lambda line: yuan(line.money) if line.side is SideName.ASK else "",
}
_METERED: Columns[MeteredPeriod] = {
    "node": lambda one: one.node_id,
    "delivery": lambda one: period(one.period),
    "fed in": lambda one: _or_open(one.fed_in_wh),
    "drawn": lambda one: _or_open(one.drawn_wh),
    "sold": lambda one: kwh(one.sold_wh),
    "bought": lambda one: kwh(one.bought_wh),
    "imbalance kWh": lambda one: _or_open(one.imbalance_wh),
    "yuan/kWh": lambda one: price(one.price_ticks),
    "yuan": lambda one: yuan(one.imbalance_money),
}


NODE = click.argument("node", required=False)
DAY = click.option(
    "--day",
    required=True,
    callback=read_day,
    metavar="YYYY-MM-DD",
    help="Delivery day, by the region's calendar.",
)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@NODE
@DAY
@click.option("--csv", "csv_file", type=_FILE, help="Also write it there as CSV, in the region's local time.")
@click.option("--pdf", "pdf_file", type=_FILE, help="Also write it there as PDF.")
@LANGUAGE
@AS_JSON
@connected
def statement(
    connection: Connection,
    node: str | None,
    day: int,
    csv_file: Path | None,
    pdf_file: Path | None,
    language: Language,
    *,
    as_json: bool,
) -> None:
    """Show what NODE, or all nodes that are yours, paid and received for delivery on a day: deals and imbalances."""
    found = connection.send(orders.statement(day, node_id=node))
    if not as_json:
        named: Columns[StatementLine] = {
            "node": lambda line: found.display_names[line.node_id].read(language, line.node_id)
        }
        show(found.lines, {**named, **_LINES}, times=RegionTimes(connection), as_json=False)
    show_one(found, _sums(found), times=RegionTimes(connection), as_json=as_json)
    if csv_file:
        csv_file.write_bytes(connection.send(orders.statement_csv(day, node_id=node, language=language)))
    if pdf_file:
        pdf_file.write_bytes(connection.send(orders.statement_pdf(day, node_id=node, language=language)))


@click.command()
@NODE
@DAY
@AS_JSON
@connected
def metered(connection: Connection, node: str | None, day: int, *, as_json: bool) -> None:
    """Show what the meter of NODE, or of all nodes that are yours, counted on a settled day, beside what was traded."""
    show(connection.send(orders.metered(day, node_id=node)), _METERED, times=RegionTimes(connection), as_json=as_json)


def _sums(found: Statement) -> dict[str, object]:
    sums: dict[str, object] = {
        "paid": f"{yuan(found.paid)} yuan",
        "received": f"{yuan(found.received)} yuan",
        "on balance": f"{yuan(found.received - found.paid)} yuan",
    }
    if found.open_periods:
        sums["open periods"] = f"{found.open_periods}: a reading is missing or in doubt"
    if found.unsettled_nodes:
        sums["not settled yet"] = ", ".join(found.unsettled_nodes)
    return sums


def _or_open(energy_wh: int | None) -> str:
    return "open" if energy_wh is None else kwh(energy_wh)
