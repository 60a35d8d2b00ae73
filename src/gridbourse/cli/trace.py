"""`gridbourse trace` and `gridbourse audit`: what the regulator does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.network.region import Region
from gridbourse.network.regulator import Trace
from gridbourse.network.trace_export import trace_document, trace_page

REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)


@click.command()
@click.argument("deal", type=click.IntRange(min=1))
@REGION
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write JSON there.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page there.")
def trace(deal: int, region: Path, json_file: Path | None, html: Path | None) -> None:
    """Walk from DEAL to the proof of every detail behind it. Exit code 2 if a step does not hold."""
    with Region.open(region) as opened:
        traced = opened.regulator.trace(deal)
    _show(Console(), traced)
    if json_file:
        json_file.write_text(json.dumps(trace_document(traced), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if html:
        html.write_text(trace_page(traced), "utf-8")
    if not traced.holds:
        sys.exit(2)


@click.command()
@REGION
def audit(region: Path) -> None:
    """Check every record of every chain of the region. Exit code 2 if anything is wrong."""
    with Region.open(region) as opened:
        findings = opened.regulator.audit()
    for finding in findings:
        click.secho(finding, fg="red")
    if findings:
        sys.exit(2)
    click.secho("Every record is where, what and whose it has to be.", fg="green")


def _show(console: Console, traced: Trace) -> None:
    for party in traced.parties:
        table = Table(title=f"Deal {traced.deal_id}, {party.side.name.lower()}", title_justify="left")
        for column in ("step", "verdict", "finding"):
            table.add_column(column, overflow="fold")
        for step in party.steps:
            verdict = "[green]holds[/green]" if step.holds else "[red]does not hold[/red]"
            table.add_row(step.title, verdict, escape(step.finding))
        console.print(table)
    console.print("[green]Every step holds.[/green]" if traced.holds else "[red]Not every step holds.[/red]")
