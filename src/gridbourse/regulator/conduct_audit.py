"""What the regulator is told of how parties trade, though every single step of it is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from gridbourse.contracts.main_chain import MainChain
from gridbourse.market.events import DepositMoved
from gridbourse.market.types import Deal, DealState, Side
from gridbourse.regulator.name_audit import NameAudit
from gridbourse.text import Message
from gridbourse.units import format_price

LET_DOWN_LIMIT = 3
"""So many deals of a delivery day may a user let end unanswered or abandoned before it is named."""


class ConductAudit:
    """Finds who lets deals end again and again, and who trades with itself.

    Parameters
    ----------
    main
        The main chain.
    names
        Knows the registered traders.
    deals
        All deals by their number.
    answers
        By deal and side, whether it was confirmed or abandoned.
    name
        Tells a master's name.
    """

    def __init__(
        self,
        main: MainChain,
        names: NameAudit,
        deals: Mapping[int, Deal],
        answers: Mapping[tuple[int, Side], bool],
        name: Callable[[int], str],
    ) -> None:
        self._main = main
        self._names = names
        self._deals = deals
        self._answers = answers
        self._name = name
        self._moved: set[tuple[int, int]] = set()

    def note(self, moved: DepositMoved) -> None:
        """Take note that a master moved money between two of its traders."""
        self._moved.add((moved.from_trader, moved.to_trader))

    def wrong(self) -> Iterator[Message]:
        """Everything that is to be told."""
        yield from self._let_down()
        yield from self._wash_trades()

    def _let_down(self) -> Iterator[Message]:
        counted: Counter[int] = Counter()
        for deal_id, deal in self._deals.items():
            for side in Side:
                answer = self._answers.get((deal_id, side))
                silent = deal.state is DealState.EXPIRED and answer is None
                if silent or (deal.state is DealState.ABANDONED and answer is False):
                    counted[deal.trader(side)] += 1
        for trader, times in counted.items():
            if times > LET_DOWN_LIMIT:
                text = "{user} of {name} let {count} deals end on one day: trader {trader}"
                yield Message(text, count=times, trader=trader, **self._who(trader))

    def _wash_trades(self) -> Iterator[Message]:
        settings = self._main.consortium.settings()
        limits = {settings.floor_ticks, settings.cap_ticks}
        inside = {
            deal_id: deal
            for deal_id, deal in self._deals.items()
            if deal.state is DealState.SETTLED and self._is_inside(deal)
        }
        ways = {(deal.ask.period, deal.seller, deal.buyer) for deal in inside.values()}
        for deal_id, deal in inside.items():
            if (deal.ask.period, deal.buyer, deal.seller) in ways:
                text = "deal {deal} of {user} and {other}, both below {name}: each sold to the other in period {period}"
            elif (deal.seller, deal.buyer) in self._moved:
                text = "deal {deal} of {user} and {other}, both below {name}: the money was moved back"
            elif deal.price_ticks in limits:
                text = "deal {deal} of {user} and {other}, both below {name}: traded at a limit of the market, {price}"
            else:
                continue
            parts = {"period": deal.ask.period, "price": format_price(deal.price_ticks)}
            other = self._names.user_of(deal.buyer)
            yield Message(text, deal=deal_id, other=other, **parts, **self._who(deal.seller))

    def _is_inside(self, deal: Deal) -> bool:
        return self._names[deal.seller].master_id == self._names[deal.buyer].master_id

    def _who(self, trader: int) -> dict[str, str]:
        return {"user": self._names.user_of(trader), "name": self._name(self._names[trader].master_id)}
