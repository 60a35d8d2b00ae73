"""The order book: who is served first.

Orders wait per delivery period, side and energy type. The better price comes first and, at one price, the earlier
arrival (paper, section 4: sellers sorted by price; mission, section 5: first come, first served).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gridbourse.market.types import EnergyType, Order, OrderId, Side

OWN_TURNS = 128
"""So many turns of every queue are each master's own, whatever the others have used up."""
COMMON_TURNS = 2**16 - 1 - 255 * OWN_TURNS
"""So many orders of the queue of one period, side and price come before those turns."""


class Place(NamedTuple):
    """Where an order stands on its side of a period: the smaller place is served first.

    The rank is the price for an ask and the negated price for a bid; the turn counts arrivals at that price.
    """

    rank: int
    turn: int

    @classmethod
    def of(cls, order_id: OrderId) -> Place:
        """The place of an order. It never changes, so what comes back from a deal has its old priority."""
        price = order_id.price_ticks
        return cls(price if order_id.side is Side.ASK else -price, order_id.turn)

    def next(self) -> Place:
        """The place right behind this one."""
        return Place(self.rank, self.turn + 1)


BEST = Place(-(2**16), 0)


class OrderBook:
    """All orders that stand, and those of them that wait for a counterpart.

    An order that accepts several energy types waits in the queue of each of them, at the same place. The queues
    are sorted lists: finding a place is a binary search, and entering or leaving moves pointers in memory.
    """

    def __init__(self) -> None:
        self._orders: dict[OrderId, Order] = {}
        self._turns_taken: Counter[tuple[int, Side, int]] = Counter()
        self._own_turns_taken: Counter[tuple[int, Side, int, int]] = Counter()
        self._queues: defaultdict[tuple[int, Side, EnergyType], list[Place]] = defaultdict(list)

    def __contains__(self, order_id: OrderId) -> bool:
        return order_id in self._orders

    def __getitem__(self, order_id: OrderId) -> Order:
        return self._orders[order_id]

    def is_full(self, period: int, side: Side, price_ticks: int, master_id: int) -> bool:
        """Tell whether the queue for a period, side and price gives out no more turns to a master."""
        if self._turns_taken[period, side, price_ticks] < COMMON_TURNS:
            return False
        return self._own_turns_taken[period, side, price_ticks, master_id] == OWN_TURNS

    def issue(self, period: int, side: Side, price_ticks: int, master_id: int) -> OrderId:
        """Take the next turn at a price for a master; turns count over all energy types."""
        turn = self._turns_taken[period, side, price_ticks]
        self._turns_taken[period, side, price_ticks] += 1
        if turn >= COMMON_TURNS:
            self._own_turns_taken[period, side, price_ticks, master_id] += 1
        return OrderId(period, side, price_ticks, turn)

    def put(self, order_id: OrderId, order: Order) -> None:
        """Let an order stand; what is open of it waits."""
        self._orders[order_id] = order
        if order.open_wh > 0:
            self._wait(order_id, order.energy_types)

    def take(self, order_id: OrderId, energy_wh: int) -> None:
        """Take energy out of the open part of an order."""
        order = self._orders[order_id]
        open_wh = order.open_wh - energy_wh
        self._orders[order_id] = replace(order, open_wh=open_wh)
        if open_wh == 0:
            self._leave(order_id, order.energy_types)

    def give_back(self, order_id: OrderId, energy_wh: int) -> None:
        """Give energy back to an order, at its old place. An order that was removed gets nothing back."""
        order = self._orders.get(order_id)
        if order is None:
            return
        self._orders[order_id] = replace(order, open_wh=order.open_wh + energy_wh)
        if order.open_wh == 0:
            self._wait(order_id, order.energy_types)

    def keep_apart(self, order_id: OrderId, until: int) -> None:
        """Note until when an order is not brought together with those of whom let it down."""
        self._orders[order_id] = replace(self._orders[order_id], apart_until=until)

    def remove(self, order_id: OrderId) -> None:
        """Remove an order for good."""
        order = self._orders.pop(order_id)
        if order.open_wh > 0:
            self._leave(order_id, order.energy_types)

    def waiting(self, period: int, side: Side, energy_types: EnergyType, start: Place = BEST) -> Iterator[OrderId]:
        """Walk through the waiting orders that offer or accept one of `energy_types`, first served first.

        The walk begins at the place `start`, and goes on from where it is when orders come and go meanwhile.
        """
        queues = [self._queues[period, side, single] for single in each(energy_types)]
        while True:
            rests = ((queue, bisect_left(queue, start)) for queue in queues)
            heads = [queue[index] for queue, index in rests if index < len(queue)]
            if not heads:
                return
            first = min(heads)
            yield OrderId(period, side, abs(first.rank), first.turn)
            start = first.next()

    def _wait(self, order_id: OrderId, energy_types: EnergyType) -> None:
        for single in each(energy_types):
            insort(self._queues[order_id.period, order_id.side, single], Place.of(order_id))

    def _leave(self, order_id: OrderId, energy_types: EnergyType) -> None:
        place = Place.of(order_id)
        for single in each(energy_types):
            queue = self._queues[order_id.period, order_id.side, single]
            del queue[bisect_left(queue, place)]


def each(energy_types: EnergyType) -> Iterator[EnergyType]:
    """Split a set of energy types into single ones; the contract has room for sixteen, not all named yet."""
    bits = int(energy_types)
    while bits:
        lowest = bits & -bits
        yield EnergyType(lowest)
        bits ^= lowest
