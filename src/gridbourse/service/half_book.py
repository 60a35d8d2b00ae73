"""One side of a delivery period's order book, as it waits."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from gridbourse.market.types import EnergyType, OrderId, Side

_TURN_BITS = 16
_ENERGY_TYPES = tuple(map(EnergyType, range(EnergyType.any() + 1)))


class WaitingOrder(NamedTuple):
    """What waits of an order; `number` is what it is called elsewhere."""

    number: int
    order_id: OrderId
    trader: int
    energy_types: EnergyType
    open_wh: int


class HalfBook:
    """Orders that wait on a side of a period, by price and, at a price, first come first; some 20 bytes each.

    Attributes
    ----------
    waiting_wh
        How much waits in all.
    """

    __slots__ = ("_numbers", "_open_wh", "_period", "_places", "_side", "_traders", "_types", "waiting_wh")

    def __init__(self, period: int, side: Side) -> None:
        self._period = period
        self._side = side
        self._places = array("I")  # price and turn, rising; the other columns stand in the same order
        self._numbers = array("I")
        self._traders = array("I")
        self._types = array("B")
        self._open_wh = array("Q")
        self.waiting_wh = 0

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, order_id: OrderId, number: int, trader: int, energy_types: int, open_wh: int) -> None:
        """Let so much of an order wait that waited with nothing before; `number` is what it is called elsewhere."""
        place = _place(order_id)
        turn = bisect_left(self._places, place)
        self._places.insert(turn, place)
        self._numbers.insert(turn, number)
        self._traders.insert(turn, trader)
        self._types.insert(turn, energy_types)
        self._open_wh.insert(turn, open_wh)
        self.waiting_wh += open_wh

    def add(self, order_id: OrderId, energy_wh: int) -> WaitingOrder:
        """Let more or, if negative, less wait of an order that waits, down to nothing; returns it as it waits now."""
        turn = self._turn(order_id)
        assert turn is not None, "the order waits"
        self.waiting_wh += energy_wh
        self._open_wh[turn] += energy_wh
        now = self._waiting(turn)
        if not now.open_wh:
            for column in (self._places, self._numbers, self._traders, self._types, self._open_wh):
                del column[turn]
        return now

    def open_wh(self, order_id: OrderId) -> int:
        """How much waits of an order."""
        turn = self._turn(order_id)
        return 0 if turn is None else self._open_wh[turn]

    def level(self, price_ticks: int) -> list[WaitingOrder]:
        """Orders that wait at a price, first come first."""
        first, after = (bisect_left(self._places, ticks << _TURN_BITS) for ticks in (price_ticks, price_ticks + 1))
        return [self._waiting(turn) for turn in range(first, after)]

    def levels(self) -> Iterator[tuple[int, list[WaitingOrder]]]:
        """Prices at which orders wait, best first, with the orders."""
        price_ticks = self.best(EnergyType.any())
        while price_ticks is not None:
            yield price_ticks, self.level(price_ticks)
            price_ticks = self._next(price_ticks)

    def best(self, accepted: EnergyType) -> int | None:
        """The best price at which anything of some energy types waits."""
        mask, turns = int(accepted), range(len(self._places))
        best = (turn for turn in (turns if self._side is Side.ASK else reversed(turns)) if self._types[turn] & mask)
        turn = next(best, None)
        return None if turn is None else self._places[turn] >> _TURN_BITS

    def _next(self, price_ticks: int) -> int | None:
        """The next worse price."""
        if self._side is Side.ASK:
            turn = bisect_left(self._places, price_ticks + 1 << _TURN_BITS)
        else:
            turn = bisect_left(self._places, price_ticks << _TURN_BITS) - 1
        return self._places[turn] >> _TURN_BITS if 0 <= turn < len(self._places) else None

    def _turn(self, order_id: OrderId) -> int | None:
        place = _place(order_id)
        turn = bisect_left(self._places, place)
        return turn if turn < len(self._places) and self._places[turn] == place else None

    def _waiting(self, turn: int) -> WaitingOrder:
        price_ticks, arrival = divmod(self._places[turn], 1 << _TURN_BITS)
        order_id = OrderId(self._period, self._side, price_ticks, arrival)
        types = _ENERGY_TYPES[self._types[turn]]
        return WaitingOrder(self._numbers[turn], order_id, self._traders[turn], types, self._open_wh[turn])


def _place(order_id: OrderId) -> int:
    return order_id.price_ticks << _TURN_BITS | order_id.turn
