"""`gridbourse day`: build the region of the day and run a whole day in it."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gridbourse.market.types import DealState, Side
from gridbourse.metering.broker import local_broker
from gridbourse.metering.mqtt import Broker
from gridbourse.simulation.day import run_day
from gridbourse.simulation.day_region import LEAST_NODES
from gridbourse.simulation.day_report import NAMES, by_type, flows_wh, matched_share, write_day
from gridbourse.simulation.day_result import DayResult
from gridbourse.units import MONEY_UNITS_PER_YUAN, PERIODS_IN_24_HOURS, TICKS_PER_YUAN, WH_PER_KWH, period_start

FULL = 0.99
"""Share of a capacity from which on it counts as full: the rest may be less than anybody's smallest offer."""

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--output", type=FOLDER, default=Path("out"), show_default=True, help="Folder for the picture and CSV files."
)
@click.option(
    "--nodes", type=click.IntRange(min=LEAST_NODES), default=200, show_default=True, help="Number of prosumers."
)
@click.option(
    "--periods",
    type=click.IntRange(1, PERIODS_IN_24_HOURS),
    default=PERIODS_IN_24_HOURS,
    show_default=True,
    help="Delivery periods from midnight on.",
)
@click.option("--seed", type=int, default=2021, show_default=True, help="Equal seeds give equal days.")
@click.option(
    "--region",
    type=FOLDER,
    help="Keep the region in this new folder, for `gridbourse trace`, `audit` and `region status`.",
)
@click.option(
    "--broker",
    metavar="URL",
    help="MQTT broker for the meters, mqtt://host:port or mqtts://host:port; one of its own if not given.",
)
def day(output: Path, nodes: int, periods: int, seed: int, region: Path | None, broker: str | None) -> None:
    """Run a day of a region: meters, offers, deals, details, anchors, reports and an audit."""
    console = Console()
    with (
        nullcontext(Broker.at(broker)) if broker else local_broker() as meters_broker,
        nullcontext(region) if region else tempfile.TemporaryDirectory() as folder,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as progress,
    ):
        task = progress.add_task(f"A day of {nodes} prosumers", total=periods)
        result = run_day(Path(folder), nodes, periods, seed, meters_broker, lambda: progress.advance(task))
    _show_market(console, result)
    _show_types(console, result)
    _show_flows(console, result)
    _show_zones(console, result)
    _show_settlement(console, result)
    _show_checks(console, result)
    console.print("\n[bold]Written[/bold]")
    for path in write_day(output, result):
        console.print(f"  {path}")


