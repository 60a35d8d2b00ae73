"""The market as it stands, folded from the main chain's events; it answers every question without asking a chain.

It belongs to the event loop, which alone feeds and reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from gridbourse.index.news import MainBlock, SlaveBlock
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.shelf import Shelf
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.ledger.records import Confirmation, LimitsSet, OrderDetails
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealSettled,
    Deposited,
    DepositMoved,
    Event,
    IntentRecorded,
    OrderCancelled,
    OrderPlaced,
    OrderRefused,
    PartyConfirmed,
    QuotaSet,
    TraderRegistered,
    TurnLost,
    Withdrawn,
)
from gridbourse.market.types import DealState, EnergyType, OrderId, Position, Side, Trader
from gridbourse.service.deals import Answers, DealEntry, Deals
from gridbourse.service.half_book import WaitingOrder
from gridbourse.service.orders import Orders
from gridbourse.units import PERIODS_PER_DAY


@dataclass(slots=True)
class Changes:
    """What a block changed, for those who watch."""

    levels: set[tuple[int, Side, int]] = field(default_factory=set)
    deals: dict[int, None] = field(default_factory=dict)
    orders: dict[OrderId, None] = field(default_factory=dict)
    trades: list[int] = field(default_factory=list)


class MarketState:
    """Orders, deals, deposits and positions of the whole market.

    Parameters
    ----------
    directory
        Who is who; it is told of traders before their orders are taken in.
    shelf
        Where orders and deals are kept.

    Attributes
    ----------
    height, timestamp
        Main-chain block up to which it is folded, and that block's time.
    """

    def __init__(self, directory: ParticipantRegistry, shelf: Shelf) -> None:
        self._directory = directory
        self.height = 0
        self.timestamp = 0
        self.orders = Orders(shelf)
        self.deals = Deals(shelf)
        self.answers = Answers(shelf)
        self.mandates: dict[str, LimitsSet] = {}
        """What each node may do by itself, as its owner said last."""
        self.statements: dict[tuple[str, int], StatementDetails] = {}
        """How masters settled each node's delivery day; the newest statement counts."""
        self._master_of_trader: dict[int, int] = {}
        self._money: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self._claims: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._open_asks_wh: dict[tuple[int, int], int] = defaultdict(int)

    # Folding

    def note_main_block(self, block: MainBlock) -> Changes:
        """Take in a block of the main chain."""
        self.height, self.timestamp = block.head.height, block.head.timestamp
        changes = Changes()
        for event in block.events:
            self._take_in(event, changes)
        return changes

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in what nodes recorded on a slave chain."""
        for found in block.records:
            match found.details:
                case OrderDetails():
                    self.orders.record(self._directory.numbers[block.master], found.record.leaf, found.details)
                case LimitsSet():
                    self.mandates[found.details.user_id] = found.details
                case StatementDetails(user_id=user_id, first_period=first):
                    self.statements[user_id, first // PERIODS_PER_DAY] = found.details
                case Confirmation():
                    self.answers.note(found.details)
                case _:
                    pass

    def _take_in(self, event: Event, changes: Changes) -> None:
        match event:
            case OrderPlaced(order_id=order_id):
                self.orders.place(event, self._master_of_trader[event.trader], self.timestamp, self.height)
                self._note_open(order_id, event.trader, event.energy_wh, changes)
            case OrderRefused():
                self.orders.refuse(event.master_id, event.record_hash, event.reason)
            case OrderCancelled(order_id=order_id) | TurnLost(order_id=order_id):
                trader, open_wh = self.orders.cancel(order_id)
                self._note_open(order_id, trader, -open_wh, changes)
            case IntentRecorded():
                self._agree(event, changes)
            case PartyConfirmed():
                self.deals.confirm(event.deal_id, event.side)
                changes.deals[event.deal_id] = None
            case DealConfirmed():
                self.deals.move_on(event.deal_id, DealState.CONFIRMED)
                changes.deals[event.deal_id] = None
            case DealAbandoned():
                self._release(self.deals.move_on(event.deal_id, DealState.ABANDONED), changes)
            case DealExpired():
                self._release(self.deals.move_on(event.deal_id, DealState.EXPIRED), changes)
            case DealSettled():
                self._settle(self.deals.move_on(event.deal_id, DealState.SETTLED), changes)
            case _:
                self._keep_accounts(event)

    def _keep_accounts(self, event: Event) -> None:
        match event:
            case TraderRegistered():
                self._master_of_trader[event.trader] = event.master_id
                self._directory.note_trader(event)
            case Deposited():
                self._money[event.trader][0] += event.money
            case Withdrawn():
                self._money[event.trader][0] -= event.money
            case DepositMoved():
                self._money[event.from_trader][0] -= event.money
                self._money[event.to_trader][0] += event.money
            case QuotaSet():
                self._claims[event.trader, event.period][0] = event.quota_wh
            case _:
                pass

    def _agree(self, event: IntentRecorded, changes: Changes) -> None:
        ask, bid = (self.orders.agree(order_id, event.energy_wh) for order_id in (event.ask, event.bid))
        deal = DealEntry(
            deal_id=event.deal_id,
            ask=event.ask,
            bid=event.bid,
            seller=ask.trader,
            buyer=bid.trader,
            energy_type=ask.energy_types,
            energy_wh=event.energy_wh,
            confirm_before=event.confirm_before,
            agreed_at=self.timestamp,
            height=self.height,
        )
        owners = {side: self._directory.owners.get(deal.trader(side)) for side in Side}
        self.deals.agree(deal, {side: owner.node_id for side, owner in owners.items() if owner})
        for order in (ask, bid):
            self._note_open(order.order_id, order.trader, -event.energy_wh, changes)
        self._move_money(deal.buyer, free=-deal.money, held=deal.money)
        self._claims[deal.seller, event.ask.period][1] += deal.energy_wh
        changes.deals[event.deal_id] = None
        changes.trades.append(event.deal_id)

    def _release(self, deal: DealEntry, changes: Changes) -> None:
        self._move_money(deal.buyer, free=deal.money, held=-deal.money)
        self._claims[deal.seller, deal.ask.period][1] -= deal.energy_wh
        for side, order_id in zip(Side, (deal.ask, deal.bid), strict=True):
            waits_again = self.orders.give_back(order_id, deal.energy_wh)
            self._note_open(order_id, deal.trader(side), deal.energy_wh if waits_again else 0, changes)
        changes.deals[deal.deal_id] = None

    def _settle(self, deal: DealEntry, changes: Changes) -> None:
        self._move_money(deal.buyer, held=-deal.money)
        self._move_money(deal.seller, free=deal.money)
        sold, bought = self._claims[deal.seller, deal.ask.period], self._claims[deal.buyer, deal.ask.period]
        sold[1] -= deal.energy_wh
        sold[2] += deal.energy_wh
        bought[3] += deal.energy_wh
        changes.deals[deal.deal_id] = None

    def _note_open(self, order_id: OrderId, trader: int, more_wh: int, changes: Changes) -> None:
        """Note that so much more, or less, of an order waits."""
        period, side, price_ticks, _ = order_id
        if side is Side.ASK:
            self._open_asks_wh[trader, period] += more_wh
        changes.levels.add((period, side, price_ticks))
        changes.orders[order_id] = None

    def _move_money(self, trader: int, *, free: int = 0, held: int = 0) -> None:
        money = self._money[trader]
        money[0] += free
        money[1] += held

    # Reading

    def level(self, period: int, side: Side, price_ticks: int) -> list[WaitingOrder]:
        """Orders that wait at a price, first come first."""
        book = self.orders.book(period, side)
        return book.level(price_ticks) if book else []

    def levels(self, period: int, side: Side) -> Iterator[tuple[int, list[WaitingOrder]]]:
        """Prices at which orders wait, best first, with the orders."""
        book = self.orders.book(period, side)
        return book.levels() if book else iter(())

    def best(self, period: int, side: Side, types: EnergyType | None = None) -> int | None:
        """The best price at which anything waits, of some energy types or of all; None if nothing does."""
        book = self.orders.book(period, side)
        return book.best(EnergyType.any() if types is None else types) if book else None

    def waiting_wh(self, period: int, side: Side) -> int:
        """How much waits."""
        book = self.orders.book(period, side)
        return book.waiting_wh if book else 0

    def periods(self) -> set[int]:
        """Periods in which something waits or was agreed."""
        return {*self.orders.waiting_periods(), *self.deals.periods()}

    def deals_on(self, day: int) -> Iterator[DealEntry]:
        """Deals for delivery on a day, by period and then by number."""
        for period in range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY):
            for deal_id in self.deals.of_period(period):
                yield self.deals[deal_id]

    def settled_deals(self, node_id: str, day: int) -> Iterator[tuple[DealEntry, Side]]:
        """Settled deals of a node for delivery on a day, with its side, by number."""
        periods = range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
        on_day = [numbers for period in periods if (numbers := self.deals.of_period(period))]
        first = min((numbers[0] for numbers in on_day), default=1)
        last = max((numbers[-1] for numbers in on_day), default=0)
        own = self.deals.of_node(node_id)
        for place in own[bisect_left(own, 2 * first) : bisect_left(own, 2 * last + 2)]:
            deal_id, side = divmod(place, 2)
            if self.deals.state(deal_id) is DealState.SETTLED:
                deal = self.deals[deal_id]
                if deal.ask.period in periods:
                    yield deal, Side(side)

    def account(self, trader: int) -> Trader:
        """A trader's master and money."""
        free, held = self._money.get(trader, (0, 0))
        return Trader(self._master_of_trader.get(trader, 0), free, held)

    def offered_wh(self, trader: int, period: int) -> int:
        """What a trader's asks in a period take up: what waits, what deals hold, and what is sold."""
        claims = self.position(trader, period)
        return self._open_asks_wh.get((trader, period), 0) + claims.held_wh + claims.sold_wh

    def position(self, trader: int, period: int) -> Position:
        """A trader's energy claims in a period."""
        return Position(*self._claims.get((trader, period), (0, 0, 0, 0)))
