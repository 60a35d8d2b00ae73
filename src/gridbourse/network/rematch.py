"""Orders that may find a counterpart again.

The market matches nothing by itself when a deal ends without a transfer: both orders get their energy back at their old
places, and that may leave the book crossed. Each master lets its own nodes' orders be matched again. A search that
stopped at the candidate limit goes on here, too.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from gridbourse.errors import OrderRefused
from gridbourse.market.events import DealAbandoned, DealExpired, Event, MatchingStopped
from gridbourse.market.types import OrderId, Reason, Side
from gridbourse.network.market_view import MarketView
from gridbourse.network.master import Master
from gridbourse.units import PERIOD_SECONDS

DEALS_THAT_MAY_FAIL = 3
"""So many deals of an order may end without a transfer before it waits for newcomers instead: otherwise two parties of
whom one always abandons would meet for ever."""


class FreedOrders:
    """The orders of one master's nodes that got energy back.

    Parameters
    ----------
    master
        The master.
    view
        What it knows of the market.
    """

    def __init__(self, master: Master, view: MarketView) -> None:
        self._master = master
        self._view = view
        self._orders: set[OrderId] = set()
        self._failures: Counter[OrderId] = Counter()

    def note(self, event: Event) -> None:
        """Take note of what happened on the market, after the view has."""
        match event:
            case DealAbandoned() | DealExpired():
                intent = self._view.deals[event.deal_id].intent
                for order_id in (intent.ask, intent.bid):
                    self._failures[order_id] += 1
                    self._add(order_id)
            case MatchingStopped() if event.reason is Reason.CANDIDATE_LIMIT:
                self._add(event.order_id)
            case _:
                pass

    def rematch(self) -> list[Event]:
        """Let the market match again those orders at which the book is crossed, the best first; each once."""
        market, events = self._master.main.market, list[Event]()
        for order_id in sorted(self._orders, key=_best_first):
            if self._failures[order_id] < DEALS_THAT_MAY_FAIL and self._crosses(order_id):
                with suppress(OrderRefused):  # its gate has closed, or its master is suspended
                    events += market.events(self._master.main_wallet.send(market.match_order(order_id)).logs)
        self._orders.clear()
        return events

    def _add(self, order_id: OrderId) -> None:
        """Note an order of an own node, as long as its period has not begun."""
        is_own = self._master.node_of(self._view.orders[order_id].trader) is not None
        if is_own and order_id.period * PERIOD_SECONDS > self._master.main.chain.head().timestamp:
            self._orders.add(order_id)

    def _crosses(self, order_id: OrderId) -> bool:
        """Whether an order and the best one on the other side would trade."""
        market = self._master.main.market
        order = market.order(order_id)
        if order is None or not order.open_wh:
            return False
        other = order_id.side.opposite
        best = market.waiting_orders(order_id.period, other, energy_types=order.energy_types, limit=1)
        if not best:
            return False
        prices = {order_id.side: order_id.price_ticks, other: best[0].price_ticks}
        return prices[Side.ASK] <= prices[Side.BID]


def _best_first(order_id: OrderId) -> tuple[int, Side, int, int]:
    price = order_id.price_ticks if order_id.side is Side.ASK else -order_id.price_ticks
    return order_id.period, order_id.side, price, order_id.turn
