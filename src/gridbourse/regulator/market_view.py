"""What a member of the main chain knows of the market: the fold of its events."""

from __future__ import annotations

from array import array
from collections import deque
from hashlib import sha256

from gridbourse.contracts.main_chain import MainChain
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealSettled,
    Deposited,
    Event,
    IntentRecorded,
    OrderCancelled,
    OrderPlaced,
    OrderRefused,
    PartyConfirmed,
    QuotaSet,
    TraderRegistered,
    TurnLost,
)
from gridbourse.market.types import Deal, DealState, OrderId
from gridbourse.regulator.market_tables import DealTable, OrderTable, RecordSet, temporary_tables

BLOCKS_AT_ONCE = 256
"""So many blocks are read together, so that a long chain is never in memory as a whole."""

STATE_AFTER: dict[type[Event], DealState] = {
    IntentRecorded: DealState.INTENT,
    DealConfirmed: DealState.CONFIRMED,
    DealAbandoned: DealState.ABANDONED,
    DealExpired: DealState.EXPIRED,
    DealSettled: DealState.SETTLED,
}
"""Where a deal stands after an event."""

DEAL_EVENTS = (*STATE_AFTER, PartyConfirmed)
"""All that may happen to deals."""


class MarketView:
    """Orders and deals of the whole market, kept up with the main chain block by block for all who look at it.

    Parameters
    ----------
    main
        The main chain.
    """

    def __init__(self, main: MainChain) -> None:
        tables = temporary_tables()
        self._main = main
        self._height = 0
        self._followers: list[tuple[tuple[type[Event], ...], deque[Event]]] = []
        self._intents: dict[int, array[int]] = {}
        """Deals that may still wait for an answer, by the end of their cooling-off time."""
        self.orders = OrderTable(tables)
        self.refused = RecordSet(tables)
        """Records that the market refused to take for orders, each with the master that placed it (`_claim`)."""
        self.deals = DealTable(tables)
        self.confirmed: set[int] = set()
        """The deals that are binding and not settled."""
        self._settled: dict[int, array[int]] = {}
        self.master_of: dict[int, int] = {}
        """By trader, the number of its master."""
        self._accounts: dict[tuple[int, bytes], int] = {}
        self.payments: dict[bytes, dict[int, int]] = {}
        """What was credited against each payment reference, in 1e-7 yuan by trader."""
        self.quotas_wh: dict[tuple[int, int], int] = {}
        """What each trader may sell in a period."""

    @property
    def height(self) -> int:
        """The newest block that was read."""
        return self._height

    def follow(self, *kinds: type[Event]) -> deque[Event]:
        """A queue of all events of some kinds in the blocks to come.

        Several may follow one view, each at its own pace: whoever calls `catch_up`, an event waits in a follower's
        queue, taken in here already, until the follower has taken it off.
        """
        queue: deque[Event] = deque()
        self._followers.append((kinds, queue))
        return queue

    def catch_up(self) -> None:
        """Read the blocks since the last time."""
        head = self._main.chain.head().height
        while self._height < head:
            last = min(self._height + BLOCKS_AT_ONCE, head)
            events = self._main.market.events_between(self._height + 1, last)
            self._height = last
            for event in events:
                self._take_in(event)
                for kinds, queue in self._followers:
                    if isinstance(event, kinds):
                        queue.append(event)

    def order_of(self, master_id: int, record_hash: bytes) -> OrderId | None:
        """The order that a record of a master's slave chain became; None if it became none.

        A hash can be seen on its way, and copied: an order of another master that names it says nothing about the
        record. Of the master's own, the first counts: a record stands for one order.
        """
        for placed in self.orders.of_record(record_hash):
            if self.master_of[placed.trader] == master_id:
                return placed.order_id
        return None

    def is_known(self, master_id: int, record_hash: bytes) -> bool:
        """Whether a record of a master's slave chain was taken up: it became an order, or was refused."""
        return self.order_of(master_id, record_hash) is not None or _claim(master_id, record_hash) in self.refused

    def account_of(self, master_id: int, pseudonym: bytes) -> int:
        """The account that a master registered under a pseudonym; 0 if it did not."""
        return self._accounts.get((master_id, pseudonym), 0)

    def overdue(self, now: int) -> list[int]:
        """The deals whose cooling-off time ended before a moment, in seconds since the epoch, without both answers."""
        overdue: list[int] = []
        for end in [end for end in self._intents if end < now]:
            waiting = [deal_id for deal_id in self._intents[end] if self.deals.state(deal_id) is DealState.INTENT]
            if not waiting:
                del self._intents[end]
            overdue += waiting
        return overdue

    def settled_numbers(self, period: int) -> array[int]:
        """The numbers of the deals of a delivery period that were carried out."""
        return self._settled.get(period, array("I"))

    def settled(self, period: int) -> list[Deal]:
        """The deals of a delivery period that were carried out."""
        return [self.deals[deal_id] for deal_id in self.settled_numbers(period)]

    def _take_in(self, event: Event) -> None:
        match event:
            case OrderPlaced():
                self.orders.add(event)
            case OrderCancelled():
                self.orders.withdraw(event.order_id)
            case TurnLost():
                self.orders.remove(event.order_id)
            case OrderRefused():
                self.refused.add(_claim(event.master_id, event.record_hash))
            case Deposited():
                credited = self.payments.setdefault(event.payment_reference, {})
                credited[event.trader] = credited.get(event.trader, 0) + event.money
            case QuotaSet():
                self.quotas_wh[event.trader, event.period] = event.quota_wh
            case IntentRecorded():
                self.deals.add(event, self.orders[event.ask].trader, self.orders[event.bid].trader)
                self._intents.setdefault(event.confirm_before, array("I")).append(event.deal_id)
            case PartyConfirmed():
                self.deals.confirm(event.deal_id, event.side)
            case DealConfirmed() | DealAbandoned() | DealExpired() | DealSettled():
                self._enter(event.deal_id, STATE_AFTER[type(event)])
            case TraderRegistered():
                self.master_of[event.trader] = event.master_id
                self._accounts[event.master_id, event.pseudonym] = event.trader
            case _:
                pass

    def _enter(self, deal_id: int, state: DealState) -> None:
        self.deals.enter(deal_id, state)
        if state is DealState.CONFIRMED:
            self.confirmed.add(deal_id)
        else:
            self.confirmed.discard(deal_id)
        if state is DealState.SETTLED:
            self._settled.setdefault(self.deals[deal_id].ask.period, array("I")).append(deal_id)


def _claim(master_id: int, record_hash: bytes) -> bytes:
    """What stands for a record of one master's slave chain: the same hash, named by another, is another claim."""
    return sha256(master_id.to_bytes(2, "big") + record_hash).digest()
