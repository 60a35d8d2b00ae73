"""The market: orders, trades, accounts and positions, as the main chain's events and the users' records make them.

Either may be read first. An order that the market took before its record was read has no owner until then, and a
record that the market has not met yet is an order that is recorded, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.index.blocks import Block, MainBlock
from gridbourse.index.market_rows import MarketRows, NextNumbers, OrderRow, PositionRow, TradeRow
from gridbourse.index.stored_text import stored_text
from gridbourse.ledger.records import Cancellation, DealDetails, OrderDetails
from gridbourse.market.events import (
    CandidatePassedOver,
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealSettled,
    Deposited,
    DepositMoved,
    Event,
    IntentRecorded,
    MatchingStopped,
    OrderCancelled,
    OrderPlaced,
    OrderRefused,
    PartyConfirmed,
    QuotaSet,
    TransferCapacityPublished,
    TurnLost,
    Withdrawn,
)
from gridbourse.market.types import Side

_ENDED = {DealAbandoned: DealStatus.ABANDONED, DealExpired: DealStatus.EXPIRED}


@dataclass(slots=True)
class MarketChanges:
    """What blocks changed, for those who watch.

    Attributes
    ----------
    levels
        Prices of a period and side at which something waits now, or no longer.
    orders, deals, trades
        Numbers of orders and deals, and of those that were agreed.
    """

    levels: set[tuple[int, int, int]] = field(default_factory=set)
    orders: dict[int, None] = field(default_factory=dict)
    deals: dict[int, None] = field(default_factory=dict)
    trades: list[int] = field(default_factory=list)


def apply(
    connection: Connection,
    blocks: Sequence[Block],
    names: Mapping[int, str],
    kept: Collection[str],
    numbers: NextNumbers,
) -> MarketChanges:
    """Write what blocks changed; those of the main chain come first.

    Parameters
    ----------
    connection
        In a transaction, in which the accounts of new traders stand already.
    blocks
        New blocks.
    names
        Names of the masters, by number.
    kept
        Those of the masters whose slave chains are read here: they are to be told of their trades.
    numbers
        The numbers of the next rows, which are counted on.
    """
    fold = _Fold(connection, names, frozenset(kept), numbers)
    fold.fetch(blocks)
    for block in blocks:
        if isinstance(block, MainBlock):
            fold.begin(block.head.height, block.head.timestamp)
            for event in block.events:
                fold.apply(event)
        else:
            for found in block.records:
                if isinstance(found.details, OrderDetails):
                    fold.record(block.master, found.record.leaf, found.details)
                elif isinstance(found.details, Cancellation):
                    fold.want_cancelled(block.master, found.record, found.details)
                elif isinstance(found.details, DealDetails):
                    fold.tell(found.details)
    fold.write()
    return fold.changes


class _Fold(MarketRows):
    """Changes rows as events and records say."""

    def __init__(
        self, connection: Connection, names: Mapping[int, str], kept: frozenset[str], numbers: NextNumbers
    ) -> None:
        super().__init__(connection, numbers)
        self._names = names
        self._kept = kept
        self._height = self._timestamp = 0
        self.changes = MarketChanges()
        self._appliers: dict[type, Callable[[Any], None]] = {
            OrderPlaced: self._place,
            OrderRefused: self._refuse,
            OrderCancelled: self._cancel,
            TurnLost: self._cancel,
            MatchingStopped: self._stop,
            CandidatePassedOver: self._pass_over,
            IntentRecorded: self._agree,
            PartyConfirmed: self._confirm,
            DealConfirmed: self._bind,
            DealAbandoned: self._release,
            DealExpired: self._release,
            DealSettled: self._settle,
            Deposited: self._deposit,
            Withdrawn: self._withdraw,
            DepositMoved: self._move,
            QuotaSet: self._set_quota,
            TransferCapacityPublished: self._publish,
        }

    # What users recorded

    def record(self, chain: str, leaf: bytes, details: OrderDetails) -> None:
        """An order that a node recorded; a record stands for one order, the first."""
        order = self._by_record.get((chain, leaf))
        if order is None:
            order = self._new_order(chain, leaf)
        elif order.node_id is not None:
            return
        order.node_id, order.location = details.user_id, stored_text(details.location)
        order.quota_wh = details.energy_quota_wh
        order.replaces = f"{details.replaces:016x}" if details.replaces else None
        order.automatic = details.automatic
        if order.turn is None:
            order.side, order.energy_types = int(details.side), int(details.energy_types)
            order.period, order.energy_wh, order.price_ticks = details.period, details.energy_wh, details.price_ticks
        self._completed[order.number] = order
        self.changes.orders[order.number] = None

    def want_cancelled(self, chain: str, record: RecordHead, details: Cancellation) -> None:
        """A user's wish that an order leaves the market; it is remembered until the order has."""
        order = self._by_id.get(details.order)
        if order is None or order.status != OrderStatus.CANCELLED.value:
            row = {"chain": chain, "number": record.index, "record_hash": record.leaf, "node_id": details.user_id}
            self._cancellations.append({**row, "order_id": f"{details.order:016x}"})

    def tell(self, details: DealDetails) -> None:
        """A slave chain was told of a trade."""
        trade = self._trades.get(details.deal_id)
        due, status = ("seller_due", "buyer_due")[details.side], details.state.name.lower()
        if trade is not None and getattr(trade, due) == status:
            setattr(trade, due, None)
            self._changed_trades[trade.deal_id] = trade

    # What happened on the main chain

    def begin(self, height: int, timestamp: int) -> None:
        """What follows stands in this block."""
        self._height, self._timestamp = height, timestamp

    def apply(self, event: Event) -> None:
        """Take note of an event."""
        applier = self._appliers.get(type(event))
        if applier is not None:
            applier(event)

    def _place(self, event: OrderPlaced) -> None:
        chain = self._accounts[event.trader].chain
        order = self._by_record.get((chain, event.record_hash))
        if order is None or order.turn is not None:  # no record of it was read, or its hash is used a second time
            order = self._new_order(chain, event.record_hash)
        period, side, price_ticks, turn = event.order_id
        order.period, order.side, order.price_ticks, order.turn = period, int(side), price_ticks, turn
        order.energy_types, order.energy_wh = int(event.energy_types), event.energy_wh
        order.trader, order.placed_at, order.height = event.trader, self._timestamp, self._height
        order.status, order.refusal, order.open_wh = OrderStatus.WAITING.value, None, event.energy_wh
        self._by_id[event.order_id.pack()] = order
        self._completed[order.number] = order
        self._note(order)

    def _refuse(self, event: OrderRefused) -> None:
        chain = self._names.get(event.master_id, str(event.master_id))
        order = self._by_record.get((chain, event.record_hash)) or self._new_order(chain, event.record_hash)
        if order.turn is None:
            order.status, order.refusal = OrderStatus.REFUSED.value, int(event.reason)
            self._completed[order.number] = order
            self.changes.orders[order.number] = None

    def _cancel(self, event: OrderCancelled | TurnLost) -> None:
        order = self._by_id[event.order_id.pack()]
        order.withdrawn_wh += order.open_wh
        order.open_wh, order.status = 0, OrderStatus.CANCELLED.value
        self._cancelled.append(f"{event.order_id.pack():016x}")
        self._note(order)

    def _stop(self, event: MatchingStopped) -> None:
        self._reopen(self._by_id[event.order_id.pack()])

    def _pass_over(self, event: CandidatePassedOver) -> None:
        self._reopen(self._by_id[event.order_id.pack()])
        self._reopen(self._by_id[event.candidate.pack()])

    def _reopen(self, order: OrderRow) -> None:
        """Note that an order may find a counterpart later that it has not found now."""
        order.stopped_height = self._height
        self._changed[order.number] = order

    def _agree(self, event: IntentRecorded) -> None:
        ask, bid = self._by_id[event.ask.pack()], self._by_id[event.bid.pack()]
        assert ask.trader is not None, "it is placed"
        assert bid.trader is not None, "it is placed"
        assert ask.energy_types is not None, "it is placed"
        trade = TradeRow(
            event.deal_id,
            event.ask.period,
            event.ask.price_ticks,
            event.ask.turn,
            event.bid.price_ticks,
            event.bid.turn,
            ask.trader,
            bid.trader,
            ask.energy_types,
            event.energy_wh,
            event.price_ticks,
            event.confirm_before,
            self._timestamp,
            self._height,
            DealStatus.INTENT.value,
        )
        self._trades[event.deal_id] = self._new_trades[event.deal_id] = trade
        self._make_due(trade)
        for order in (ask, bid):
            order.open_wh -= event.energy_wh
            if not order.open_wh:
                order.status = OrderStatus.FILLED.value
            self._note(order)
        self._move_money(trade.buyer, free=-trade.money, held=trade.money)
        self._claim(trade.seller, trade.period).held_wh += trade.energy_wh
        self.changes.deals[trade.deal_id] = None
        self.changes.trades.append(trade.deal_id)

    def _confirm(self, event: PartyConfirmed) -> None:
        trade = self._moved(event.deal_id)
        if event.side is Side.ASK:
            trade.seller_confirmed = True
        else:
            trade.buyer_confirmed = True

    def _bind(self, event: DealConfirmed) -> None:
        self._moved(event.deal_id).status = DealStatus.CONFIRMED.value

    def _release(self, event: DealAbandoned | DealExpired) -> None:
        trade = self._moved(event.deal_id)
        trade.status = _ENDED[type(event)].value
        self._make_due(trade)
        self._move_money(trade.buyer, free=trade.money, held=-trade.money)
        self._claim(trade.seller, trade.period).held_wh -= trade.energy_wh
        for order in (self._by_id[trade.ask], self._by_id[trade.bid]):
            if order.status == OrderStatus.CANCELLED.value:
                order.withdrawn_wh += trade.energy_wh
            else:
                order.open_wh += trade.energy_wh
                order.status = OrderStatus.WAITING.value
                self._reopen(order)
            self._note(order)

    def _settle(self, event: DealSettled) -> None:
        trade = self._moved(event.deal_id)
        trade.status = DealStatus.SETTLED.value
        self._make_due(trade)
        self._move_money(trade.buyer, held=-trade.money)
        self._move_money(trade.seller, free=trade.money)
        sold = self._claim(trade.seller, trade.period)
        sold.held_wh -= trade.energy_wh
        sold.sold_wh += trade.energy_wh
        self._claim(trade.buyer, trade.period).bought_wh += trade.energy_wh

    def _deposit(self, event: Deposited) -> None:
        self._move_money(event.trader, free=event.money)
        self._note_payment(event, is_out=False)

    def _withdraw(self, event: Withdrawn) -> None:
        self._move_money(event.trader, free=-event.money)
        self._note_payment(event, is_out=True)

    def _move(self, event: DepositMoved) -> None:
        self._move_money(event.from_trader, free=-event.money)
        self._move_money(event.to_trader, free=event.money)
        row = {"number": self._numbers.move, "from_trader": event.from_trader, "to_trader": event.to_trader}
        self._moves.append({**row, "money": event.money, "height": self._height})
        self._numbers.move += 1

    def _set_quota(self, event: QuotaSet) -> None:
        self._claim(event.trader, event.period).quota_wh = event.quota_wh

    def _publish(self, event: TransferCapacityPublished) -> None:
        self._capacities[event.period, event.from_zone, event.to_zone] = event.capacity_wh

    # Steps of these

    def _note(self, order: OrderRow) -> None:
        self._changed[order.number] = order
        self.changes.orders[order.number] = None
        self.changes.levels.add((order.period, order.side, order.price_ticks))  # type: ignore[arg-type]

    def _moved(self, deal_id: int) -> TradeRow:
        trade = self._changed_trades[deal_id] = self._trades[deal_id]
        self.changes.deals[deal_id] = None
        return trade

    def _make_due(self, trade: TradeRow) -> None:
        """A trade's state is to be told to the slave chains of its parties that are read here."""
        if self._accounts[trade.seller].chain in self._kept:
            trade.seller_due = trade.status
        if self._accounts[trade.buyer].chain in self._kept:
            trade.buyer_due = trade.status

    def _move_money(self, trader: int, *, free: int = 0, held: int = 0) -> None:
        account = self._changed_accounts[trader] = self._accounts[trader]
        account.free += free
        account.held += held

    def _claim(self, trader: int, period: int) -> PositionRow:
        place = trader, period
        position = self._positions.get(place)
        if position is None:
            position = self._positions[place] = self._new_positions[place] = PositionRow(trader, period)
        self._changed_positions[place] = position
        return position

    def _note_payment(self, event: Deposited | Withdrawn, *, is_out: bool) -> None:
        row = {"number": self._numbers.payment, "reference": event.payment_reference, "trader": event.trader}
        self._payments.append({**row, "money": event.money, "is_out": is_out, "height": self._height})
        self._numbers.payment += 1
