"""`gridbourse consortium`: the paper's market between four organisations, each with processes and keys of its own."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gridbourse.cli.demo import show_table, show_trades
from gridbourse.errors import ProofError
from gridbourse.paper import report as paper_report
from gridbourse.paper.organisations import Consortium, ConsortiumResult
from gridbourse.units import format_kwh, format_price


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
    with Table 3 as every node tells it, the regulator's walk from every trade, and the day settled among the four.
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
    _show_settled(console, result)
    console.print(f"[green]{result.audit.strip()}[/green]")


def _show_settled(console: Console, result: ConsortiumResult) -> None:
    price, *others = result.prices.values()
    if any(other != price for other in others):
        raise ProofError(f"the nodes tell different imbalance prices: {result.prices}")
    console.print(
        f"Imbalance price, as all nodes tell it: {format_price(price.price_ticks)} yuan/kWh; "
        f"the region is {format_kwh(abs(price.region_wh))} kWh {'short' if price.region_wh < 0 else 'long'}."
    )
    table = Table(title="The day settled, by the statements of four masters", title_justify="left")
    for column in ("user", "master", "sold kWh", "bought kWh", "long kWh", "short kWh", "gets yuan"):
        table.add_column(column, justify="left" if column in ("user", "master") else "right")
    for line in result.settled:
        energies = (format_kwh(int(line[field])) for field in ("sold_wh", "bought_wh", "long_wh", "short_wh"))
        table.add_row(line["node"], line["master"], *energies, line["yuan"])
    console.print(table)
