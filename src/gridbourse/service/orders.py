"""Every order: as its node recorded it on a slave chain, and what the market made of it."""

from __future__ import annotations

from array import array
from bisect import insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gridbourse.api.schema import OrderStatus
from gridbourse.index.shelf import Finder, Names, Rows, Shelf
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import EnergyType, OrderId, Reason, Side
from gridbourse.service.half_book import HalfBook, WaitingOrder

_STATUSES = tuple(OrderStatus)
_RECORDED, _WAITING, _FILLED, _CANCELLED, _REFUSED = range(len(_STATUSES))
_NOT_PLACED = frozenset({_RECORDED, _REFUSED})

_RECORD = "<32sHIIQBBIQHQ"
"""Leaf; number of the master it is said to be of; number of the node's name, 0 while no record was read; number of the
place's name; the rest of the record."""
_PLACED = "<QIBQQIQB"
"""Order id, trader, energy types, energy, placed at, height, withdrawn energy; why it was refused."""
_NOTHING_PLACED = (0, 0, 0, 0, 0, 0, 0, int(Reason.NONE))


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order in the market; `withdrawn_wh` is what left the market with neither a deal nor a way back."""

    order_id: OrderId
    trader: int
    energy_types: EnergyType
    energy_wh: int
    open_wh: int
    withdrawn_wh: int
    placed_at: int
    height: int

    @property
    def agreed_wh(self) -> int:
        """How much is in deals."""
        return self.energy_wh - self.open_wh - self.withdrawn_wh


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """An order, as it was when it was asked for.

    Parameters
    ----------
    leaf
        The record's leaf, by which the market knows it.
    details
        What its node recorded; None if that is not known here.
    placed
        What the market took; None if it has not, or refused.
    refusal
        Why the market refused it.
    """

    leaf: bytes
    status: OrderStatus
    details: OrderDetails | None = None
    placed: PlacedOrder | None = None
    refusal: Reason | None = None


class Orders:
    """Orders by number, in the order in which they were first heard of; details on a shelf, open quantities in memory.

    Parameters
    ----------
    shelf
        Where what is long is kept.

    Attributes
    ----------
    placed_count
        How many the market took.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.placed_count = 0
        self._records = Rows(shelf, _RECORD)
        self._placed = Rows(shelf, _PLACED)
        self._statuses = bytearray()
        self._periods = array("I")
        self._by_leaf = Finder()
        self._by_id = Finder()
        self._of_node: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._of_node_in: dict[tuple[str, int], array[int]] = defaultdict(lambda: array("I"))
        self._names = Names()
        self._books: dict[tuple[int, Side], HalfBook] = {}

    # Folding

    def record(self, master_id: int, leaf: bytes, details: OrderDetails) -> None:
        """Take in an order that a node of a master recorded."""
        number = self._with_leaf(master_id, leaf)
        if number is None:
            number = self._new(master_id, leaf)
        elif self._records[number][2]:
            return
        self._records[number] = (
            leaf,
            master_id,
            self._names.number(details.user_id),
            self._names.number(details.location),
            details.energy_quota_wh,
            details.side,
            details.energy_types,
            details.period,
            details.energy_wh,
            details.price_ticks,
            details.replaces,
        )
        self._periods[number] = details.period
        _insert(self._of_node[details.user_id], number)
        _insert(self._of_node_in[details.user_id, details.period], number)

    def refuse(self, master_id: int, leaf: bytes, reason: Reason) -> None:
        """Take in that the market refused an order of a master."""
        number = self._with_leaf(master_id, leaf)
        if number is None:
            number = self._new_without_record(master_id, leaf, period=0)
        if self._statuses[number] in _NOT_PLACED:
            self._statuses[number] = _REFUSED
            self._placed[number] = (*_NOTHING_PLACED[:-1], reason)

    def place(self, event: OrderPlaced, master_id: int, timestamp: int, height: int) -> None:
        """Take in that the market took an order of a master, all of which waits now."""
        number = self._with_leaf(master_id, event.record_hash)
        if number is None or self._statuses[number] not in _NOT_PLACED:  # no record here, or placed a second time
            number = self._new_without_record(master_id, event.record_hash, event.order_id.period)
        key, types = event.order_id.pack(), event.energy_types
        self._placed[number] = (key, event.trader, types, event.energy_wh, timestamp, height, 0, int(Reason.NONE))
        self._by_id.add(key.to_bytes(8, "big"), number)
        self._statuses[number] = _WAITING
        self._book(event.order_id).enter(event.order_id, number, event.trader, types, event.energy_wh)
        self.placed_count += 1

    def agree(self, order_id: OrderId, energy_wh: int) -> WaitingOrder:
        """Take in that some of what waits of an order is in a deal; returns what waits now."""
        order = self._take(order_id, energy_wh)
        if not order.open_wh:
            self._statuses[order.number] = _FILLED
        return order

    def cancel(self, order_id: OrderId) -> tuple[int, int]:
        """Take in that an order left the market for good; returns its trader, and how much waited."""
        number, row = self._row(order_id)
        open_wh = self._open_wh(order_id)
        if open_wh:
            self._take(order_id, open_wh)
        self._statuses[number] = _CANCELLED
        self._placed[number] = _withdrawing(row, open_wh)
        return row[1], open_wh

    def give_back(self, order_id: OrderId, energy_wh: int) -> bool:
        """Take in that a deal ended without a transfer; returns whether the order waits for another one."""
        number, row = self._row(order_id)
        if self._statuses[number] == _CANCELLED:
            self._placed[number] = _withdrawing(row, energy_wh)
            return False
        if self._statuses[number] == _WAITING:
            self._book(order_id).add(order_id, energy_wh)
        else:
            self._statuses[number] = _WAITING
            self._book(order_id).enter(order_id, number, row[1], row[2], energy_wh)
        return True

    # Reading

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> OrderEntry:
        record, placed, status = self._records[number], self._placed[number], self.status(number)
        return OrderEntry(
            leaf=record[0],
            status=status,
            details=self._details(record),
            placed=None if self._statuses[number] in _NOT_PLACED else self._placed_order(placed),
            refusal=Reason(placed[-1]) if status is OrderStatus.REFUSED else None,
        )

    def with_id(self, order_id: OrderId) -> OrderEntry | None:
        """The order that has an id on the main chain."""
        number = self._with_id(order_id)
        return None if number is None else self[number]

    def with_leaf(self, master_id: int, leaf: bytes) -> OrderEntry | None:
        """The order whose record, on a master's slave chain, has a leaf."""
        number = self._with_leaf(master_id, leaf)
        return None if number is None else self[number]

    def of_node(self, node_id: str) -> Sequence[int]:
        """Numbers of the orders that a node recorded, rising."""
        return self._of_node.get(node_id, ())

    def of_node_in(self, node_id: str, period: int) -> Sequence[int]:
        """Numbers of the orders that a node recorded for a delivery period, rising."""
        return self._of_node_in.get((node_id, period), ())

    def status(self, number: int) -> OrderStatus:
        """What became of an order."""
        return _STATUSES[self._statuses[number]]

    def period(self, number: int) -> int:
        """For which delivery period an order is."""
        return self._periods[number]

    def book(self, period: int, side: Side) -> HalfBook | None:
        """What waits on a side of a period; None if nothing does."""
        return self._books.get((period, side))

    def waiting_periods(self) -> Iterator[int]:
        """Periods in which anything waits, once for each side."""
        return (period for period, _ in self._books)

    # Rows

    def _new(self, master_id: int, leaf: bytes) -> int:
        number = self._records.extend()
        self._placed.extend()
        self._statuses.append(_RECORDED)
        self._periods.append(0)
        self._by_leaf.add(_claim(master_id, leaf), number)
        return number

    def _new_without_record(self, master_id: int, leaf: bytes, period: int) -> int:
        number = self._new(master_id, leaf)
        self._records[number] = (leaf, master_id, 0, 0, 0, 0, 0, period, 0, 0, 0)
        self._periods[number] = period
        return number

    def _with_leaf(self, master_id: int, leaf: bytes) -> int | None:
        """The first order of a master with a leaf."""
        for number in self._by_leaf.find(_claim(master_id, leaf)):
            if self._records[number][:2] == (leaf, master_id):
                return number
        return None

    def _with_id(self, order_id: OrderId) -> int | None:
        key = order_id.pack()
        for number in self._by_id.find(key.to_bytes(8, "big")):
            if self._placed[number][0] == key:
                return number
        return None

    def _row(self, order_id: OrderId) -> tuple[int, tuple[Any, ...]]:
        number = self._with_id(order_id)
        assert number is not None, "the market took it before"
        return number, self._placed[number]

    def _details(self, row: tuple[Any, ...]) -> OrderDetails | None:
        _, _, node, place, quota_wh, side, types, period, energy_wh, price_ticks, replaces = row
        node_id, location = self._names[node], self._names[place]
        if node_id is None or location is None:
            return None
        offer = Side(side), EnergyType(types), period, energy_wh, price_ticks
        return OrderDetails(node_id, location, quota_wh, *offer, replaces)

    def _placed_order(self, row: tuple[Any, ...]) -> PlacedOrder:
        key, trader, types, energy_wh, placed_at, height, withdrawn_wh, _ = row
        order_id = OrderId.unpack(key)
        open_wh = self._open_wh(order_id)
        return PlacedOrder(order_id, trader, EnergyType(types), energy_wh, open_wh, withdrawn_wh, placed_at, height)

    # Books

    def _book(self, order_id: OrderId) -> HalfBook:
        book = self._books.get(order_id[:2])
        if book is None:
            book = self._books[order_id[:2]] = HalfBook(order_id.period, order_id.side)
        return book

    def _open_wh(self, order_id: OrderId) -> int:
        book = self._books.get(order_id[:2])
        return book.open_wh(order_id) if book else 0

    def _take(self, order_id: OrderId, energy_wh: int) -> WaitingOrder:
        book = self._books[order_id[:2]]
        order = book.add(order_id, -energy_wh)
        if not book:
            del self._books[order_id[:2]]
        return order


def _claim(master_id: int, leaf: bytes) -> bytes:
    """A leaf that another master names is another order's: it can be seen on its way, and copied."""
    return master_id.to_bytes(2, "big") + leaf


def _withdrawing(row: tuple[Any, ...], energy_wh: int) -> tuple[Any, ...]:
    return (*row[:6], row[6] + energy_wh, row[7])


def _insert(numbers: array[int], number: int) -> None:
    """Keep numbers rising; nearly always the new one is the last."""
    if not numbers or numbers[-1] < number:
        numbers.append(number)
    else:
        insort(numbers, number)
