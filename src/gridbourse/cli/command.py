"""`gridbourse command`: what a running node takes, for operators and scripts."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.errors import InvalidValue
from gridbourse.node.commands.client import ask_once
from gridbourse.node.commands.codec import decode, read_line
from gridbourse.node.commands.requests import COMMANDS
from gridbourse.node.commands.table import described
from gridbourse.region.layout import SOCKET_FILE


@click.command()
@click.argument("name", required=False)
@click.option("--list", "is_listing", is_flag=True, help="Show every command with its fields.")
@click.option("--json", "fields", default="{}", help="The command's fields, an object.")
@click.option(
    "--region",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the region whose node is running.",
)
def command(name: str | None, *, is_listing: bool, fields: str, region: Path | None) -> None:
    """Send the command NAME to the node of a region, and show its answer as JSON.

    Whoever may open FOLDER/node.sock acts as the node's operator: there are no rights to ask for. What a function node
    is to have signed it signs elsewhere (`gridbourse order`); the node takes signed records only.
    """
    if is_listing:
        _list()
        return
    kind = COMMANDS.get(name or "")
    if kind is None:
        raise InvalidValue("NAME", name, f"one of {', '.join(COMMANDS)}")
    if region is None:
        raise InvalidValue("--region", None, "the folder of a region whose node is running")
    wanted = decode(kind, read_line(fields.encode()))
    click.echo(json.dumps(ask_once(region / SOCKET_FILE, wanted), indent=2, ensure_ascii=False))


def _list() -> None:
    table = Table("command", "fields", "what it does")
    for own in described():
        table.add_row(own.name, escape("\n".join(f"{field}: {text}" for field, text in own.fields.items())), own.text)
    Console().print(table)
