"""The regional energy market, written for reading: the five steps of the paper's section 3.4.

1. Identity and application: a master places an order for one of its traders (``place``).
2. Find a counterpart: candidates come in price-time order; what finds none waits in the book (``_search``).
3. Legality check: an illegal candidate is passed over and the search goes on (``_legal_part``).
4. Intent: the deal is recorded; money, energy and transfer capacity are held (``Deals``).
5. Cooling-off and storage: both parties ``confirm`` and the deal is settled, or one abandons it, or it expires,
   and what it held goes back.

A buyer pays the seller's price, which is never above its own bid. The contract ``EnergyMarket`` has the same
rules; both agree event for event (tests/property/test_market_agreement.py). Malformed words, the contract's own
matter, cannot be written as an ``OrderRequest``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gridbourse.errors import MarketError, OrderRefused
from gridbourse.market import events
from gridbourse.market.book import BEST, Place, each
from gridbourse.market.deals import Deals
from gridbourse.market.types import Deal, DealState, Order, OrderId, OrderRequest, Reason, Side
from gridbourse.units import PERIOD_SECONDS

_LACKING_SIDE = {Reason.BEYOND_QUOTA: Side.ASK, Reason.DEPOSIT_TOO_SMALL: Side.BID}
"""Whose lack it is: a candidate that lacks is passed over, an order that lacks stops its own search."""


class ReferenceMarket(Deals):
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
        if now >= self.consortium.settings.gate_closes_at(request.period):
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
            confirm_before=min(now + cooling_off_seconds, self.consortium.settings.gate_closes_at(order_id.period)),
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
        if self._is_inner(deal) and now + PERIOD_SECONDS < self.consortium.settings.gate_closes_at(deal.ask.period):
            return Reason.OTHERS_FIRST
        return Reason.NONE

    def _is_inner(self, deal: Deal) -> bool:
        """Whether a deal between zones is one of a master with itself.

        Such a deal costs the master nothing: what it could take from others so, it may take only in the last period
        before the gate closes, when they had the time to.
        """
        seller, buyer = self.trader(deal.seller), self.trader(deal.buyer)
        return seller.zone != buyer.zone and seller.master_id == buyer.master_id

    def _in_bounds(self, price_ticks: int) -> bool:
        settings = self.consortium.settings
        return settings.floor_ticks <= price_ticks <= settings.cap_ticks


def _prices_meet(order_id: OrderId, other_id: OrderId) -> bool:
    ask, bid = (order_id, other_id) if order_id.side is Side.ASK else (other_id, order_id)
    return ask.price_ticks <= bid.price_ticks
