"""Orders that may find a counterpart again.

The market matches nothing by itself when a deal ends without a transfer: both orders get their energy back at their old
places, and that may leave the book crossed. Each master lets its own nodes' orders be matched again, with all but those
whose deals with them ended so: parties of whom one did not want the deal are not brought together a second time. A
search that stopped at the candidate limit goes on here, too.
"""

from __future__ import annotations

from contextlib import suppress

from gridbourse.errors import OrderRefused
from gridbourse.index.market_view import MarketView
from gridbourse.market.events import DealAbandoned, DealExpired, Event, MatchingStopped
from gridbourse.market.types import OrderId, Reason, Side
from gridbourse.node.master import Master
from gridbourse.units import PERIOD_SECONDS

CANDIDATES = 16
"""So many of the best orders on the other side are looked at for one that is freed."""


class FreedOrders:
    """The orders of one master's nodes that got energy back.

    Parameters
    ----------
    master
        The master.
    view
        What is known of the market.
    """

    def __init__(self, master: Master, view: MarketView) -> None:
        self._master = master
        self._view = view
        self._orders: set[OrderId] = set()
        self._failed: set[tuple[OrderId, OrderId]] = set()

    def note(self, event: Event) -> None:
        """Take note of what happened on the market, after the view has."""
        match event:
            case DealAbandoned() | DealExpired():
                deal = self._view.deals[event.deal_id]
                self._add(deal.ask, deal.bid)
                self._add(deal.bid, deal.ask)
            case MatchingStopped() if event.reason is Reason.CANDIDATE_LIMIT:
                self._add(event.order_id)
            case _:
                pass

    def rematch(self) -> list[Event]:
        """Let the market match again those orders at which the book is crossed, the best first; each once."""
        if not self._orders:
            return []
        market, events = self._master.main.market, list[Event]()
        now = self._master.main.chain.head().timestamp
        self._failed = {pair for pair in self._failed if _is_ahead(pair[0], now)}
        for order_id in sorted((order_id for order_id in self._orders if _is_ahead(order_id, now)), key=_best_first):
            searching = self._to_match(order_id)
            if searching is not None:
                with suppress(OrderRefused):  # its gate has closed, or its master is suspended
                    events += market.events(self._master.main_wallet.send(market.match_order(searching)).logs)
        self._orders.clear()
        return events

    def _add(self, order_id: OrderId, other: OrderId | None = None) -> None:
        """Note an order of an own node, and with which other one it failed."""
        if self._master.node_of(self._view.orders[order_id].trader) is not None:
            self._orders.add(order_id)
            if other is not None:
                self._failed.add((order_id, other))

    def _to_match(self, order_id: OrderId) -> OrderId | None:
        """Which order the market has to match so that this one finds another than it failed with; None if none would.

        The market takes the best counterpart first. If that is one it failed with, a later one is let search instead.
        """
        market = self._master.main.market
        order = market.order(order_id)
        if order is None or not order.open_wh:
            return None
        others = market.waiting_orders(
            order_id.period, order_id.side.opposite, energy_types=order.energy_types, limit=CANDIDATES
        )
        for place, other in enumerate(others):
            if not _crosses(order_id, other):
                return None
            if (order_id, other) not in self._failed:
                return other if place else order_id
        return None


def _is_ahead(order_id: OrderId, now: int) -> bool:
    """Whether the period of an order has not begun."""
    return order_id.period * PERIOD_SECONDS > now


def _crosses(one: OrderId, other: OrderId) -> bool:
    prices = {one.side: one.price_ticks, other.side: other.price_ticks}
    return prices[Side.ASK] <= prices[Side.BID]


def _best_first(order_id: OrderId) -> tuple[int, Side, int, int]:
    price = order_id.price_ticks if order_id.side is Side.ASK else -order_id.price_ticks
    return order_id.period, order_id.side, price, order_id.turn
