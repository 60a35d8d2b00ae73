"""Reads orders and books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select

from gridbourse.api.schema import Order, OrderStatus, PriceLevel
from gridbourse.index.database import Database
from gridbourse.index.naming import order_text, side_name, type_names
from gridbourse.index.schema import IS_WAITING, orders
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.types import EnergyType, OrderId, Reason, Side

_SIDE = and_(orders.c.period == bindparam("period"), orders.c.side == bindparam("side"), IS_WAITING)
_ACCEPTED = orders.c.energy_types.op("&")(bindparam("types")) != 0
_ID = and_(
    orders.c.period == bindparam("period"),
    orders.c.side == bindparam("side"),
    orders.c.price_ticks == bindparam("price_ticks"),
    orders.c.turn == bindparam("turn"),
)
_BY_ID = select(orders).where(_ID)
_BY_LEAF = (
    select(orders)
    .where(orders.c.record_hash == bindparam("leaf"), orders.c.chain == bindparam("chain"))
    .order_by(orders.c.number)
    .limit(1)
)
_BY_NUMBER = select(orders).where(orders.c.number.in_(bindparam("numbers", expanding=True))).order_by(orders.c.number)
_LEVELS = (
    select(orders.c.price_ticks, func.sum(orders.c.open_wh), func.count())
    .where(_SIDE, _ACCEPTED)
    .group_by(orders.c.price_ticks)
    .limit(bindparam("depth"))
)
_CANDIDATES = select(orders.c.price_ticks, orders.c.trader, orders.c.open_wh).where(_SIDE, _ACCEPTED)
_BEST = (
    select(orders.c.energy_types, func.min(orders.c.price_ticks), func.max(orders.c.price_ticks))
    .where(_SIDE)
    .group_by(orders.c.energy_types)
)
_SIDES = (
    select(
        orders.c.period,
        orders.c.side,
        func.min(orders.c.price_ticks).label("lowest"),
        func.max(orders.c.price_ticks).label("highest"),
        func.sum(orders.c.open_wh).label("waiting_wh"),
    )
    .where(IS_WAITING, orders.c.period >= bindparam("first"), orders.c.period < bindparam("stop"))
    .group_by(orders.c.period, orders.c.side)
)
_WAITING = itemgetter(*map(orders.c.keys().index, ("period", "side", "price_ticks", "energy_types", "open_wh")))
_OPEN_ASKS = select(func.sum(orders.c.open_wh)).where(_SIDE, orders.c.trader == bindparam("trader"))
_HAS_ORDERED = select(orders.c.number).where(
    orders.c.node_id == bindparam("node_id"), orders.c.period == bindparam("period")
)
_UNFILLED = (OrderStatus.RECORDED, OrderStatus.WAITING)
_COUNTS = select(orders.c.node_id, func.count()).where(orders.c.node_id.is_not(None)).group_by(orders.c.node_id)
_PLACED_COUNT = select(func.count()).select_from(orders).where(orders.c.turn.is_not(None))
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class WaitingSide:
    """What waits on a side of a period."""

    best_ticks: int
    waiting_wh: int


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """An order with what is not everybody's to know.

    Parameters
    ----------
    number
        In the order in which orders were first heard of.
    chain
        The slave chain of its master.
    trader, order_id
        Who placed it and where it stands on the main chain; None if the market has not taken it.
    energy_types
        What it offers or accepts.
    order
        What its node sees of it; None while its record was not read.
    """

    number: int
    chain: str
    trader: int | None
    order_id: OrderId | None
    energy_types: EnergyType
    order: Order | None


class Orders:
    """Reads orders.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # One by one

    def with_id(self, order_id: OrderId) -> OrderEntry | None:
        """The order that has an id on the main chain."""
        row = self._database.first(_BY_ID, **_place(order_id))
        return _entry(row) if row else None

    def with_leaf(self, chain: str, leaf: bytes) -> OrderEntry | None:
        """The order that a record of a slave chain stands for: the first that its master placed, or was to place."""
        row = self._database.first(_BY_LEAF, chain=chain, leaf=leaf)
        return _entry(row) if row else None

    def with_numbers(self, numbers: Iterable[int]) -> Iterator[OrderEntry]:
        """Orders by their numbers, rising."""
        wanted = sorted(numbers)
        for first in range(0, len(wanted), _AT_ONCE):
            yield from map(_entry, self._database.rows(_BY_NUMBER, numbers=wanted[first : first + _AT_ONCE]))

    def details(self, chain: str, leaf: bytes) -> OrderDetails | None:
        """What a node recorded on a slave chain; None if no such record was read."""
        row = self._database.first(_BY_LEAF, chain=chain, leaf=leaf)
        return None if row is None or row.node_id is None else details_of(row)

    # Lists

    def newest(
        self,
        *,
        node_id: str | None = None,
        master: str | None = None,
        period: int | None = None,
        status: OrderStatus | None = None,
        before: int | None = None,
        open_from: int = 0,
        limit: int,
    ) -> list[OrderEntry]:
        """Recorded orders of a node, of a master's nodes, or of all, newest first, from before a number on.

        `open_from` is the first period whose gate takes orders: what was not filled before it has lapsed.
        """
        statement = select(orders).where(orders.c.node_id.is_not(None))
        if status is OrderStatus.LAPSED:
            unfilled = [unfilled.value for unfilled in _UNFILLED]
            statement = statement.where(orders.c.status.in_(unfilled), orders.c.period < open_from)
            status = None
        elif status in _UNFILLED:
            statement = statement.where(orders.c.period >= open_from)
        for column, wanted in (
            (orders.c.node_id, node_id),
            (orders.c.chain, master),
            (orders.c.period, period),
            (orders.c.status, status.value if status else None),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if before is not None:
            statement = statement.where(orders.c.number < before)
        rows = self._database.rows(statement.order_by(orders.c.number.desc()).limit(limit))
        return [replace(entry, order=entry.order and as_of(entry.order, open_from)) for entry in map(_entry, rows)]

    def counts(self) -> dict[str, int]:
        """How many orders each node recorded."""
        return dict(self._database.rows(_COUNTS))

    def placed_count(self) -> int:
        """How many orders the market took."""
        found: int = self._database.value(_PLACED_COUNT)
        return found

    def has_ordered(self, node_id: str, period: int) -> bool:
        """Whether a node recorded any order for a delivery period."""
        return self._database.first(_HAS_ORDERED.limit(1), node_id=node_id, period=period) is not None

    # Books

    def levels(self, period: int, side: Side, accepted: EnergyType, depth: int) -> list[PriceLevel]:
        """Prices at which orders of some energy types wait, best first."""
        wanted = {"period": period, "side": int(side), "types": int(accepted), "depth": depth}
        rows = self._database.rows(_best_first(_LEVELS, side), **wanted)
        return [PriceLevel(price_ticks, int(energy_wh), count) for price_ticks, energy_wh, count in rows]

    def candidates(self, period: int, side: Side, accepted: EnergyType) -> Sequence[Any]:
        """Price, trader and open energy of the orders of some energy types that wait, best first, then first come."""
        statement = _best_first(_CANDIDATES, side).order_by(orders.c.turn)
        return self._database.rows(statement, period=period, side=int(side), types=int(accepted))

    def best_of_types(self, period: int, side: Side) -> dict[EnergyType, int]:
        """The best price of the orders that wait, by the energy types that they state."""
        rows = self._database.rows(_BEST, period=period, side=int(side))
        return {EnergyType(types): lowest if side is Side.ASK else highest for types, lowest, highest in rows}

    def waiting(self, periods: range) -> dict[tuple[int, Side], WaitingSide]:
        """What waits in delivery periods, by period and side."""
        rows = self._database.rows(_SIDES, first=periods.start, stop=periods.stop)
        return {
            (row.period, Side(row.side)): WaitingSide(
                row.lowest if row.side == Side.ASK else row.highest, int(row.waiting_wh)
            )
            for row in rows
        }

    def at_levels(self, levels: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
        """Energy types and open energy of what waits at prices, by period, side and price."""
        found: dict[tuple[int, int, int], list[tuple[int, int]]] = {level: [] for level in levels}
        for row in self._database.rows_with(orders, ("period", "side", "price_ticks"), levels, IS_WAITING):
            period, side, price_ticks, types, open_wh = _WAITING(row)
            found[period, side, price_ticks].append((types, open_wh))
        return found

    def open_asks_wh(self, trader: int, period: int) -> int:
        """How much of a trader's asks waits in a period."""
        return int(self._database.value(_OPEN_ASKS, trader=trader, period=period, side=int(Side.ASK)) or 0)


def _place(order_id: OrderId) -> dict[str, int]:
    return {
        "period": order_id.period,
        "side": int(order_id.side),
        "price_ticks": order_id.price_ticks,
        "turn": order_id.turn,
    }


def _best_first(statement: Select[Any], side: Side) -> Select[Any]:
    price: ColumnElement[int] = orders.c.price_ticks
    return statement.order_by(price if side is Side.ASK else price.desc())


def id_of(row: Any) -> OrderId | None:
    """Where an order stands on the main chain; None if it does not."""
    return None if row.turn is None else OrderId(row.period, Side(row.side), row.price_ticks, row.turn)


def as_of(order: Order, open_from: int) -> Order:
    """An order as it stands when `open_from` is the first period whose gate takes orders."""
    has_lapsed = order.status in _UNFILLED and order.period < open_from
    return replace(order, status=OrderStatus.LAPSED) if has_lapsed else order


def details_of(row: Any) -> OrderDetails:
    """What a node recorded, as it is known here."""
    return OrderDetails(
        row.node_id,
        row.location,
        row.quota_wh,
        Side(row.side),
        EnergyType(row.energy_types),
        row.period,
        row.energy_wh,
        row.price_ticks,
        int(row.replaces, 16) if row.replaces else 0,
        bool(row.automatic),
    )


def _entry(row: Any) -> OrderEntry:
    order_id, types = id_of(row), EnergyType(row.energy_types or 0)
    order = None if row.node_id is None else _order(row, order_id, types)
    return OrderEntry(row.number, row.chain, row.trader, order_id, types, order)


def _order(row: Any, order_id: OrderId | None, types: EnergyType) -> Order:
    return Order(
        order_id=order_text(order_id) if order_id else None,
        node_id=row.node_id,
        side=side_name(Side(row.side)),
        energy_types=type_names(types),
        period=row.period,
        energy_wh=row.energy_wh,
        price_ticks=row.price_ticks,
        open_wh=row.open_wh,
        agreed_wh=row.energy_wh - row.open_wh - row.withdrawn_wh if order_id else 0,
        status=OrderStatus(row.status),
        refusal=None if row.refusal is None else Reason(row.refusal).name.lower(),
        replaces=row.replaces,
        record_leaf=f"0x{row.record_hash.hex()}",
        placed_at=row.placed_at,
        height=row.height,
    )
