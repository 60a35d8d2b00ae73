"""`gridbourse capacity`: from the transfer capacity of a delivery period to the schedules behind it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.node.region import Region
from gridbourse.regulator.capacity_audit import CapacityTrace
from gridbourse.text import say
from gridbourse.units import PERIOD_SECONDS, format_kwh


@click.command()
@click.argument("time")
@click.argument("from_zone")
@click.argument("to_zone")
@click.option("--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region.")
def capacity(time: str, from_zone: str, to_zone: str, region: Path) -> None:
    """Walk from a transfer capacity to the schedules behind it, as the regulator.

    TIME is a moment of the delivery period, as 2026-06-01T12:15.

    Exit code 2 if something of it is wrong.
    """
    with Region.open(region) as opened:
        period = opened.calendar.moment(time) // PERIOD_SECONDS
        traced = opened.regulator.trace_capacity(period, from_zone, to_zone)
        delivery = opened.calendar.dated_span(period)
    click.echo(f"{from_zone} to {to_zone}, {delivery}: {format_kwh(traced.capacity_wh)} kWh")
    _show_capacity(Console(), traced)
    for finding in traced.findings:
        click.secho(say(finding, "en"), fg="red")
    if traced.findings:
        sys.exit(2)
    click.secho("Every sum is that of the records it names.", fg="green")


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
