"""`gridbourse index`: the database of all that the chains of a region hold."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gridbourse.errors import IndexUnavailable, InvalidValue
from gridbourse.index.database import Database
from gridbourse.index.queries.reader import IndexReader
from gridbourse.node.region import Region
from gridbourse.region.layout import DESCRIPTION_FILE

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group()
def index() -> None:
    """Look after the index of a region, which follows from its chains."""


@index.command()
@click.argument("folder", type=FOLDER)
def rebuild(folder: Path) -> None:
    """Forget the index of the region in FOLDER, which nobody runs meanwhile, and write it again from its chains."""
    columns = TextColumn("blocks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Region.open(folder) as region, Progress(*columns, console=Console(stderr=True)) as progress:
        region.forget_index()
        task = progress.add_task("blocks", total=region.blocks_to_index())
        region.catch_up(lambda count: progress.advance(task, count))
    _show(Database.of(folder))


@index.command()
@click.argument("folder", type=FOLDER)
def status(folder: Path) -> None:
    """Show where the index of the region in FOLDER lies, and what it holds, also while the region is running."""
    if not (folder / DESCRIPTION_FILE).exists():
        raise InvalidValue("folder", str(folder), "a folder that `gridbourse region init` made")
    _show(Database.of(folder))


def _show(database: Database) -> None:
    reader, console = IndexReader(database), Console()
    try:
        heads = reader.chains.heads()
    except IndexUnavailable as error:
        raise InvalidValue("index", database.name, "one that is built: run the region, or rebuild it") from error
    console.print(f"{database.name}, change {reader.sequence()}")
    table = Table()
    for column in ("chain", "block", "records"):
        table.add_column(column, justify="left" if column == "chain" else "right")
    for name, chain in sorted(heads.items()):
        table.add_row(name, str(chain.head.height), str(chain.record_count))
    console.print(table)
    console.print(f"{reader.orders.placed_count()} orders, {reader.trades.count()} trades")
