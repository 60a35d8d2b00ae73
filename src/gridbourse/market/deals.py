"""The life of a deal, steps 4 and 5 of the paper's section 3.4: intent, cooling-off and storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from gridbourse.market import events
from gridbourse.market.book import OrderBook, Place
from gridbourse.market.consortium import Consortium
from gridbourse.market.transfers import Transfers
from gridbourse.market.types import Deal, DealState, OrderId, Reason, Side

_NO_ORDER = OrderId(0, Side.ASK, 0, 0)
_NO_DEAL = Deal(_NO_ORDER, _NO_ORDER, 0, 0, 0, 0, seller_confirmed=False, buyer_confirmed=False, state=DealState.NONE)

_Step = Callable[[Deal], Deal | Reason]
"""Returns a deal in its next state, or why it may not go there."""


class Deals(Transfers):
    """Deals and the orders they were made of. What each holds is held from its intent until it ends.

    Parameters
    ----------
    consortium
        The masters and their settings.
    """

    def __init__(self, consortium: Consortium) -> None:
        super().__init__(consortium)
        self.book = OrderBook()
        self._deals: dict[int, Deal] = {}
        self._resume_at: dict[OrderId, Place] = {}
        self._apart_from: dict[OrderId, set[int]] = {}
        """The masters that let an order down, for as long as it says itself."""

    @property
    def deal_count(self) -> int:
        """Number of deals; their numbers run from 1."""
        return len(self._deals)

    def deal(self, deal_id: int) -> Deal:
        """A deal by its number; in state ``NONE`` if there is none."""
        return self._deals.get(deal_id, _NO_DEAL)

    # Step 4: intent

    def _agree(self, deal: Deal) -> None:
        """Hold the buyer's money, the seller's energy and the way between them, then record the deal."""
        self._move_money(deal.buyer, free=-deal.money, held=deal.money)
        self._move_energy(deal.seller, deal.ask.period, held=deal.energy_wh)
        self._carry(deal, deal.energy_wh)
        deal_id = self.deal_count + 1
        self._deals[deal_id] = deal
        self.events.append(
            events.IntentRecorded(deal_id, deal.ask, deal.bid, deal.energy_wh, deal.price_ticks, deal.confirm_before)
        )
        if deal.state is DealState.CONFIRMED:
            self.events.append(events.DealConfirmed(deal_id))

    # Step 5: cooling-off and storage

    def confirm(self, caller: int, deal_ids: Sequence[int], side: Side, now: int) -> None:
        """Confirm deals for the parties on one side; the second of a deal makes it binding.

        A deal whose party there is not below the caller, that is no intent, or whose cooling-off time is over, is
        passed over.
        """
        self.consortium.require_active(caller)

        def confirmed(deal: Deal) -> Deal | Reason:
            reason = self._unanswerable(caller, deal, side)
            if reason is not Reason.NONE:
                return reason
            if now > deal.confirm_before:
                return Reason.WRONG_STATE
            seller_confirmed = deal.seller_confirmed or side is Side.ASK
            buyer_confirmed = deal.buyer_confirmed or side is Side.BID
            state = DealState.CONFIRMED if seller_confirmed and buyer_confirmed else DealState.INTENT
            return replace(deal, seller_confirmed=seller_confirmed, buyer_confirmed=buyer_confirmed, state=state)

        for deal_id, _, deal in self._advance(deal_ids, confirmed):
            self.events.append(events.PartyConfirmed(deal_id, side))
            if deal.state is DealState.CONFIRMED:
                self.events.append(events.DealConfirmed(deal_id))

    def abandon(self, caller: int, deal_ids: Sequence[int], side: Side, now: int) -> None:
        """Abandon deals for the parties on one side, before they have confirmed; others are passed over.

        Who lets a deal end, so or by not confirming in time, loses the turn: its order leaves the market. The other
        party's order is not brought together with orders of the same master for a while.
        """
        self.consortium.require_active(caller)

        def abandoned(deal: Deal) -> Deal | Reason:
            reason = self._unanswerable(caller, deal, side)
            return replace(deal, state=DealState.ABANDONED) if reason is Reason.NONE else reason

        for deal_id, _, deal in self._advance(deal_ids, abandoned):
            self.events.append(events.DealAbandoned(deal_id, side))
            self._release(deal, {side}, now)

    def expire(self, caller: int, deal_ids: Sequence[int], now: int) -> None:
        """End deals whose cooling-off time is over, or that have a suspended party; others are passed over.

        Any active master may. Who has not confirmed in time let the deal end, as if it had abandoned it.
        """
        self.consortium.require_active(caller)

        def is_late(deal: Deal) -> bool:
            return deal.state is DealState.INTENT and now > deal.confirm_before

        def expired(deal: Deal) -> Deal | Reason:
            is_open = deal.state in {DealState.INTENT, DealState.CONFIRMED}
            if not is_open or (not is_late(deal) and self._both_may_trade(deal)):
                return Reason.WRONG_STATE
            return replace(deal, state=DealState.EXPIRED)

        for deal_id, before, deal in self._advance(deal_ids, expired):
            self.events.append(events.DealExpired(deal_id))
            let_by = {side for side in Side if is_late(before) and not before.has_confirmed(side)}
            self._release(deal, let_by, now)

    def settle(self, caller: int, deal_ids: Sequence[int]) -> None:
        """Move money and energy claims of confirmed deals of two who may trade; others are passed over.

        Any active master may.
        """
        self.consortium.require_active(caller)

        def settled(deal: Deal) -> Deal | Reason:
            if deal.state is not DealState.CONFIRMED:
                return Reason.WRONG_STATE
            return replace(deal, state=DealState.SETTLED) if self._both_may_trade(deal) else Reason.PARTY_SUSPENDED

        for deal_id, _, deal in self._advance(deal_ids, settled):
            period = deal.ask.period
            self._move_money(deal.buyer, held=-deal.money)
            self._move_money(deal.seller, free=deal.money)
            self._move_energy(deal.seller, period, held=-deal.energy_wh, sold=deal.energy_wh)
            self._move_energy(deal.buyer, period, bought=deal.energy_wh)
            self.events.append(events.DealSettled(deal_id, deal.money))

    def _advance(self, deal_ids: Sequence[int], step: _Step) -> Iterator[tuple[int, Deal, Deal]]:
        """Take each deal one step further; one that may not go there stays, and keeps no other from it.

        Its number comes with the deal before and after the step.
        """
        for deal_id in deal_ids:
            before = self.deal(deal_id)
            ahead = step(before)
            if isinstance(ahead, Reason):
                self.events.append(events.DealPassedOver(deal_id, ahead))
            else:
                self._deals[deal_id] = ahead
                yield deal_id, before, ahead

    def _release(self, deal: Deal, let_by: Collection[Side], now: int) -> None:
        """Give back what a deal held, each order's energy at the order's old place.

        The orders of those who let it end leave the market; the other's is kept apart from their masters' for a while.
        """
        self._move_money(deal.buyer, free=deal.money, held=-deal.money)
        self._move_energy(deal.seller, deal.ask.period, held=-deal.energy_wh)
        self._carry(deal, -deal.energy_wh)
        for side, order_id in zip(Side, (deal.ask, deal.bid), strict=True):
            if order_id not in self.book:
                continue
            if side in let_by:
                self._remove(order_id, events.TurnLost)
                continue
            self.book.give_back(order_id, deal.energy_wh)
            if side.opposite in let_by:
                self._keep_apart(order_id, self.trader(deal.trader(side.opposite)).master_id, now)

    def _keep_apart(self, order_id: OrderId, master_id: int, now: int) -> None:
        apart_seconds = self.consortium.settings.apart_seconds
        if apart_seconds == 0:
            return
        if self.book[order_id].apart_until <= now:
            self._apart_from[order_id] = set()
        self._apart_from[order_id].add(master_id)
        self.book.keep_apart(order_id, now + apart_seconds)

    def _unanswerable(self, caller: int, deal: Deal, side: Side) -> Reason:
        """Why a master may not answer for the party on a side of a deal."""
        if deal.state is not DealState.INTENT:
            return Reason.WRONG_STATE
        if self.trader(deal.trader(side)).master_id != caller:
            return Reason.NOT_YOUR_DEAL
        return Reason.CONFIRMED_ALREADY if deal.has_confirmed(side) else Reason.NONE

    def _both_may_trade(self, deal: Deal) -> bool:
        return self._may_trade(deal.seller) and self._may_trade(deal.buyer)

    def _remove(
        self, order_id: OrderId, happened: type[events.OrderCancelled | events.TurnLost] = events.OrderCancelled
    ) -> None:
        self.book.remove(order_id)
        self._resume_at.pop(order_id, None)
        self.events.append(happened(order_id))

    def _is_apart(self, order_id: OrderId, other: int, now: int) -> bool:
        """Whether the master of another party let an order down, and that still counts."""
        if order_id not in self.book or self.book[order_id].apart_until <= now:
            return False
        return self.trader(other).master_id in self._apart_from[order_id]

    def _may_trade(self, trader: int) -> bool:
        return self.consortium.may_trade(self.trader(trader).master_id)
