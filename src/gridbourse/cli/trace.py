"""`gridbourse trace` and `gridbourse audit`: what the regulator does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.cli.output import LANGUAGE
from gridbourse.node.region import Region
from gridbourse.regulator.export import PARTY, trace_document, trace_page
from gridbourse.regulator.trace import Trace
from gridbourse.text import Language, read_translation, say

REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)


@click.command()
@click.argument("deal", type=click.IntRange(min=1))
@REGION
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write JSON there.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page there.")
@LANGUAGE
def trace(deal: int, region: Path, json_file: Path | None, html: Path | None, language: Language) -> None:
    """Walk from DEAL to the proof of every detail behind it. Exit code 2 if a step does not hold."""
    with Region.open(region) as opened:
        traced = opened.regulator.trace(deal)
    _show(Console(), traced, language)
    if json_file:
        json_file.write_text(json.dumps(trace_document(traced), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if html:
        html.write_text(trace_page(traced, language), "utf-8")
    if not traced.holds:
        sys.exit(2)


@click.command()
@REGION
@LANGUAGE
def audit(region: Path, language: Language) -> None:
    """Check every record of every chain of the region. Exit code 2 if anything is wrong."""
    with Region.open(region) as opened:
        findings = opened.regulator.audit()
    for finding in findings:
        click.secho(say(finding, language), fg="red")
    if findings:
        sys.exit(2)
    click.secho(read_translation(language)("trace.sound"), fg="green")


def _show(console: Console, traced: Trace, language: Language) -> None:
    t = read_translation(language)
    for party in traced.parties:
        title = f"{t('trace.deal', number=traced.deal_id)}{t('trace.colon')}{t(f'trace.{PARTY[party.side]}')}"
        table = Table(title=title, title_justify="left")
        for column in ("step", "verdict", "finding"):
            table.add_column(t(f"trace.column.{column}"), overflow="fold")
        for step in party.steps:
            verdict = f"[green]{t('trace.step_holds')}[/green]" if step.holds else f"[red]{t('trace.fails')}[/red]"
            table.add_row(say(step.title, language), verdict, escape(say(step.finding, language)))
        console.print(table)
    console.print(f"[green]{t('trace.all_hold')}[/green]" if traced.holds else f"[red]{t('trace.not_all_hold')}[/red]")
