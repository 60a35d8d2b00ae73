"""`gridbourse auction`: clear the orders of a CSV file at one price."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gridbourse.cli.output import AS_JSON, Columns, kwh, price, show, yuan
from gridbourse.errors import InvalidValue
from gridbourse.market.auction import PRICINGS, Clearing, Pricing, Rationing, Side, TieRule, clear, pair, welfare
from gridbourse.units import energy_wh, price_ticks

_REQUIRED = ("side", "price_yuan_per_kwh", "energy_kwh")
_OPTIONAL = ("user", "period")
_SIDES = ("ask", "bid")


@dataclass(frozen=True, slots=True)
class _Order:
    """A line of the file."""

    line: int
    user: str
    period: str
    side: str
    price_ticks: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of an order; money in 1e-7 yuan."""

    line: int
    user: str
    period: str
    side: str
    price_ticks: int
    energy_wh: int
    accepted_wh: int
    money: int


@dataclass(frozen=True, slots=True)
class _Session:
    """A delivery period's clearing."""

    period: str
    price_ticks: int | None
    volume_wh: int
    welfare: int
    orders: int
    accepted: int


_SESSIONS: Columns[_Session] = {
    "period": lambda session: session.period,
    "yuan/kWh": lambda session: price(session.price_ticks),
    "kWh": lambda session: kwh(session.volume_wh),
    "welfare yuan": lambda session: yuan(session.welfare),
    "orders": lambda session: session.orders,
    "accepted": lambda session: session.accepted,
}
_RESULTS: Columns[_Result] = {
    "line": lambda result: result.line,
    "user": lambda result: result.user,
    "period": lambda result: result.period,
    "side": lambda result: result.side,
    "limit": lambda result: price(result.price_ticks),
    "kWh": lambda result: kwh(result.energy_wh),
    "accepted": lambda result: kwh(result.accepted_wh),
    "yuan": lambda result: yuan(result.money),
}


@click.group()
def auction() -> None:
    """Call auctions."""


@auction.command("clear")
@click.argument("orders", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="ORDERS.csv")
@click.option("--tie", type=click.Choice(list(TieRule)), default=TieRule.MIDDLE, show_default=True)
@click.option("--rationing", type=click.Choice(list(Rationing)), default=Rationing.PRO_RATA, show_default=True)
@click.option("--pricing", type=click.Choice(list(PRICINGS)), default="uniform", show_default=True)
@AS_JSON
def clear_file(orders: Path, tie: str, rationing: str, pricing: str, *, as_json: bool) -> None:
    """Clear the orders of a file: a header, then a line for each order in the order of arrival.

    Columns: side (ask or bid), price_yuan_per_kwh, energy_kwh, and if wanted user and period; each period is a session
    of its own. Lines that are no orders are named and left out, and the exit code is 2.
    """
    taken: defaultdict[str, list[_Order]] = defaultdict(list)
    refused: list[InvalidValue] = []
    for order in _read(orders):
        if isinstance(order, InvalidValue):
            refused.append(order)
        else:
            taken[order.period].append(order)
    sessions: list[_Session] = []
    results: list[_Result] = []
    for period, own in sorted(taken.items()):
        session, cleared = _clear(period, own, TieRule(tie), Rationing(rationing), PRICINGS[pricing])
        sessions.append(session)
        results += cleared
    if not as_json:
        show(sessions, _SESSIONS, as_json=False, title=f"Cleared: {pricing}, {tie}, {rationing}")
    show(results, _RESULTS, as_json=as_json)
    for fault in refused:
        click.secho(f"left out: {fault}", fg="red", err=True)
    if refused:
        sys.exit(2)


def _read(path: Path) -> Iterator[_Order | InvalidValue]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidValue("orders", str(path), "a CSV file in UTF-8") from error
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    known = {*_REQUIRED, *_OPTIONAL}
    if not set(_REQUIRED) <= set(header) <= known or len(set(header)) < len(header):
        remedy = f"the columns {', '.join(_REQUIRED)}, and if wanted {' and '.join(_OPTIONAL)}"
        raise InvalidValue(f"{path.name}, line 1", ",".join(header), remedy)
    for cells in reader:
        where = f"{path.name}, line {reader.line_num}"
        if len(cells) != len(header):
            yield InvalidValue(where, ",".join(cells), f"{len(header)} cells")
            continue
        fields = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        try:
            yield _order(reader.line_num, fields)
        except InvalidValue as error:
            yield InvalidValue(f"{where}, {error.field}", error.value, error.remedy)


def _order(line: int, fields: Mapping[str, str]) -> _Order:
    if fields["side"] not in _SIDES:
        raise InvalidValue("side", fields["side"], "ask or bid")
    text = fields["price_yuan_per_kwh"]
    ticks = -price_ticks(text[1:]) if text.startswith("-") else price_ticks(text)
    wanted_wh = energy_wh(fields["energy_kwh"])
    if not wanted_wh:
        raise InvalidValue("energy_kwh", fields["energy_kwh"], "an energy above 0 kWh")
    return _Order(line, fields.get("user", ""), fields.get("period", ""), fields["side"], ticks, wanted_wh)


def _clear(
    period: str, orders: Sequence[_Order], tie: TieRule, rationing: Rationing, pricing: Pricing
) -> tuple[_Session, list[_Result]]:
    by_side = {side: [order for order in orders if order.side == side] for side in _SIDES}
    asks, bids = (Side.of([(order.price_ticks, order.energy_wh) for order in by_side[side]]) for side in _SIDES)
    clearing = clear(asks, bids, tie_rule=tie, rationing=rationing)
    trades = pair(asks, bids, clearing, pricing)
    accepted: dict[int, tuple[int, int]] = {}
    for side, own_wh, served in (("ask", clearing.asks_wh, trades.ask), ("bid", clearing.bids_wh, trades.bid)):
        money = [0] * len(by_side[side])
        for place, traded_wh, ticks in zip(
            served.tolist(), trades.energy_wh.tolist(), trades.price_ticks.tolist(), strict=True
        ):
            money[place] += traded_wh * ticks
        for order, order_wh, order_money in zip(by_side[side], own_wh.tolist(), money, strict=True):
            accepted[order.line] = (order_wh, order_money)
    results = [
        _Result(order.line, order.user, period, order.side, order.price_ticks, order.energy_wh, *accepted[order.line])
        for order in orders
    ]
    return _session(period, asks, bids, clearing, results), results


def _session(period: str, asks: Side, bids: Side, clearing: Clearing, results: Sequence[_Result]) -> _Session:
    return _Session(
        period,
        clearing.price_ticks,
        clearing.volume_wh,
        welfare(asks, bids, clearing),
        len(results),
        sum(result.accepted_wh > 0 for result in results),
    )
