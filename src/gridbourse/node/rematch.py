"""Orders that may find a counterpart again.

The market matches nothing by itself when a deal ends without a transfer: both orders get their energy back at their old
places, and that may leave the book crossed. Each master lets its own nodes' orders be matched again, with all but those
whose deals with them ended so: parties of whom one did not want the deal are not brought together a second time. A
search that stopped at the candidate limit goes on here, too.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from gridbourse.errors import OrderRefused
from gridbourse.index.relaying import MarketReader
from gridbourse.market.events import Event
from gridbourse.market.types import OrderId, Side
from gridbourse.node.master import Master
from gridbourse.units import PERIOD_SECONDS

CANDIDATES = 16
"""So many of the best orders on the other side are looked at for one that is freed."""


class ReopenedOrders:
    """The orders of one master's nodes that got energy back.

    Parameters
    ----------
    master
        The master.
    market
        The market, as the index knows it.
    """

    def __init__(self, master: Master, market: MarketReader) -> None:
        self._master = master
        self._market = market
        self._seen: set[object] = set()
        """Deals that ended, and stops of searches, that were looked at."""

    def rematch(self) -> list[Event]:
        """Let the market match again those orders at which the book is crossed, the best first; each once."""
        market, events = self._master.main.market, list[Event]()
        now = self._master.main.chain.head().timestamp
        reopened, failed = self._reopened(now // PERIOD_SECONDS + 1)
        for order_id in sorted(reopened, key=_best_first):
            searching = self._to_match(order_id, failed)
            if searching is not None:
                with suppress(OrderRefused):  # its gate has closed, or its master is suspended
                    events += market.events(self._master.main_wallet.send(market.match_order(searching)).logs)
        return events

    def _reopened(self, first_period: int) -> tuple[set[OrderId], set[tuple[OrderId, OrderId]]]:
        """Orders from a period on that were not looked at since they got energy back; and which failed with which."""
        name = self._master.membership.name
        reopened: set[OrderId] = set()
        failed: set[tuple[OrderId, OrderId]] = set()
        seen: set[object] = set()
        for deal_id, deal in self._market.ended(first_period).items():
            seen.add(deal_id)
            for order_id, other, trader in ((deal.ask, deal.bid, deal.seller), (deal.bid, deal.ask, deal.buyer)):
                if self._master.node_of(trader) is not None:
                    failed.add((order_id, other))
                    if deal_id not in self._seen:
                        reopened.add(order_id)
        for stop in self._market.stopped(name, first_period):
            seen.add(stop)
            if stop not in self._seen:
                reopened.add(stop[0])
        self._seen = seen
        return reopened, failed

    def _to_match(self, order_id: OrderId, failed: Collection[tuple[OrderId, OrderId]]) -> OrderId | None:
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
            if (order_id, other) not in failed:
                return other if place else order_id
        return None


def _crosses(one: OrderId, other: OrderId) -> bool:
    prices = {one.side: one.price_ticks, other.side: other.price_ticks}
    return prices[Side.ASK] <= prices[Side.BID]


def _best_first(order_id: OrderId) -> tuple[int, Side, int, int]:
    price = order_id.price_ticks if order_id.side is Side.ASK else -order_id.price_ticks
    return order_id.period, order_id.side, price, order_id.turn
