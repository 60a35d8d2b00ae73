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
from gridbourse.market.auction import PRICINGS, Clearing, Pricing, Rationing, Side, TieRule, clear, pair
from gridbourse.market.block_auction import Block, Session, clear_with_blocks
from gridbourse.units import energy_wh, price_ticks

_REQUIRED = ("side", "price_yuan_per_kwh", "energy_kwh")
_OPTIONAL = ("user", "period", "block")
_SIDES = ("ask", "bid")


@dataclass(frozen=True, slots=True)
class _Order:
    """A line of the file."""

    line: int
    user: str
    period: str
    block: str
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
@click.option(
    "--tie",
    type=click.Choice(list(TieRule)),
    default=TieRule.MIDDLE,
    show_default=True,
    help="Which price clears where several would.",
)
@click.option(
    "--rationing",
    type=click.Choice(list(Rationing)),
    default=Rationing.PRO_RATA,
    show_default=True,
    help="Who gets what where there is not enough for all at the clearing price.",
)
@click.option(
    "--pricing",
    type=click.Choice(list(PRICINGS)),
    default="uniform",
    show_default=True,
    help="At which price the matched orders trade.",
)
@AS_JSON
def clear_file(orders: Path, tie: str, rationing: str, pricing: str, *, as_json: bool) -> None:
    """Clear the orders of a file: a header, then a line for each order in the order of arrival.

    Columns: side (ask or bid), price_yuan_per_kwh, energy_kwh, and if wanted user, period and block; each period is a
    session of its own. Lines with the same block are all accepted or none. Lines that are no orders are named and left
    out, and the exit code is 2; in a file with blocks they are refused.
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
    by_period = dict(sorted(taken.items()))
    if any(order.block for own in by_period.values() for order in own):
        if refused:
            raise refused[0]
        if pricing != "uniform":
            raise InvalidValue("--pricing", pricing, "uniform: blocks trade at the clearing price")
        results = _clear_with_blocks(by_period, TieRule(tie), Rationing(rationing), sessions)
    else:
        for period, own in by_period.items():
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
    user, period, block = (fields.get(name, "") for name in _OPTIONAL)
    return _Order(line, user, period, block, fields["side"], ticks, wanted_wh)


def _clear(
    period: str, orders: Sequence[_Order], tie: TieRule, rationing: Rationing, pricing: Pricing
) -> tuple[_Session, list[_Result]]:
    by_side = {side: [order for order in orders if order.side == side] for side in _SIDES}
    asks, bids = _sides(orders)
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
    results = [_result(order, *accepted[order.line]) for order in orders]
    return _session(period, clearing, results), results


def _clear_with_blocks(
    by_period: Mapping[str, Sequence[_Order]], tie: TieRule, rationing: Rationing, sessions: list[_Session]
) -> list[_Result]:
    """Clear all periods together; adds their sessions to `sessions`."""
    numbers = {period: number for number, period in enumerate(by_period)}
    blocks = _blocks([order for own in by_period.values() for order in own if order.block], numbers)
    ordinary = {period: [order for order in own if not order.block] for period, own in by_period.items()}
    cleared = clear_with_blocks(
        {numbers[period]: Session(*_sides(own)) for period, own in ordinary.items()},
        list(blocks.values()),
        tie_rule=tie,
        rationing=rationing,
    )
    taken = {name for place, name in enumerate(blocks) if place in cleared.accepted}
    results: list[_Result] = []
    for period, own in by_period.items():
        clearing = cleared.clearings[numbers[period]]
        price_ticks = clearing.price_ticks or 0
        served = {"ask": iter(clearing.asks_wh.tolist()), "bid": iter(clearing.bids_wh.tolist())}
        of_period: list[_Result] = []
        for order in own:
            in_block = order.energy_wh if order.block in taken else 0
            accepted_wh = in_block if order.block else next(served[order.side])
            of_period.append(_result(order, accepted_wh, accepted_wh * price_ticks))
        sessions.append(_session(period, clearing, of_period))
        results += of_period
    return results


def _blocks(orders: Sequence[_Order], numbers: Mapping[str, int]) -> dict[str, Block]:
    """Blocks by name, each from its lines."""
    lines: defaultdict[str, list[_Order]] = defaultdict(list)
    for order in orders:
        lines[order.block].append(order)
    blocks: dict[str, Block] = {}
    for name, own in lines.items():
        energies = {numbers[order.period]: order.energy_wh for order in own}
        if len({(order.side, order.price_ticks) for order in own}) > 1 or len(energies) < len(own):
            raise InvalidValue(
                f"line {own[-1].line}, block", name, "one side, one price, and each period once in a block"
            )
        blocks[name] = Block(own[0].side == "ask", own[0].price_ticks, energies)
    return blocks


def _sides(orders: Sequence[_Order]) -> tuple[Side, Side]:
    asks, bids = (
        Side.of([(order.price_ticks, order.energy_wh) for order in orders if order.side == side]) for side in _SIDES
    )
    return asks, bids


def _result(order: _Order, accepted_wh: int, money: int) -> _Result:
    return _Result(
        order.line, order.user, order.period, order.side, order.price_ticks, order.energy_wh, accepted_wh, money
    )


def _session(period: str, clearing: Clearing, results: Sequence[_Result]) -> _Session:
    return _Session(
        period,
        clearing.price_ticks,
        clearing.volume_wh,
        sum(result.accepted_wh * result.price_ticks * (1 if result.side == "bid" else -1) for result in results),
        len(results),
        sum(result.accepted_wh > 0 for result in results),
    )
