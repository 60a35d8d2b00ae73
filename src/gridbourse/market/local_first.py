"""Local first: a slave chain's own orders meet each other before anything goes up to the main chain.

In the master's process, by the market's own rules: the cheapest ask first, of equal ones the earlier, at the ask's
price. A pair trades here only if neither side has a better counterpart waiting on the main chain, for the rest of an
order goes up and would have met it there; at equal prices the local one is taken. So nobody is worse off for having
been asked at home first, and whoever audits sees it from the pair and the main chain's best orders at the time.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gridbourse.market.types import EnergyType, Side


@dataclass(frozen=True, slots=True)
class LocalOrder:
    """An order of a slave chain.

    Parameters
    ----------
    user
        Whose; nobody trades with itself.
    side, energy_types, period, price_ticks, energy_wh
        As in ``Offer``.
    """

    user: str
    side: Side
    energy_types: EnergyType
    period: int
    price_ticks: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class LocalTrade:
    """A pair that met at home, at the ask's price.

    Parameters
    ----------
    ask, bid
        The orders, as they came.
    energy_wh
        How much of both.
    """

    ask: LocalOrder
    bid: LocalOrder
    energy_wh: int

    @property
    def money(self) -> int:
        """What the buyer pays the seller, in 1e-7 yuan."""
        return self.energy_wh * self.ask.price_ticks


BestOutside = Callable[[LocalOrder], int | None]
"""Price of the best order that waits on the main chain for an order as its counterpart; None if there is none."""


@dataclass(frozen=True, slots=True)
class LocalMatching:
    """What became of a slave chain's orders.

    Parameters
    ----------
    trades
        Pairs, in the order in which they met.
    residual
        What goes up to the main chain, in the order of arrival.
    """

    trades: tuple[LocalTrade, ...]
    residual: tuple[LocalOrder, ...]


def match_locally(orders: Sequence[LocalOrder], best_outside: BestOutside) -> LocalMatching:
    """Match a slave chain's orders with each other.

    Parameters
    ----------
    orders
        In the order of arrival.
    best_outside
        Best counterparts on the main chain, as they are now.
    """
    open_wh = [order.energy_wh for order in orders]
    waiting: dict[tuple[int, Side], list[tuple[int, int]]] = {}
    trades: list[LocalTrade] = []
    for place, order in enumerate(orders):
        for _, other in list(waiting.get((order.period, order.side.opposite), ())):
            ask, bid = (place, other) if order.side is Side.ASK else (other, place)
            energy_wh = min(open_wh[ask], open_wh[bid])
            if not energy_wh or not _meets(orders[ask], orders[bid]):
                continue
            trade = LocalTrade(orders[ask], orders[bid], energy_wh)
            if withheld(trade, best_outside):
                continue
            trades.append(trade)
            open_wh[ask] -= energy_wh
            open_wh[bid] -= energy_wh
        rank = order.price_ticks if order.side is Side.ASK else -order.price_ticks
        insort(waiting.setdefault((order.period, order.side), []), (rank, place))
    residual = (replace(order, energy_wh=left_wh) for order, left_wh in zip(orders, open_wh, strict=True) if left_wh)
    return LocalMatching(tuple(trades), tuple(residual))


def withheld(trade: LocalTrade, best_outside: BestOutside) -> tuple[Side, ...]:
    """Which sides of a pair had a better counterpart on the main chain; none if the pair was right to meet at home."""
    ask_outside, bid_outside = best_outside(trade.bid), best_outside(trade.ask)
    buyer = (Side.BID,) if ask_outside is not None and ask_outside < trade.ask.price_ticks else ()
    seller = (Side.ASK,) if bid_outside is not None and bid_outside > trade.bid.price_ticks else ()
    return (*seller, *buyer)


def _meets(ask: LocalOrder, bid: LocalOrder) -> bool:
    return ask.user != bid.user and bool(ask.energy_types & bid.energy_types) and ask.price_ticks <= bid.price_ticks
