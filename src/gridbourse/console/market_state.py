"""The market as it stands, folded from the main chain's events; it answers every question without asking a chain.

It belongs to the event loop, which alone feeds and reads it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gridbourse.console.directory import Directory
from gridbourse.console.news import MainBlock, SlaveBlock
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
    Withdrawn,
)
from gridbourse.market.types import DealState, EnergyType, OrderId, Position, Reason, Side, Trader
from gridbourse.network.duty_records import StatementDetails
from gridbourse.network.records import Decision, Mandate, OrderDetails
from gridbourse.units import PERIODS_PER_DAY

HalfBook = tuple[int, Side]
"""Delivery period and side."""

ENDED_WITHOUT_TRANSFER = frozenset({DealState.ABANDONED, DealState.EXPIRED})


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """An order as its node recorded it; `turn` counts such records in the order in which they were read."""

    turn: int
    details: OrderDetails


@dataclass(slots=True)
class OrderEntry:
    """An order in the market."""

    order_id: OrderId
    trader: int
    energy_types: EnergyType
    energy_wh: int
    leaf: bytes
    open_wh: int
    placed_at: int
    height: int
    agreed_wh: int = 0
    is_cancelled: bool = False


@dataclass(slots=True)
class DealEntry:
    """A deal."""

    deal_id: int
    ask: OrderId
    bid: OrderId
    seller: int
    buyer: int
    energy_type: EnergyType
    energy_wh: int
    confirm_before: int
    agreed_at: int
    height: int
    state: DealState = DealState.INTENT
    confirmed_sides: set[Side] = field(default_factory=set)

    @property
    def price_ticks(self) -> int:
        """Price in 0.0001 yuan/kWh."""
        return self.ask.price_ticks

    @property
    def money(self) -> int:
        """What the buyer pays, in 1e-7 yuan."""
        return self.energy_wh * self.ask.price_ticks

    @property
    def transfers(self) -> bool:
        """Whether energy and money have moved, or still may."""
        return self.state not in ENDED_WITHOUT_TRANSFER

    def trader(self, side: Side) -> int:
        """Number of the party on a side."""
        return self.seller if side is Side.ASK else self.buyer


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

    Attributes
    ----------
    height, timestamp
        Main-chain block up to which it is folded, and that block's time.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.height = 0
        self.timestamp = 0
        self.orders: dict[OrderId, OrderEntry] = {}
        self.deals: dict[int, DealEntry] = {}
        self.order_of_leaf: dict[bytes, OrderId] = {}
        self.refusals: dict[bytes, Reason] = {}
        self.recorded: dict[bytes, RecordedOrder] = {}
        """Every order that a node recorded on a slave chain, by leaf."""
        self.leaves_of_node: dict[str, list[bytes]] = defaultdict(list)
        self.deals_of_node: dict[str, list[tuple[int, Side]]] = defaultdict(list)
        self.deals_of_period: dict[int, list[int]] = defaultdict(list)
        self.mandates: dict[str, Mandate] = {}
        """What each node may do by itself, as its owner said last."""
        self.statements: dict[tuple[str, int], StatementDetails] = {}
        """How masters settled each node's delivery day; the newest statement counts."""
        self.answers: dict[tuple[int, Side], bool] = {}
        self._master_of_trader: dict[int, int] = {}
        self._books: dict[HalfBook, dict[int, dict[OrderId, OrderEntry]]] = {}
        self._waiting_wh: dict[HalfBook, int] = defaultdict(int)
        self._deal_changes: dict[int, int] = defaultdict(int)
        self._money: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self._claims: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._open_asks_wh: dict[tuple[int, int], int] = defaultdict(int)

    # Folding

    def note_main_block(self, block: MainBlock) -> Changes:
        """Take in a block of the main chain."""
        self.height, self.timestamp = block.header.height, block.header.timestamp
        changes = Changes()
        for event in block.events:
            self._take_in(event, changes)
        return changes

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in what nodes recorded on a slave chain."""
        for found in block.records:
            match found.details:
                case OrderDetails():
                    leaf = found.record.leaf
                    self.recorded[leaf] = RecordedOrder(len(self.recorded), found.details)
                    self.leaves_of_node[found.details.user_id].append(leaf)
                case Mandate():
                    self.mandates[found.details.user_id] = found.details
                case StatementDetails(user_id=user_id, first_period=first):
                    self.statements[user_id, first // PERIODS_PER_DAY] = found.details
                case Decision():
                    self.answers.setdefault((found.details.deal_id, found.details.side), found.details.confirmed)
                case _:
                    pass

    def _take_in(self, event: Event, changes: Changes) -> None:
        match event:
            case OrderPlaced():
                self._place(event, changes)
            case OrderRefused():
                self.refusals[event.record_hash] = event.reason
            case OrderCancelled():
                self._cancel(self.orders[event.order_id], changes)
            case IntentRecorded():
                self._agree(event, changes)
            case PartyConfirmed():
                self.deals[event.deal_id].confirmed_sides.add(event.side)
                changes.deals[event.deal_id] = None
            case DealConfirmed():
                self.deals[event.deal_id].state = DealState.CONFIRMED
                changes.deals[event.deal_id] = None
            case DealAbandoned():
                self._release(self.deals[event.deal_id], DealState.ABANDONED, changes)
            case DealExpired():
                self._release(self.deals[event.deal_id], DealState.EXPIRED, changes)
            case DealSettled():
                self._settle(self.deals[event.deal_id], changes)
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

    def _place(self, event: OrderPlaced, changes: Changes) -> None:
        entry = OrderEntry(
            order_id=event.order_id,
            trader=event.trader,
            energy_types=event.energy_types,
            energy_wh=event.energy_wh,
            leaf=event.record_hash,
            open_wh=0,
            placed_at=self.timestamp,
            height=self.height,
        )
        self.orders[event.order_id] = entry
        self.order_of_leaf.setdefault(event.record_hash, event.order_id)
        self._open(entry, event.energy_wh, changes)

    def _cancel(self, entry: OrderEntry, changes: Changes) -> None:
        entry.is_cancelled = True
        self._open(entry, 0, changes)

    def _agree(self, event: IntentRecorded, changes: Changes) -> None:
        ask, bid = self.orders[event.ask], self.orders[event.bid]
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
        self.deals[event.deal_id] = deal
        self.deals_of_period[event.ask.period].append(event.deal_id)
        for side in Side:
            if owner := self._directory.owners.get(deal.trader(side)):
                self.deals_of_node[owner.node_id].append((event.deal_id, side))
        for entry in (ask, bid):
            entry.agreed_wh += event.energy_wh
            self._open(entry, entry.open_wh - event.energy_wh, changes)
        self._move_money(deal.buyer, free=-deal.money, held=deal.money)
        self._claims[deal.seller, event.ask.period][1] += deal.energy_wh
        changes.deals[event.deal_id] = None
        changes.trades.append(event.deal_id)
        self._deal_changes[event.ask.period] += 1

    def _release(self, deal: DealEntry, state: DealState, changes: Changes) -> None:
        deal.state = state
        self._move_money(deal.buyer, free=deal.money, held=-deal.money)
        self._claims[deal.seller, deal.ask.period][1] -= deal.energy_wh
        for order_id in (deal.ask, deal.bid):
            entry = self.orders[order_id]
            entry.agreed_wh -= deal.energy_wh
            if not entry.is_cancelled:
                self._open(entry, entry.open_wh + deal.energy_wh, changes)
        changes.deals[deal.deal_id] = None
        self._deal_changes[deal.ask.period] += 1

    def _settle(self, deal: DealEntry, changes: Changes) -> None:
        deal.state = DealState.SETTLED
        self._move_money(deal.buyer, held=-deal.money)
        self._move_money(deal.seller, free=deal.money)
        sold, bought = self._claims[deal.seller, deal.ask.period], self._claims[deal.buyer, deal.ask.period]
        sold[1] -= deal.energy_wh
        sold[2] += deal.energy_wh
        bought[3] += deal.energy_wh
        changes.deals[deal.deal_id] = None

    def _open(self, entry: OrderEntry, open_wh: int, changes: Changes) -> None:
        """Let so much of an order wait."""
        period, side, price_ticks, _ = entry.order_id
        if side is Side.ASK:
            self._open_asks_wh[entry.trader, period] += open_wh - entry.open_wh
        self._waiting_wh[period, side] += open_wh - entry.open_wh
        entry.open_wh = open_wh
        book = self._books.setdefault((period, side), {})
        level = book.setdefault(price_ticks, {})
        if open_wh:
            level[entry.order_id] = entry
        else:
            level.pop(entry.order_id, None)
        if not level:
            del book[price_ticks]
        changes.levels.add((period, side, price_ticks))
        changes.orders[entry.order_id] = None

    def _move_money(self, trader: int, *, free: int = 0, held: int = 0) -> None:
        money = self._money[trader]
        money[0] += free
        money[1] += held

    # Reading

    def level(self, period: int, side: Side, price_ticks: int) -> list[OrderEntry]:
        """Orders that wait at a price, first come first."""
        level = self._books.get((period, side), {}).get(price_ticks, {})
        return sorted(level.values(), key=lambda entry: entry.order_id.turn)

    def levels(self, period: int, side: Side) -> Iterator[tuple[int, list[OrderEntry]]]:
        """Prices at which orders wait, best first, with the orders."""
        book = self._books.get((period, side), {})
        for price_ticks in sorted(book, reverse=side is Side.BID):
            yield price_ticks, self.level(period, side, price_ticks)

    def best(self, period: int, side: Side) -> int | None:
        """The best price at which anything waits."""
        book = self._books.get((period, side))
        if not book:
            return None
        return min(book) if side is Side.ASK else max(book)

    def waiting_wh(self, period: int, side: Side) -> int:
        """How much waits."""
        return self._waiting_wh.get((period, side), 0)

    def deal_changes(self, period: int) -> int:
        """Counts what changed in a period's deals: while it stays, so do their prices and volumes."""
        return self._deal_changes.get(period, 0)

    def periods(self) -> set[int]:
        """Periods in which something waits or was agreed."""
        return {period for (period, _), book in self._books.items() if book} | set(self.deals_of_period)

    def deals_on(self, day: int) -> Iterator[DealEntry]:
        """Deals for delivery on a day, by period and then by number."""
        for period in range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY):
            for deal_id in self.deals_of_period.get(period, []):
                yield self.deals[deal_id]

    def deal_counts(self) -> Mapping[DealState, int]:
        """How many deals are in each state."""
        counted = Counter(deal.state for deal in self.deals.values())
        return {state: counted[state] for state in DealState if state is not DealState.NONE}

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
