"""What a member of the main chain knows of the market: the fold of its events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

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
)
from gridbourse.market.types import DealState, OrderId, Reason, Side
from gridbourse.network.main_chain import MainChain
from gridbourse.network.records import DealDetails

_ENDS: dict[type[Event], DealState] = {
    DealAbandoned: DealState.ABANDONED,
    DealExpired: DealState.EXPIRED,
    DealSettled: DealState.SETTLED,
}


@dataclass(slots=True)
class DealView:
    """A deal as its events tell it."""

    intent: IntentRecorded
    seller: int
    buyer: int
    state: DealState = DealState.INTENT
    confirmed_sides: set[Side] = field(default_factory=set)

    def trader(self, side: Side) -> int:
        """Number of the party on a side."""
        return self.seller if side is Side.ASK else self.buyer

    def details(self, user_id: str, side: Side) -> DealDetails:
        """What its party on a side is told of it."""
        own, other = self.intent.ask, self.intent.bid
        if side is Side.BID:
            own, other = other, own
        return DealDetails(
            user_id=user_id,
            side=side,
            deal_id=self.intent.deal_id,
            own_order=own.pack(),
            other_order=other.pack(),
            energy_wh=self.intent.energy_wh,
            price_ticks=self.intent.price_ticks,
            state=self.state,
        )


class MarketView:
    """Orders and deals of the whole market, kept up with the main chain block by block."""

    def __init__(self, main: MainChain) -> None:
        self._main = main
        self._height = 0
        self.orders: dict[OrderId, OrderPlaced] = {}
        self.withdrawn: set[OrderId] = set()
        """Orders that were cancelled, or replaced by another."""
        self.order_of_record: dict[bytes, OrderId] = {}
        self.refusal_of_record: dict[bytes, Reason] = {}
        self.deals: dict[int, DealView] = {}
        self.running: dict[int, DealView] = {}
        """The deals that have not ended: intents, and what is confirmed and not settled."""
        self.settled: dict[int, list[DealView]] = {}
        """The deals that were carried out, by delivery period."""
        self.master_of: dict[int, int] = {}
        """By trader, the number of its master."""
        self.payments: dict[bytes, dict[int, int]] = {}
        """What was credited against each payment reference, in 1e-7 yuan by trader."""
        self.quotas_wh: dict[tuple[int, int], int] = {}
        """What each trader may sell in a period."""

    @property
    def height(self) -> int:
        """The newest block that was read."""
        return self._height

    def catch_up(self) -> Iterator[Event]:
        """Read the events since the last call, each after it has been taken in."""
        head = self._main.chain.head().height
        events = self._main.market.events_between(self._height + 1, head) if head > self._height else []
        self._height = head
        for event in events:
            self._take_in(event)
            yield event

    def _take_in(self, event: Event) -> None:
        match event:
            case OrderPlaced():
                self.orders[event.order_id] = event
                # A record stands for one order: who uploads its hash again does not take its place.
                self.order_of_record.setdefault(event.record_hash, event.order_id)
            case OrderCancelled():
                self.withdrawn.add(event.order_id)
            case OrderRefused():
                self.refusal_of_record[event.record_hash] = event.reason
            case Deposited():
                credited = self.payments.setdefault(event.payment_reference, {})
                credited[event.trader] = credited.get(event.trader, 0) + event.money
            case QuotaSet():
                self.quotas_wh[event.trader, event.period] = event.quota_wh
            case IntentRecorded():
                seller, buyer = self.orders[event.ask].trader, self.orders[event.bid].trader
                self.deals[event.deal_id] = self.running[event.deal_id] = DealView(event, seller, buyer)
            case PartyConfirmed():
                self.deals[event.deal_id].confirmed_sides.add(event.side)
            case DealConfirmed():
                self.deals[event.deal_id].state = DealState.CONFIRMED
            case DealAbandoned() | DealExpired() | DealSettled():
                self._end(self.running.pop(event.deal_id), _ENDS[type(event)])
            case TraderRegistered():
                self.master_of[event.trader] = event.master_id
            case _:
                pass

    def _end(self, deal: DealView, state: DealState) -> None:
        deal.state = state
        if state is DealState.SETTLED:
            self.settled.setdefault(deal.intent.ask.period, []).append(deal)