def _show_market(console: Console, result: DayResult) -> None:
    settled, states = result.settled(), Counter(trade.state for trade in result.trades)
    table = Table(title=f"The market on {period_start(result.first_period):%A %d %B %Y}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    rows = (
        ("prosumers", f"{result.nodes}"),
        ("delivery periods", f"{result.periods}"),
        ("orders, refused", f"{len(result.orders):,}, {result.refused}"),
        ("deals", f"{len(result.trades):,}"),
        ("  settled", f"{len(settled):,}"),
        ("  abandoned by the buyer", f"{states[DealState.ABANDONED]}"),
        ("  expired without an answer", f"{states[DealState.EXPIRED]}"),
        ("energy traded", _kwh(sum(trade.energy_wh for trade in settled))),
        ("turnover", f"{sum(trade.money for trade in settled) / MONEY_UNITS_PER_YUAN:,.2f} yuan"),
        ("sold, of what was offered", f"{matched_share(result, Side.ASK):.1%}"),
        ("bought, of what was asked for", f"{matched_share(result, Side.BID):.1%}"),
        ("metered: fed in", _kwh(result.fed_in_wh)),
        ("metered: drawn", _kwh(result.drawn_wh)),
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _show_types(console: Console, result: DayResult) -> None:
    table = Table(title="Settled, by energy type; prices in yuan/kWh", title_justify="left")
    for column in ("type", "deals", "kWh", "yuan", "lowest", "mean", "highest"):
        table.add_column(column, justify="left" if column == "type" else "right")
    for summary in by_type(result.settled()):
        table.add_row(
            NAMES[summary.energy_type],
            f"{summary.trades:,}",
            f"{summary.energy_wh / WH_PER_KWH:,.1f}",
            f"{summary.money / MONEY_UNITS_PER_YUAN:,.2f}",
            _price(summary.lowest_ticks),
            _price(summary.mean_ticks),
            _price(summary.highest_ticks),
        )
    console.print(table)


def _show_flows(console: Console, result: DayResult) -> None:
    flows, masters = flows_wh(result), list(result.records)
    table = Table(title="Who sold to whom, kWh between masters", title_justify="left")
    table.add_column("seller")
    for buyer in masters:
        table.add_column(f"to {buyer}", justify="right")
    for seller in masters:
        table.add_row(seller, *(f"{flows.get((seller, buyer), 0) / WH_PER_KWH:,.1f}" for buyer in masters))
    console.print(table)


def _show_zones(console: Console, result: DayResult) -> None:
    table = Table(title="Between zones: what deals brought across, of what was published for it", title_justify="left")
    for column in ("from", "to", "kWh", "of capacity", "periods full", "passed over"):
        table.add_column(column, justify="left" if column in {"from", "to"} else "right")
    for pair, used in result.exchanged_wh().items():
        capacities = result.capacity_wh[pair]
        met = sum(result.passed_over[pair])
        if any(used) or met:
            full = sum(wh >= FULL * limit for wh, limit in zip(used, capacities, strict=True))
            share = f"{sum(used) / sum(capacities):.1%}" if any(capacities) else "–"
            table.add_row(*pair, f"{sum(used) / WH_PER_KWH:,.1f}", share, f"{full}", f"{met:,}")
    console.print(table)


def _show_settlement(console: Console, result: DayResult) -> None:
    lines = [(period, own) for period in result.settlement for own in period.imbalances.values()]
    table = Table(title="Traded against metered: who was off, and what it cost", title_justify="left")
    for column in ("", "kWh", "yuan"):
        table.add_column(column, justify="left" if not column else "right")
    for sign, text in ((1, "long, paid by the grid company"), (-1, "short, paid to the grid company")):
        own = [(settled, imbalance) for settled, imbalance in lines if sign * (imbalance.imbalance_wh or 0) > 0]
        energy_wh = sum(imbalance.imbalance_wh or 0 for _, imbalance in own)
        money = sum(imbalance.money(settled.price_ticks) for settled, imbalance in own)
        table.add_row(text, _kwh_number(abs(energy_wh)), f"{abs(money) / MONEY_UNITS_PER_YUAN:,.2f}")
    agent = sum(settled.agent_money for settled in result.settlement) / MONEY_UNITS_PER_YUAN
    table.add_row("what the grid company gets on balance", "", f"{agent:,.2f}")
    inflow_wh = sum(settled.inflow_wh or 0 for settled in result.settlement)
    table.add_row("came in over the coupling point", _kwh_number(inflow_wh), "")
    table.add_row(
        "losses, where every meter is known", _kwh_number(sum(p.losses_wh or 0 for p in result.settlement)), ""
    )
    console.print(table)
    prices = [settled.price_ticks for settled in result.settlement]
    unsettled = sum(len(settled.open_traders) for settled in result.settlement)
    console.print(
        f"Imbalance price {_price(min(prices))} to {_price(max(prices))} yuan/kWh; {len(lines)} lines on "
        f"{len(result.zone_of)} statements, {unsettled} open for want of a reading"
    )


def _show_checks(console: Console, result: DayResult) -> None:
    faults = Counter(finding.fault.value for finding in result.findings)
    console.print(f"\n[bold]Meters[/bold]: {result.readings:,} readings came, {sum(faults.values())} findings")
    console.print("  " + ", ".join(f"{fault} {count}" for fault, count in sorted(faults.items())))
    anchored = ", ".join(
        f"{name} {result.records[name]:,} records, {anchors} anchors" for name, anchors in result.anchors.items()
    )
    console.print(f"[bold]Slave chains[/bold]: {anchored}")
    titles = Counter(report.title for report in result.reports)
    console.print("[bold]Reports[/bold]: " + ", ".join(f"{count} {title}" for title, count in titles.items()))
    if result.audit:
        console.print(f"[bold red]The regulator's audit finds {len(result.audit)} faults[/bold red]")
        for finding in result.audit:
            console.print(f"  {finding}")
    else:
        console.print("[bold green]The regulator's audit finds nothing wrong.[/bold green]")
    parts = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in result.seconds.items())
    console.print(f"[bold]Time[/bold]: {parts}; {sum(result.seconds.values()):.1f} s in all")


def _kwh_number(energy_wh: int) -> str:
    return f"{energy_wh / WH_PER_KWH:,.1f}"


def _kwh(energy_wh: int) -> str:
    return f"{_kwh_number(energy_wh)} kWh"


def _price(ticks: int) -> str:
    return f"{ticks / TICKS_PER_YUAN:.4f}"
