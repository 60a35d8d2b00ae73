"""`gridbourse order`: place and follow orders of a function node."""

from __future__ import annotations

import click

from gridbourse.api.schema import EnergyTypeName, Order, OrderStatus
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, kwh, period, price, show, show_one
from gridbourse.client import orders
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.units import energy_wh, price_ticks

TYPES = click.Choice([name.value for name in EnergyTypeName])
COLUMNS: Columns[Order] = {
    "order": lambda order: order.order_id or f"leaf {order.record_leaf[2:10]}",
    "node": lambda order: order.node_id,
    "side": lambda order: order.side,
    "types": lambda order: "any" if len(order.energy_types) == len(EnergyTypeName) else ", ".join(order.energy_types),
    "delivery": lambda order: period(order.period),
    "kWh": lambda order: kwh(order.energy_wh),
    "open kWh": lambda order: kwh(order.open_wh),
    "agreed kWh": lambda order: kwh(order.agreed_wh),
    "yuan/kWh": lambda order: price(order.price_ticks),
    "status": lambda order: f"{order.status}: {order.refusal}" if order.refusal else order.status,
}


@click.group()
def order() -> None:
    """Place and follow orders."""


@order.command()
@click.argument("side", type=click.Choice(["ask", "bid"]))
@click.option("--kwh", "energy", required=True, help="Energy in kWh, e.g. 300 or 0.25.")
@click.option("--price", "limit", required=True, help="Lowest (ask) or highest (bid) price in yuan/kWh, e.g. 0.36.")
@click.option(
    "--period", "delivery", metavar="TIME", required=True, help="A time in the delivery period, as 2026-06-01T12:15."
)
@click.option(
    "--type", "types", type=TYPES, multiple=True, help="Energy type; a bid may name several, or none for any."
)
@click.option("--quota-kwh", "quota", help="What the node may sell in that period in all; all its asks by default.")
@click.option("--key", help="Idempotency key: given again, the order is placed once.")
@AS_JSON
@connected
def place(
    connection: Connection,
    side: str,
    energy: str,
    limit: str,
    delivery: str,
    types: tuple[str, ...],
    quota: str | None,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Place an order: ask (sell) or bid (buy)."""
    named = EnergyType(0)
    for name in types or EnergyTypeName:
        named |= EnergyType[name.upper()]
    period_number = RegionTimes(connection).period(delivery)
    offer = Offer(Side[side.upper()], named, period_number, energy_wh(energy), price_ticks(limit))
    quota_wh = energy_wh(quota) if quota is not None else None
    _show_one(connection, connection.send(orders.place(offer, energy_quota_wh=quota_wh, key=key)), as_json=as_json)


@order.command(name="list")
@click.option("--node", help="Only this function node.")
@click.option("--period", "delivery", metavar="TIME", help="Only the delivery period of this time.")
@click.option("--status", type=click.Choice([status.value for status in OrderStatus]), help="Only these.")
@click.option("--all", "everything", is_flag=True, help="All of them, not just the newest fifty.")
@AS_JSON
@connected
def list_orders(
    connection: Connection,
    node: str | None,
    delivery: str | None,
    status: str | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """List orders of your nodes, newest first."""
    period_number = RegionTimes(connection).period(delivery) if delivery else None
    asked = orders.orders(node_id=node, period=period_number, status=status)
    found = list(connection.entries(asked)) if everything else connection.send(asked).items
    show(found, COLUMNS, times=RegionTimes(connection), as_json=as_json)


@order.command(name="show")
@click.argument("order_id")
@AS_JSON
@connected
def show_order(connection: Connection, order_id: str, *, as_json: bool) -> None:
    """Show one order."""
    _show_one(connection, connection.send(orders.order(order_id)), as_json=as_json)


@order.command()
@click.argument("order_id")
@click.option("--kwh", "energy", required=True, help="New energy in kWh of what is open.")
@click.option("--price", "limit", required=True, help="New price in yuan/kWh.")
@AS_JSON
@connected
def amend(connection: Connection, order_id: str, energy: str, limit: str, *, as_json: bool) -> None:
    """Replace what is open of an order; it goes to the end of the new queue, and its deals stand."""
    asked = orders.amend(order_id, energy_wh=energy_wh(energy), price_ticks=price_ticks(limit))
    _show_one(connection, connection.send(asked), as_json=as_json)


@order.command()
@click.argument("order_id")
@AS_JSON
@connected
def cancel(connection: Connection, order_id: str, *, as_json: bool) -> None:
    """Take what is open of an order out of the market; its deals stand."""
    _show_one(connection, connection.send(orders.cancel(order_id)), as_json=as_json)


def _show_one(connection: Connection, found: Order, *, as_json: bool) -> None:
    show_one(
        found, {name: column(found) for name, column in COLUMNS.items()}, times=RegionTimes(connection), as_json=as_json
    )
