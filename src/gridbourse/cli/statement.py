"""`gridbourse statement` and `gridbourse capacity`: what a user's day comes to, and what lines were free for it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.network.duty_audit import CapacityTrace
from gridbourse.network.finding import say
from gridbourse.network.region import Region
from gridbourse.network.statements import statement_of
from gridbourse.settlement.statement import Statement, StatementLine
from gridbourse.units import (
    MONEY_UNITS_PER_YUAN,
    PERIODS_PER_DAY,
    WH_PER_KWH,
    format_kwh,
    format_price,
    format_yuan,
    period_at,
    period_start,
)

DAY = click.DateTime(formats=["%Y-%m-%d"])
REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)

COLUMNS = (
    "delivery_from",
    "bought_kwh",
    "paid_yuan",
    "sold_kwh",
    "received_yuan",
    "metered_kwh",
    "imbalance_kwh",
    "imbalance_price_yuan_per_kwh",
    "imbalance_yuan",
    "total_yuan",
)
"""Of the CSV file; `metered` is fed in less drawn, money is what the user gets, negative for what it pays."""


@click.command()
@click.argument("user")
@click.option("--day", type=DAY, required=True, metavar="YYYY-MM-DD", help="Delivery day.")
@REGION
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write CSV there.")
def statement(user: str, day: datetime, region: Path, csv_file: Path | None) -> None:
    """Show what USER traded and metered on a day, and who pays what to whom."""
    with Region.open(region) as opened:
        found = statement_of(opened, user, period_at(day.replace(tzinfo=UTC)) // PERIODS_PER_DAY)
    _show_statement(Console(), found, day.date())
    if csv_file:
        with csv_file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(map(_row, found.lines))


@click.command()
@click.argument("moment", type=click.DateTime(formats=["%Y-%m-%dT%H:%M"]), metavar="YYYY-MM-DDTHH:MM")
@click.argument("from_zone")
@click.argument("to_zone")
@REGION
def capacity(moment: datetime, from_zone: str, to_zone: str, region: Path) -> None:
    """Walk from the transfer capacity of a delivery period to the schedules behind it, as the regulator.

    Exit code 2 if something of it is wrong.
    """
    with Region.open(region) as opened:
        traced = opened.regulator.trace_capacity(period_at(moment.replace(tzinfo=UTC)), from_zone, to_zone)
    click.echo(f"{from_zone} to {to_zone}, {moment:%Y-%m-%d %H:%M} UTC: {format_kwh(traced.capacity_wh)} kWh")
    _show_capacity(Console(), traced)
    for finding in traced.findings:
        click.secho(say(finding, "en"), fg="red")
    if traced.findings:
        sys.exit(2)
    click.secho("Every sum is that of the records it names.", fg="green")


def _row(line: StatementLine) -> Sequence[str]:
    traded = line.traded
    return (
        f"{period_start(line.period):%Y-%m-%d %H:%M}",
        format_kwh(traded.bought_wh),
        format_yuan(traded.paid),
        format_kwh(traded.sold_wh),
        format_yuan(traded.received),
        "" if line.metered_wh is None else format_kwh(line.metered_wh),
        "" if line.imbalance_wh is None else format_kwh(line.imbalance_wh),
        format_price(line.price_ticks),
        format_yuan(line.imbalance_money),
        format_yuan(line.money),
    )


def _show_statement(console: Console, found: Statement, day: date) -> None:
    table = Table(
        title=f"{escape(found.user_id)}, {day:%Y-%m-%d}: kWh, yuan; money is what the user gets", title_justify="left"
    )
    headings = ("from", "bought", "paid", "sold", "received", "metered", "imbalance", "price", "for it", "total")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "from" else "right")
    for line in found.lines:
        moment, *numbers = _row(line)
        table.add_row(moment[11:], *(number or "open" for number in numbers))
    console.print(table)
    totals = found.totals
    lines = [
        ("bought from other users", totals.bought_wh, -totals.paid),
        ("sold to other users", totals.sold_wh, totals.received),
        (
            "short: drew more or fed in less than traded, pays the settlement agent",
            totals.short_wh,
            -totals.short_money,
        ),
        ("long: fed in more or drew less than traded, paid by the settlement agent", totals.long_wh, totals.long_money),
    ]
    for text, energy_wh, money in lines:
        console.print(f"{text}: {_kwh(energy_wh)}, {_yuan(money)}")
    console.print(f"metered: {_kwh(totals.fed_in_wh)} fed in, {_kwh(totals.drawn_wh)} drawn")
    if totals.open_periods:
        console.print(f"[yellow]{totals.open_periods} periods are open: a reading is missing or in doubt[/yellow]")
    console.print(
        f"[bold]on balance the user {'gets' if totals.money >= 0 else 'pays'} {_yuan(abs(totals.money))}[/bold]"
    )


def _show_capacity(console: Console, traced: CapacityTrace) -> None:
    table = Table(title_justify="left", title=f"{traced.capacity.place}, by {traced.capacity.details.user_id}")
    for column in ("nomination", "zone", "fed in, kWh", "drawn, kWh", "schedules in it"):
        table.add_column(column, overflow="fold")
    for nomination, schedules in traced.nominations:
        table.add_row(
            str(nomination.place),
            nomination.details.zone,
            ", ".join(map(format_kwh, nomination.details.delivered_wh)),
            ", ".join(map(format_kwh, nomination.details.drawn_wh)),
            escape(", ".join(schedule.details.user_id for schedule in schedules)) or "–",
        )
    console.print(table)


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh / WH_PER_KWH:,.3f} kWh"


def _yuan(money: int) -> str:
    return f"{money / MONEY_UNITS_PER_YUAN:,.2f} yuan"
