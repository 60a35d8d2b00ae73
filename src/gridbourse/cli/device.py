"""`gridbourse device`: a function node acts on a device of its own."""

from __future__ import annotations

from pathlib import Path

import click

from gridbourse.errors import InvalidValue, OrderRefused
from gridbourse.market.types import EnergyType, Offer, OrderId, Reason, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.device import Device
from gridbourse.units import PERIOD_SECONDS, energy_wh, price_ticks

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
NODE = click.argument("node")
SLAVE = click.option(
    "--slave", "slave_url", required=True, metavar="URL", help="Where the master serves its slave chain to its nodes."
)
TYPES = click.Choice([kind.name.lower() for kind in EnergyType if kind.name])


@click.group()
def device() -> None:
    """Act as a function node, with its own key: what is signed goes to its master's slave chain.

    FOLDER holds region.toml, public.json, the key of NODE and the token of its master's chain.
    """


@device.command()
@FOLDER
@NODE
@click.argument("side", type=click.Choice(["sell", "buy"]))
@click.argument("kwh")
@click.option("--price", required=True, help="In yuan/kWh.")
@click.option("--period", required=True, metavar="TIME", help="A time in the delivery period, as 2026-06-01T12:15.")
@click.option(
    "--type", "types", type=TYPES, multiple=True, help="What a seller sells, or a buyer takes; by default any."
)
@click.option("--automatic", is_flag=True, help="Placed by a program: what NODE was allowed confirms its deals.")
@SLAVE
def offer(
    folder: Path,
    node: str,
    side: str,
    kwh: str,
    price: str,
    period: str,
    types: tuple[str, ...],
    slave_url: str,
    *,
    automatic: bool,
) -> None:
    """Offer to sell or buy KWH; prints the order's id when the market has it."""
    kinds = EnergyType(sum(EnergyType[name.upper()] for name in types)) if types else EnergyType.any()
    limits = energy_wh(kwh), price_ticks(price)
    with Device(folder, node, slave_url) as acting:
        number = acting.calendar.moment(period, "period") // PERIOD_SECONDS
        made = Offer(Side.ASK if side == "sell" else Side.BID, kinds, number, *limits)
        fate = acting.wait_for(acting.offer(made, automatic=automatic))
    if isinstance(fate, Reason):
        raise OrderRefused(fate)
    click.echo(f"{fate.pack():x}")


@device.command()
@FOLDER
@NODE
@click.argument("order")
@SLAVE
def cancel(folder: Path, node: str, order: str, slave_url: str) -> None:
    """Let what is open of an ORDER leave the market."""
    try:
        order_id = OrderId.unpack(int(order, 16))
    except ValueError as error:
        raise InvalidValue("order", order, "the id that `gridbourse device offer` printed") from error
    with Device(folder, node, slave_url) as acting:
        acting.cancel(order_id)


@device.command()
@FOLDER
@NODE
@click.argument("deal", type=click.IntRange(min=1))
@click.argument("side", type=click.Choice(["sell", "buy"]))
@click.argument("answer", type=click.Choice(["confirm", "abandon"]))
@SLAVE
def answer(folder: Path, node: str, deal: int, side: str, answer: str, slave_url: str) -> None:
    """Confirm or abandon a DEAL as its seller or its buyer."""
    with Device(folder, node, slave_url) as acting:
        acting.answer(deal, Side.ASK if side == "sell" else Side.BID, confirmed=answer == "confirm")


@device.command()
@FOLDER
@NODE
@click.option("--sell-from", default="0", show_default=True, help="Lowest price at which it may sell, in yuan/kWh.")
@click.option("--buy-up-to", default="0", show_default=True, help="Highest price at which it may buy, in yuan/kWh.")
@click.option("--type", "kind", type=TYPES, default="pv", show_default=True, help="What it sells.")
@click.option("--off", is_flag=True, help="Let it do nothing by itself.")
@SLAVE
def allow(folder: Path, node: str, sell_from: str, buy_up_to: str, kind: str, slave_url: str, *, off: bool) -> None:
    """State what NODE may confirm by itself from now on."""
    limits = AutoTradingLimits(
        active=not off,
        energy_type=EnergyType[kind.upper()],
        accepted_types=EnergyType.any(),
        lowest_sell_ticks=price_ticks(sell_from),
        highest_buy_ticks=price_ticks(buy_up_to),
        smallest_wh=1,
    )
    with Device(folder, node, slave_url) as acting:
        acting.allow(limits)
