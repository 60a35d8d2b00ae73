"""The regional energy market, written for reading: the five steps of the paper's section 3.4.

1. Identity and application: a master places an order for one of its traders (``place``).
2. Find a counterpart: candidates come in price-time order; what finds none waits in the book (``_search``).
3. Legality check: an illegal candidate is passed over and the search goes on (``_legal_part``).
4. Intent: the deal is recorded; money, energy and transfer capacity are held (``_agree``).
5. Cooling-off and storage: both parties ``confirm`` and the deal is settled, or one abandons it, or it expires,
   and what it held goes back.

A buyer pays the seller's price, which is never above its own bid. The contract ``EnergyMarket`` has the same
rules; both agree event for event (tests/property/test_market_agreement.py). Malformed words, the contract's own
matter, cannot be written as an ``OrderRequest``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from gridbourse.errors import MarketError, OrderRefused
from gridbourse.market import events
from gridbourse.market.book import BEST, OrderBook, Place, each
from gridbourse.market.consortium import Consortium
from gridbourse.market.transfers import Transfers
from gridbourse.market.types import Deal, DealState, Order, OrderId, OrderRequest, Reason, Side
from gridbourse.units import PERIOD_SECONDS

_NO_ORDER = OrderId(0, Side.ASK, 0, 0)
_NO_DEAL = Deal(_NO_ORDER, _NO_ORDER, 0, 0, 0, 0, seller_confirmed=False, buyer_confirmed=False, state=DealState.NONE)

_LACKING_SIDE = {Reason.BEYOND_QUOTA: Side.ASK, Reason.DEPOSIT_TOO_SMALL: Side.BID}
"""Whose lack it is: a candidate that lacks is passed over, an order that lacks stops its own search."""

_Step = Callable[[Deal], Deal | Reason]
"""Returns a deal in its next state, or why it may not go there."""


class ReferenceMarket(Transfers):
    """The energy market of the region.

    Every call names the master that makes it; where time matters, it is given as `now`, in seconds since the
    epoch. A call that raises changes nothing; in a batch, what cannot be done is passed over, and an event says so.
    Errors are ``MarketError`` with the name of the contract's error, ``OrderRefused`` for its ``Refused``; any call
    may raise ``NotActiveMaster``.

    Parameters
    ----------
    consortium
        The masters and their settings.

    Attributes
    ----------
    book
        The orders.
    events
        All that happened, oldest first.
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

    # Step 1: identity and application

    def place(self, caller: int, request: OrderRequest, record_hash: bytes, now: int) -> OrderId:
        """Place one order and match it.

        Raises
        ------
        OrderRefused
            With the reason; see ``_refusal`` and ``_entry_refusal`` for the order in which the rules are checked.
        """
        self.consortium.require_active(caller)
        reason = self._entry_refusal(caller, request, now)
        if reason is not Reason.NONE:
            raise OrderRefused(reason)
        return self._enter(caller, request, record_hash, now)

    def place_many(
        self, caller: int, requests: Sequence[OrderRequest], record_hashes: Sequence[bytes], now: int
    ) -> list[OrderId | None]:
        """Place many orders, each matched in its turn.

        One that is refused does not stop the others: its id is None and an event gives the reason.

        Raises
        ------
        MarketError
            ``LengthsDiffer``.
        """
        if len(requests) != len(record_hashes):
            raise MarketError("LengthsDiffer")
        self.consortium.require_active(caller)
        order_ids: list[OrderId | None] = []
        for index, (request, record_hash) in enumerate(zip(requests, record_hashes, strict=True)):
            reason = self._entry_refusal(caller, request, now)
            if reason is Reason.NONE:
                order_ids.append(self._enter(caller, request, record_hash, now))
            else:
                order_ids.append(None)
                self.events.append(events.OrderRefused(caller, index, record_hash, reason))
        return order_ids

    def amend(
        self, caller: int, order_id: OrderId, energy_wh: int, price_ticks: int, record_hash: bytes, now: int
    ) -> OrderId | None:
        """Replace what is open of an order by a new price and quantity, at the end of the new queue.

        This is the paper's way back from an unsuccessful search: the party changes price or quantity. Deals that
        the order already has stand; what comes back from them does not enter the book again. If the order would not
        be taken in its new form it stays as it is: None is returned and an event gives the reason.

        Raises
        ------
        MarketError
            ``NotYourOrder``.
        """
        self.consortium.require_active(caller)
        old = self._own_order(caller, order_id)
        request = OrderRequest(old.trader, order_id.side, old.energy_types, order_id.period, price_ticks, energy_wh)
        reason = self._entry_refusal(caller, request, now)
        if reason is not Reason.NONE:
            self.events.append(events.OrderRefused(caller, 0, record_hash, reason))
            return None
        self._remove(order_id)
        return self._enter(caller, request, record_hash, now)

    def cancel(self, caller: int, order_ids: Sequence[OrderId]) -> None:
        """Withdraw what is open of orders. Deals that they already have stand.

        One that is another master's, or no longer there, is passed over.
        """
        self.consortium.require_active(caller)
        for order_id in order_ids:
            if self._is_own(caller, order_id):
                self._remove(order_id)
            else:
                self.events.append(events.OrderPassedOver(order_id, Reason.NOT_YOUR_ORDER))

    def _refusal(self, master_id: int, request: OrderRequest, now: int) -> Reason:
        trader = self._traders.get(request.trader)
        if trader is None or trader.master_id != master_id:
            return Reason.NOT_YOUR_TRADER
        if not self.consortium.may_trade(master_id):
            return Reason.PARTY_SUSPENDED
        if now >= self._gate(request.period):
            return Reason.GATE_CLOSED
        if not self._in_bounds(request.price_ticks):
            return Reason.PRICE_OUT_OF_BOUNDS
        types_named = len(list(each(request.energy_types)))
        if types_named == 0 or (request.side is Side.ASK and types_named > 1):
            return Reason.ENERGY_TYPES_INVALID
        return Reason.NONE

    def _entry_refusal(self, master_id: int, request: OrderRequest, now: int) -> Reason:
        """Why a new order is not taken: it must be no dust, and a bid no more than its money makes likely."""
        reason = self._refusal(master_id, request, now)
        if reason is not Reason.NONE:
            return reason
        settings = self.consortium.settings
        if request.energy_wh < settings.least_wh:
            return Reason.ENERGY_TOO_SMALL
        most_money = self.trader(request.trader).free_money * settings.bid_multiple
        if request.side is Side.BID and request.energy_wh * request.price_ticks > most_money:
            return Reason.DEPOSIT_TOO_SMALL
        if self.book.is_full(request.period, request.side, request.price_ticks, master_id):
            return Reason.QUEUE_FULL
        return Reason.NONE

    def _own_order(self, caller: int, order_id: OrderId) -> Order:
        if not self._is_own(caller, order_id):
            raise MarketError("NotYourOrder", order_id)
        return self.book[order_id]

    def _is_own(self, caller: int, order_id: OrderId) -> bool:
        return order_id in self.book and self.trader(self.book[order_id].trader).master_id == caller

    def _enter(self, master_id: int, request: OrderRequest, record_hash: bytes, now: int) -> OrderId:
        order_id = self.book.issue(request.period, request.side, request.price_ticks, master_id)
        self.events.append(
            events.OrderPlaced(order_id, request.trader, request.energy_types, request.energy_wh, record_hash)
        )
        open_wh = self._search(order_id, request, BEST, now)
        self.book.put(order_id, Order(request.trader, request.energy_types, request.energy_wh, open_wh))
        return order_id

    def _remove(
        self, order_id: OrderId, happened: type[events.OrderCancelled | events.TurnLost] = events.OrderCancelled
    ) -> None:
        self.book.remove(order_id)
        self._resume_at.pop(order_id, None)
        self.events.append(happened(order_id))

    # Step 2: find a counterpart

    def match(self, caller: int, order_id: OrderId, now: int) -> None:
        """Match a waiting order again: where a search that met the candidate limit stopped, else from the start.

        Any active master may: all it does is to carry out the rules.

        Raises
        ------
        MarketError
            ``NotYourOrder`` if there is no such order.
        OrderRefused
            Nothing of the order waits, or it may not trade today. What is asked of newcomers only is not asked again.
        """
        self.consortium.require_active(caller)
        if order_id not in self.book:
            raise MarketError("NotYourOrder", order_id)
        order = self.book[order_id]
        if order.open_wh == 0:
            raise OrderRefused(Reason.ENERGY_TOO_SMALL)
        period, side, price_ticks, _ = order_id
        request = OrderRequest(order.trader, side, order.energy_types, period, price_ticks, order.open_wh)
        reason = self._refusal(self.trader(order.trader).master_id, request, now)
        if reason is not Reason.NONE:
            raise OrderRefused(reason)
        open_wh = self._search(order_id, request, self._resume_at.pop(order_id, BEST), now)
        if open_wh < order.open_wh:
            self.book.take(order_id, order.open_wh - open_wh)

    def _search(self, order_id: OrderId, request: OrderRequest, start: Place, now: int) -> int:
        """Deal with legal candidates until the energy, the candidates or the limit run out; return what is open.

        A bid that names several energy types meets the asks of all of them in one line: the cheapest wins, then
        the earlier.
        """
        open_wh = request.energy_wh
        candidates = self.book.waiting(request.period, request.side.opposite, request.energy_types, start)
        for looked_at, candidate_id in enumerate(candidates):
            if open_wh == 0 or not _prices_meet(order_id, candidate_id):
                break
            if looked_at == self.consortium.settings.max_candidates:
                self._resume_at[order_id] = Place.of(candidate_id)
                self.events.append(events.MatchingStopped(order_id, Reason.CANDIDATE_LIMIT))
                break
            deal = self._draft(order_id, request.trader, open_wh, candidate_id, now)
            energy_wh, reason = self._legal_part(deal, candidate_id.side, now)
            if energy_wh:
                self.book.take(candidate_id, energy_wh)
                self._agree(replace(deal, energy_wh=energy_wh))
                open_wh -= energy_wh
            if _LACKING_SIDE.get(reason) is request.side:
                self.events.append(events.MatchingStopped(order_id, reason))
                break
            if reason is not Reason.NONE:
                self.events.append(events.CandidatePassedOver(order_id, candidate_id, reason))
                if energy_wh == 0 and self._lacks_all(candidate_id, reason):
                    self._remove(candidate_id, events.TurnLost)
        return open_wh

    def _lacks_all(self, order_id: OrderId, reason: Reason) -> bool:
        """Whether an order has means for nothing, also if all open deals of its trader ended: it stands for nothing.

        What deals hold of it counts as its own, so that nobody takes its turn by holding its means in deals.
        """
        trader = self.book[order_id].trader
        if reason is Reason.DEPOSIT_TOO_SMALL:
            account = self.trader(trader)
            return account.free_money + account.held_money < order_id.price_ticks
        claims = self.position(trader, order_id.period)
        return reason is Reason.BEYOND_QUOTA and claims.quota_wh == claims.sold_wh

    def _draft(self, order_id: OrderId, trader: int, open_wh: int, candidate_id: OrderId, now: int) -> Deal:
        candidate = self.book[candidate_id]
        ask, bid, seller, buyer = order_id, candidate_id, trader, candidate.trader
        if order_id.side is Side.BID:
            ask, bid, seller, buyer = bid, ask, buyer, seller
        cooling_off_seconds = self.consortium.settings.cooling_off_seconds
        return Deal(
            ask,
            bid,
            seller,
            buyer,
            energy_wh=min(open_wh, candidate.open_wh),
            confirm_before=min(now + cooling_off_seconds, self._gate(order_id.period)),
            seller_confirmed=False,
            buyer_confirmed=False,
            state=DealState.INTENT if cooling_off_seconds else DealState.CONFIRMED,
        )

    # Step 3: legality check

    def _legal_part(self, deal: Deal, candidate: Side, now: int) -> tuple[int, Reason]:
        """How much of a deal may be made, and why not all of it. Means for a part trade that part."""
        reason = self._illegality(deal, candidate, now)
        if reason is not Reason.NONE:
            return 0, reason
        claims = self.position(deal.seller, deal.ask.period)
        room_wh = claims.quota_wh - claims.held_wh - claims.sold_wh
        free_money, price_ticks = self.trader(deal.buyer).free_money, deal.price_ticks
        bounds = (
            (self._free_way(deal), Reason.NO_TRANSFER_CAPACITY),
            (room_wh, Reason.BEYOND_QUOTA),
            (free_money // price_ticks if price_ticks else deal.energy_wh, Reason.DEPOSIT_TOO_SMALL),
        )
        energy_wh = deal.energy_wh
        for bound_wh, lacking in bounds:
            if bound_wh < energy_wh:
                energy_wh, reason = bound_wh, lacking
        return energy_wh, reason

    def _illegality(self, deal: Deal, candidate: Side, now: int) -> Reason:
        order_id, party = (deal.ask, deal.seller) if candidate is Side.ASK else (deal.bid, deal.buyer)
        if deal.seller == deal.buyer:
            return Reason.SAME_USER
        if not self._in_bounds(order_id.price_ticks):
            return Reason.PRICE_OUT_OF_BOUNDS
        if not self._may_trade(party):
            return Reason.PARTY_SUSPENDED
        if self._is_apart(deal.ask, deal.buyer, now) or self._is_apart(deal.bid, deal.seller, now):
            return Reason.LET_DOWN
        if self._is_inner(deal) and now + PERIOD_SECONDS < self._gate(deal.ask.period):
            return Reason.OTHERS_FIRST
        return Reason.NONE

    def _is_inner(self, deal: Deal) -> bool:
        """Whether a deal between zones is one of a master with itself.

        Such a deal costs the master nothing: what it could take from others so, it may take only in the last period
        before the gate closes, when they had the time to.
        """
        seller, buyer = self.trader(deal.seller), self.trader(deal.buyer)
        return seller.zone != buyer.zone and seller.master_id == buyer.master_id

    def _is_apart(self, order_id: OrderId, other: int, now: int) -> bool:
        """Whether the master of another party let an order down, and that still counts."""
        if order_id not in self.book or self.book[order_id].apart_until <= now:
            return False
        return self.trader(other).master_id in self._apart_from[order_id]

    def _gate(self, period: int) -> int:
        return period * PERIOD_SECONDS - self.consortium.settings.gate_lead_seconds

    def _in_bounds(self, price_ticks: int) -> bool:
        settings = self.consortium.settings
        return settings.floor_ticks <= price_ticks <= settings.cap_ticks

    def _may_trade(self, trader: int) -> bool:
        return self.consortium.may_trade(self.trader(trader).master_id)

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


def _prices_meet(order_id: OrderId, other_id: OrderId) -> bool:
    ask, bid = (order_id, other_id) if order_id.side is Side.ASK else (other_id, order_id)
    return ask.price_ticks <= bid.price_ticks
