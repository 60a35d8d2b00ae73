"""Orders that may find a counterpart later.

The market matches an order when it enters, and again when it is told to. Behind that lie deals that ended without a
transfer, candidates that were passed over for want of money, quota or transfer capacity, or because they had let the
order down, and searches that stopped at the candidate limit: each may leave the book crossed. Every master has the
market match its own nodes' orders again as soon as they would trade, which a call that changes nothing tells
beforehand.
"""

from __future__ import annotations

from gridbourse.errors import ContractReverted, OrderRefused
from gridbourse.index.relaying import MarketReader
from gridbourse.market.events import Event
from gridbourse.market.types import OrderId, Side
from gridbourse.node.master import Master
from gridbourse.units import PERIOD_SECONDS

SEARCHES_AT_ONCE = 64
"""So often in a round a search that met the candidate limit goes on, for one order."""


class ReopenedOrders:
    """The orders of one master's nodes whose search left somebody out, or that got energy back.

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
        self._tried: dict[OrderId, object] = {}
        """By order, what was known when it was tried last."""

    def rematch(self) -> list[Event]:
        """Let the market match again those orders that would trade now, the best first."""
        now, events = self._master.main.chain.head().timestamp, list[Event]()
        means, tried = self._market.means(), dict[OrderId, object]()
        reopened = dict(self._market.reopened(self._master.membership.name, now // PERIOD_SECONDS + 1))
        for order_id in sorted(reopened, key=_best_first):
            # Quotas, capacities, settings and time come free too: those are looked at every quarter of an hour.
            known = tried[order_id] = reopened[order_id], means, now // PERIOD_SECONDS
            if self._tried.get(order_id) != known:
                events += self._match(order_id)
        self._tried = tried
        return events

    def _match(self, order_id: OrderId) -> list[Event]:
        """Match an order as long as it trades, or its search goes on."""
        market, wallet, events = self._master.main.market, self._master.main_wallet, list[Event]()
        for _ in range(SEARCHES_AT_ONCE):
            order = market.order(order_id)
            if order is None or not order.open_wh:
                break
            try:
                open_wh, goes_on = market.try_match(order_id, wallet.address)
                if open_wh == order.open_wh and not goes_on:
                    break
                events += market.events(wallet.send(market.match_order(order_id)).logs)
            except (OrderRefused, ContractReverted):  # its gate has closed, or its master is suspended
                break
            if not goes_on:
                break
        return events


def _best_first(order_id: OrderId) -> tuple[int, Side, int, int]:
    price = order_id.price_ticks if order_id.side is Side.ASK else -order_id.price_ticks
    return order_id.period, order_id.side, price, order_id.turn
