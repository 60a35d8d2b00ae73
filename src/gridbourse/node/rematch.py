"""Orders that may find a counterpart later.

The market matches an order when it enters, and again when it is told to. Behind that lie deals that ended without a
transfer, candidates that were passed over for want of money, quota or transfer capacity, or because they had let the
order down, and searches that stopped at the candidate limit: each may leave the book crossed. Every master has the
market match its own nodes' orders again as soon as they would trade, which a call that changes nothing tells
beforehand.
"""

from __future__ import annotations

from gridbourse.errors import OrderRefused
from gridbourse.index.market_view import MarketView
from gridbourse.market.events import (
    CandidatePassedOver,
    DealAbandoned,
    DealExpired,
    DealSettled,
    Deposited,
    DepositMoved,
    Event,
    MatchingStopped,
    QuotaSet,
    TransferCapacityPublished,
)
from gridbourse.market.types import OrderId, Side
from gridbourse.node.master import Master
from gridbourse.units import PERIOD_SECONDS

REOPENING_EVENTS = (CandidatePassedOver, MatchingStopped, Deposited, DepositMoved, QuotaSet, TransferCapacityPublished)
"""After which orders may trade, beside the events of deals."""
SEARCHES_AT_ONCE = 64
"""So often in a round a search that met the candidate limit goes on, for one order."""


class ReopenedOrders:
    """The orders of one master's nodes whose search left somebody out, or that got energy back.

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
        self._orders: dict[OrderId, tuple[int, int]] = {}
        """With what was known when each was tried last: how often means came free, and which quarter hour it was."""
        self._means = 0

    def note(self, event: Event) -> None:
        """Take note of what happened on the market, after the view has."""
        match event:
            case DealAbandoned() | DealExpired():
                deal = self._view.deals[event.deal_id]
                self._add(deal.ask)
                self._add(deal.bid)
                self._means += 1
            case CandidatePassedOver():
                self._add(event.order_id)
                self._add(event.candidate)
            case MatchingStopped():
                self._add(event.order_id)
            case DealSettled() | Deposited() | DepositMoved() | QuotaSet() | TransferCapacityPublished():
                self._means += 1
            case _:
                pass

    def rematch(self) -> list[Event]:
        """Let the market match again those orders that would trade now, the best first."""
        events, now = list[Event](), self._master.main.chain.head().timestamp
        known = self._means, now // PERIOD_SECONDS
        self._orders = {order_id: tried for order_id, tried in self._orders.items() if _is_ahead(order_id, now)}
        for order_id in sorted((one for one, tried in self._orders.items() if tried != known), key=_best_first):
            events += self._match(order_id)
            self._orders[order_id] = known
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
            except OrderRefused:  # its gate has closed, or its master is suspended
                break
            if not goes_on:
                break
        return events

    def _add(self, order_id: OrderId) -> None:
        """Note an order of an own node, to be tried in the next round."""
        if self._master.node_of(self._view.orders[order_id].trader) is not None:
            self._orders[order_id] = -1, 0


def _is_ahead(order_id: OrderId, now: int) -> bool:
    """Whether the period of an order has not begun."""
    return order_id.period * PERIOD_SECONDS > now


def _best_first(order_id: OrderId) -> tuple[int, Side, int, int]:
    price = order_id.price_ticks if order_id.side is Side.ASK else -order_id.price_ticks
    return order_id.period, order_id.side, price, order_id.turn
