"""The deals of one master's nodes: what their slave chain is to be told of them, and whose answers are waited for.

Both chains are read, each at its own time. What stands on both, the deal here and its record there, cancels out,
whichever is read first; what is left over is still to be done, and nothing else is kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter

from gridbourse.index.market_view import STATE_AFTER, MarketView
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.records import Confirmation, DealDetails
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealSettled,
    Event,
    IntentRecorded,
    PartyConfirmed,
)
from gridbourse.market.types import DealState, Side
from gridbourse.node.master import Master

_Party = int
"""A deal's number and a side of it, as one number: deal times 2, plus the side."""


@dataclass(frozen=True, slots=True)
class PendingConfirmation:
    """A deal that waits for a function node's answer."""

    node: FunctionNode
    side: Side
    deal_id: int
    energy_wh: int
    price_ticks: int


class OwnDeals:
    """Keeps up with the deals of one master's nodes.

    Parameters
    ----------
    master
        The master.
    market
        The market of the main chain, which has taken in every event before it is noted here.
    """

    def __init__(self, master: Master, market: MarketView) -> None:
        self._master = master
        self._market = market
        self._newest_deal = 0
        self._unanswered: defaultdict[str, array[_Party]] = defaultdict(lambda: array("Q"))
        """By node, the deals that wait for its answer, rising."""
        self._answered: set[tuple[str, _Party]] = set()
        """Answers that were read before their deal."""
        self._news: dict[_Party, DealState] = {}
        """What the slave chain is to be told: of each deal the newest, which says it all."""
        self._told: set[tuple[_Party, DealState]] = set()
        """What it was told just now, and was not read there yet."""
        self._recorded: set[tuple[_Party, DealState]] = set()
        """What was read there before it was read on the main chain."""

    def note(self, event: Event) -> None:
        """Take note of what happened on the main chain."""
        match event:
            case IntentRecorded():
                self._newest_deal = event.deal_id
                for party, node in self._parties(event.deal_id):
                    self._wait_for_answer(party, node)
                    self._note_state(party, DealState.INTENT)
            case PartyConfirmed() | DealConfirmed() | DealAbandoned() | DealExpired() | DealSettled():
                for party, node in self._parties(event.deal_id):
                    if not isinstance(event, PartyConfirmed) or event.side == party & 1:
                        self._wait_no_more(node.spec.node_id, party)
                    # That both confirmed is not written down again: the parties wrote it themselves.
                    if not isinstance(event, PartyConfirmed | DealConfirmed):
                        self._note_state(party, STATE_AFTER[type(event)])
            case _:
                pass

    def note_record(self, details: DealDetails) -> None:
        """Take note of what the slave chain was told."""
        party = _party(details.deal_id, details.side)
        if (party, details.state) in self._told:
            self._told.remove((party, details.state))
        elif self._news.get(party) is details.state:
            del self._news[party]
        else:
            self._recorded.add((party, details.state))

    def note_answer(self, decision: Confirmation) -> None:
        """Take note of what a node answered."""
        party = _party(decision.deal_id, decision.side)
        if decision.deal_id > self._newest_deal:
            self._answered.add((decision.user_id, party))
        else:
            self._wait_no_more(decision.user_id, party)

    def news(self) -> list[tuple[DealDetails, FunctionNode]]:
        """What the slave chain is to be told now, and whose deals they are."""
        return [
            (self._details(node, party, state), node)
            for told, state in self._news.items()
            for party, node in self._parties(told >> 1)
            if party == told
        ]

    def were_told(self) -> None:
        """Take note that the slave chain was told the news."""
        self._told.update(self._news.items())
        self._news.clear()

    def pending_confirmations(self, node_ids: Collection[str] | None = None) -> list[PendingConfirmation]:
        """The deals that wait for answers, of some nodes or of all, in the order of their numbers."""
        asked = self._master.nodes if node_ids is None else node_ids
        pending_confirmations = [
            self._question(node_id, party)
            for node_id in asked
            if node_id not in self._master.revoked
            for party in self._unanswered[node_id]
        ]
        return sorted(pending_confirmations, key=attrgetter("deal_id", "side"))

    def _question(self, node_id: str, party: _Party) -> PendingConfirmation:
        deal_id, side = party >> 1, Side(party & 1)
        deal = self._market.deals[deal_id]
        return PendingConfirmation(self._master.nodes[node_id], side, deal_id, deal.energy_wh, deal.price_ticks)

    def _wait_for_answer(self, party: _Party, node: FunctionNode) -> None:
        answer = node.spec.node_id, party
        if answer in self._answered:
            self._answered.remove(answer)
        else:
            insort(self._unanswered[node.spec.node_id], party)

    def _wait_no_more(self, node_id: str, party: _Party) -> None:
        waiting = self._unanswered[node_id]
        turn = bisect_left(waiting, party)
        if turn < len(waiting) and waiting[turn] == party:
            del waiting[turn]

    def _note_state(self, party: _Party, state: DealState) -> None:
        self._news.pop(party, None)
        if (party, state) in self._recorded:
            self._recorded.remove((party, state))
        else:
            self._news[party] = state

    def _parties(self, deal_id: int) -> list[tuple[_Party, FunctionNode]]:
        """Which parties of a deal are the master's own nodes."""
        deal = self._market.deals[deal_id]
        nodes = ((_party(deal_id, side), self._master.node_of(deal.trader(side))) for side in Side)
        return [(party, node) for party, node in nodes if node is not None]

    def _details(self, node: FunctionNode, party: _Party, state: DealState) -> DealDetails:
        deal_id, side = party >> 1, Side(party & 1)
        deal = self._market.deals[deal_id]
        own, other = (deal.ask, deal.bid) if side is Side.ASK else (deal.bid, deal.ask)
        return DealDetails(
            user_id=node.spec.node_id,
            side=side,
            deal_id=deal_id,
            own_order=own.pack(),
            other_order=other.pack(),
            energy_wh=deal.energy_wh,
            price_ticks=deal.price_ticks,
            state=state,
        )


def _party(deal_id: int, side: Side) -> _Party:
    return deal_id << 1 | side
