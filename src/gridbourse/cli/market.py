"""`gridbourse book`, `gridbourse trade`: what everybody may see of the market."""

from __future__ import annotations

from itertools import zip_longest

import click
from rich.console import Console
from rich.table import Table

from gridbourse.api.schema import OrderBook, PeriodSummary, PriceLevel, Trade
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.order import TYPES
from gridbourse.cli.output import AS_JSON, Columns, kwh, moment, period, price, print_json, show, yuan
from gridbourse.client import market

_PERIODS: Columns[PeriodSummary] = {
    "delivery": lambda found: period(found.period),
    "best bid": lambda found: price(found.best_bid_ticks),
    "best ask": lambda found: price(found.best_ask_ticks),
    "bid kWh": lambda found: kwh(found.bid_energy_wh),
    "ask kWh": lambda found: kwh(found.ask_energy_wh),
    "traded kWh": lambda found: kwh(found.traded_energy_wh),
    "last": lambda found: price(found.last_price_ticks),
    "gate closes": lambda found: moment(found.gate_closes_at),
}
_TRADES: Columns[Trade] = {
    "deal": lambda trade: trade.deal_id,
    "agreed": lambda trade: moment(trade.agreed_at),
    "delivery": lambda trade: period(trade.period),
    "type": lambda trade: trade.energy_type,
    "kWh": lambda trade: kwh(trade.energy_wh),
    "yuan/kWh": lambda trade: price(trade.price_ticks),
    "yuan": lambda trade: yuan(trade.money),
    "status": lambda trade: trade.status,
}


@click.command()
@click.argument("delivery", metavar="[TIME]", required=False)
@click.option("--type", "energy_type", type=TYPES, help="Only this energy type.")
@click.option("--depth", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Price levels a side.")
@AS_JSON
@connected
def book(connection: Connection, delivery: str | None, energy_type: str | None, depth: int, *, as_json: bool) -> None:
    """Show the order book of the period of a TIME, as 2026-06-01T12:15. Without one, the periods with orders."""
    if delivery is None:
        show(connection.send(market.periods()), _PERIODS, times=RegionTimes(connection), as_json=as_json)
        return
    times = RegionTimes(connection)
    found = connection.send(market.book(times.period(delivery), energy_type, depth))
    if as_json:
        print_json(_document(found))
    else:
        _show_book(found, times)


@click.group()
def trade() -> None:
    """Follow the trade tape."""


@trade.command(name="list")
@click.option("--period", "delivery", metavar="TIME", help="Only for the delivery period of this time.")
@click.option("--type", "energy_type", type=TYPES, help="Only this energy type.")
@click.option("--all", "everything", is_flag=True, help="All of them, not just the newest fifty.")
@AS_JSON
@connected
def list_trades(
    connection: Connection, delivery: str | None, energy_type: str | None, *, everything: bool, as_json: bool
) -> None:
    """List what was agreed, newest first."""
    asked = market.trades(
        period=RegionTimes(connection).period(delivery) if delivery else None, energy_type=energy_type
    )
    found = list(connection.entries(asked)) if everything else connection.send(asked).items
    show(found, _TRADES, times=RegionTimes(connection), as_json=as_json)


def _document(found: OrderBook) -> dict[str, object]:
    def levels(side: list[PriceLevel]) -> list[dict[str, int]]:
        return [
            {"price_ticks": level.price_ticks, "energy_wh": level.energy_wh, "order_count": level.order_count}
            for level in side
        ]

    return {"period": found.period, "bids": levels(found.bids), "asks": levels(found.asks), "height": found.height}


def _show_book(found: OrderBook, times: RegionTimes) -> None:
    table = Table(
        title=f"Delivery {times().dated_span(found.period)}, {found.energy_type or 'all types'}", title_justify="left"
    )
    for column in ("orders", "bid kWh", "bid", "ask", "ask kWh", "orders"):
        table.add_column(column, justify="right")
    for bid, ask in zip_longest(found.bids, found.asks):
        left = [str(bid.order_count), kwh(bid.energy_wh), price(bid.price_ticks)] if bid else [""] * 3
        right = [price(ask.price_ticks), kwh(ask.energy_wh), str(ask.order_count)] if ask else [""] * 3
        table.add_row(*left, *right)
    Console().print(table)
