"""`gridbourse deal`: answer and follow deals of a function node."""

from __future__ import annotations

import click

from gridbourse.api.schema import Deal, DealStatus
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, kwh, moment, period, price, show, yuan
from gridbourse.client import orders

COLUMNS: Columns[Deal] = {
    "deal": lambda deal: deal.deal_id,
    "node": lambda deal: deal.node_id,
    "side": lambda deal: deal.side,
    "type": lambda deal: deal.energy_type,
    "delivery": lambda deal: period(deal.period),
    "kWh": lambda deal: kwh(deal.energy_wh),
    "yuan/kWh": lambda deal: price(deal.price_ticks),
    "yuan": lambda deal: yuan(deal.money),
    "status": lambda deal: deal.status,
    "answered": lambda deal: {None: "", True: "confirmed", False: "abandoned"}[deal.answered],
    "answer before": lambda deal: moment(deal.confirm_before) if deal.status is DealStatus.INTENT else "",
}


@click.group()
def deal() -> None:
    """Confirm, abandon and follow deals."""


@deal.command(name="list")
@click.option("--node", help="Only this function node.")
@click.option("--status", type=click.Choice([status.value for status in DealStatus]), help="Only these.")
@click.option("--all", "everything", is_flag=True, help="All of them, not just the newest fifty.")
@AS_JSON
@connected
def list_deals(
    connection: Connection, node: str | None, status: str | None, *, everything: bool, as_json: bool
) -> None:
    """List deals of your nodes, newest first."""
    asked = orders.deals(node_id=node, status=status)
    found = list(connection.entries(asked)) if everything else connection.send(asked).items
    show(found, COLUMNS, times=RegionTimes(connection), as_json=as_json)


@deal.command()
@click.argument("deal_id", type=click.IntRange(min=1))
@AS_JSON
@connected
def confirm(connection: Connection, deal_id: int, *, as_json: bool) -> None:
    """Confirm a deal within its cooling-off time."""
    show([connection.send(orders.confirm(deal_id))], COLUMNS, times=RegionTimes(connection), as_json=as_json)


@deal.command()
@click.argument("deal_id", type=click.IntRange(min=1))
@AS_JSON
@connected
def abandon(connection: Connection, deal_id: int, *, as_json: bool) -> None:
    """Abandon a deal within its cooling-off time: nothing is transferred."""
    show([connection.send(orders.abandon(deal_id))], COLUMNS, times=RegionTimes(connection), as_json=as_json)
