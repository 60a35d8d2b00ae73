"""`gridbourse consortium`: the paper's market between four organisations, each with processes and keys of its own."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gridbourse.cli.demo import show_table, show_trades
from gridbourse.errors import ProofError
from gridbourse.experiments import paper_report
from gridbourse.experiments.consortium import Consortium, ConsortiumResult


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/consortium"),
    show_default=True,
    help="New folder, below which each organisation has its own, with its logs.",
)
def consortium(folder: Path) -> None:
    """Run the paper's market between four organisations and the regulator, as separate processes on this machine.

    Each has a folder with its own keys, a node of the main chain that CometBFT orders, and its own slave chain. It ends
    with Table 3 as every node tells it, and with the regulator's walk from every trade.
    """
    console, started = Console(), time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {what}", highlight=False)

    with Consortium(folder, say) as running:
        result = running.run()
    say("every process has ended")
    _show(console, result)


def _show(console: Console, result: ConsortiumResult) -> None:
    names = list(result.tables)
    first = result.tables[names[0]]
    different = [name for name in names if result.tables[name] != first]
    if different:
        raise ProofError(f"the nodes of {', '.join(different)} tell another table than that of {names[0]}")
    show_trades(console, result.trades)
    show_table(console, "Table 3: the market after", first)
    paper_report.check(first, result.trades)
    console.print(f"[green]The nodes of {', '.join(names)} tell the same table, which is the paper's Table 3.[/green]")
    table = Table(title="The regulator's walk from every trade", title_justify="left")
    for column in ("trade", "seller", "buyer", "steps", "verdict"):
        table.add_column(column)
    for trace in result.traces:
        seller, buyer = trace["parties"]["seller"], trace["parties"]["buyer"]
        steps = [*seller["steps"], *buyer["steps"]]
        table.add_row(
            str(trace["deal"]),
            f"{seller['user']} below {seller['master']}",
            f"{buyer['user']} below {buyer['master']}",
            f"{sum(step['holds'] for step in steps)} of {len(steps)} hold",
            "holds" if trace["holds"] else "does not hold",
        )
    console.print(table)
    console.print(f"[green]{result.audit.strip()}[/green]")
