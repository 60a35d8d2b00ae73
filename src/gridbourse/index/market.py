"""The market: orders, trades, accounts and positions, as the main chain's events and the users' records make them.

Either may be read first. An order that the market took before its record was read has no owner until then, and a
record that the market has not met yet is an order that is recorded, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_, update

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.index.blocks import Block, MainBlock
from gridbourse.index.database import insert_rows, is_integer, update_rows
from gridbourse.index.schema import (
    cancellations,
    day_accounts,
    deposit_moves,
    orders,
    payments,
    positions,
    trades,
    transfer_capacities,
)
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
from gridbourse.market.types import OrderId, Side

_AT_ONCE = 500
"""So many rows are looked up by one query."""

_Key = TypeVar("_Key")
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


@dataclass(slots=True)
class _Order:
    """A row of `orders`."""

    number: int
    record_hash: bytes
    chain: str
    node_id: str | None = None
    location: str | None = None
    quota_wh: int | None = None
    replaces: str | None = None
    side: int | None = None
    energy_types: int | None = None
    period: int | None = None
    energy_wh: int | None = None
    price_ticks: int | None = None
    status: str = "recorded"
    refusal: int | None = None
    trader: int | None = None
    turn: int | None = None
    placed_at: int | None = None
    height: int | None = None
    open_wh: int = 0
    withdrawn_wh: int = 0
    stopped_height: int | None = None


@dataclass(slots=True)
class _Trade:
    """A row of `trades`."""

    deal_id: int
    period: int
    ask_price_ticks: int
    ask_turn: int
    bid_price_ticks: int
    bid_turn: int
    seller: int
    buyer: int
    energy_type: int
    energy_wh: int
    price_ticks: int
    confirm_before: int
    agreed_at: int
    height: int
    status: str
    seller_confirmed: bool = False
    buyer_confirmed: bool = False
    seller_due: str | None = None
    buyer_due: str | None = None

    @property
    def ask(self) -> int:
        """The ask's id."""
        return OrderId(self.period, Side.ASK, self.ask_price_ticks, self.ask_turn).pack()

    @property
    def bid(self) -> int:
        """The bid's id."""
        return OrderId(self.period, Side.BID, self.bid_price_ticks, self.bid_turn).pack()

    @property
    def money(self) -> int:
        """What the buyer pays."""
        return self.energy_wh * self.price_ticks


@dataclass(slots=True)
class _Account:
    """What changes of a row of `day_accounts`."""

    trader: int
    chain: str
    free_money: int
    held_money: int


@dataclass(slots=True)
class _Position:
    """A row of `positions`."""

    trader: int
    period: int
    quota_wh: int = 0
    held_wh: int = 0
    sold_wh: int = 0
    bought_wh: int = 0


_STANDING = ("status", "open_wh", "withdrawn_wh", "stopped_height")
"""What the market changes of an order that it has."""
_COMPLETED = tuple(column.name for column in orders.columns if column.name != "number")
_TRADE_STANDING = ("status", "seller_confirmed", "buyer_confirmed", "seller_due", "buyer_due")
_CLAIMS = ("quota_wh", "held_wh", "sold_wh", "bought_wh")

_ORDERS_BY_RECORD = select(orders).where(orders.c.record_hash.in_(bindparam("keys", expanding=True)))
_ORDER_ID = (orders.c.period, orders.c.side, orders.c.price_ticks, orders.c.turn)
_ORDERS_BY_ID = select(orders).where(
    tuple_(*_ORDER_ID).in_(bindparam("keys", expanding=True)), orders.c.turn.is_not(None)
)
_TRADES = select(trades).where(trades.c.deal_id.in_(bindparam("keys", expanding=True)))
_ACCOUNTS = select(
    day_accounts.c.trader, day_accounts.c.chain, day_accounts.c.free_money, day_accounts.c.held_money
).where(day_accounts.c.trader.in_(bindparam("keys", expanding=True)))
_POSITIONS = select(positions).where(
    tuple_(positions.c.trader, positions.c.period).in_(bindparam("keys", expanding=True))
)
_NEW_MONEY = (
    update(day_accounts)
    .where(day_accounts.c.trader == bindparam("of"))
    .values(free_money=bindparam("free"), held_money=bindparam("held"))
)


@dataclass(slots=True)
class NextNumbers:
    """The numbers of the next rows."""

    order: int
    payment: int
    move: int


def next_numbers(connection: Connection) -> NextNumbers:
    """Read which rows are next."""
    columns = (orders.c.number, payments.c.number, deposit_moves.c.number)
    return NextNumbers(*((connection.scalar(select(func.max(column))) or 0) + 1 for column in columns))


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


class _Fold:
    """Rows that blocks change: fetched together, changed here, and written together."""

    def __init__(
        self, connection: Connection, names: Mapping[int, str], kept: frozenset[str], numbers: NextNumbers
    ) -> None:
        self._connection = connection
        self._names = names
        self._kept = kept
        self._height = self._timestamp = 0
        self._numbers = numbers
        # A hash can be seen on its way, and copied: what another master names so is another order.
        self._by_record: dict[tuple[str, bytes], _Order] = {}
        self._by_id: dict[int, _Order] = {}
        self._trades: dict[int, _Trade] = {}
        self._accounts: dict[int, _Account] = {}
        self._positions: dict[tuple[int, int], _Position] = {}
        self._new_orders: dict[int, _Order] = {}
        self._completed: dict[int, _Order] = {}
        self._changed: dict[int, _Order] = {}
        self._new_trades: dict[int, _Trade] = {}
        self._changed_trades: dict[int, _Trade] = {}
        self._changed_accounts: dict[int, _Account] = {}
        self._new_positions: dict[tuple[int, int], _Position] = {}
        self._changed_positions: dict[tuple[int, int], _Position] = {}
        self._payments: list[dict[str, object]] = []
        self._moves: list[dict[str, object]] = []
        self._capacities: dict[tuple[int, int, int], int] = {}
        self._cancellations: list[dict[str, object]] = []
        self._cancelled: list[str] = []
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

    # Rows

    def fetch(self, blocks: Sequence[Block]) -> None:
        """Fetch the rows that blocks are about."""
        events = [event for block in blocks if isinstance(block, MainBlock) for event in block.events]
        details = [found for block in blocks if not isinstance(block, MainBlock) for found in block.records]
        leaves = {event.record_hash for event in events if isinstance(event, OrderPlaced | OrderRefused)}
        leaves |= {found.record.leaf for found in details if isinstance(found.details, OrderDetails)}
        # Of several rows with one record the first stands for it; later ones are others' who wrote its hash again.
        for order in sorted(self._rows(_ORDERS_BY_RECORD, leaves, _Order), key=lambda order: -order.number):
            self._keep(order)
            self._by_record[order.chain, order.record_hash] = order
        told = {found.details.deal_id for found in details if isinstance(found.details, DealDetails)}
        told = {deal_id for deal_id in told if is_integer(deal_id)}
        changed = {event.deal_id for event in events if isinstance(event, _DEAL_CHANGES)}
        new = {event.deal_id for event in events if isinstance(event, IntentRecorded)}
        for trade in self._rows(_TRADES, (told | changed) - new, _Trade):
            self._trades[trade.deal_id] = trade
        cancelled = {found.details.order for found in details if isinstance(found.details, Cancellation)}
        self._fetch_orders(events, cancelled)
        self._fetch_claims(events)

    def _fetch_orders(self, events: Iterable[Event], cancelled: Collection[int]) -> None:
        placed = {event.order_id.pack() for event in events if isinstance(event, OrderPlaced)}
        wanted = {order_id for event in events for order_id in _orders_of(event)} | set(cancelled)
        wanted |= {order_id for trade in self._trades.values() for order_id in (trade.ask, trade.bid)}
        wanted -= placed | self._by_id.keys()
        for order in self._rows(_ORDERS_BY_ID, {_place(order_id) for order_id in wanted}, _Order):
            self._keep(order)

    def _fetch_claims(self, events: Iterable[Event]) -> None:
        traders = {order.trader for order in self._by_id.values()}
        traders |= {event.trader for event in events if isinstance(event, OrderPlaced | Deposited | Withdrawn)}
        for event in events:
            if isinstance(event, DepositMoved):
                traders |= {event.from_trader, event.to_trader}
        for account in self._rows(_ACCOUNTS, traders - {None}, _Account):
            self._accounts[account.trader] = account
        claims = {(event.trader, event.period) for event in events if isinstance(event, QuotaSet)}
        if any(isinstance(event, IntentRecorded | DealAbandoned | DealExpired | DealSettled) for event in events):
            claims |= {(order.trader, order.period) for order in self._by_id.values()}  # type: ignore[misc]
            claims |= {(event.trader, event.order_id.period) for event in events if isinstance(event, OrderPlaced)}
        for position in self._rows(_POSITIONS, claims, _Position):
            self._positions[position.trader, position.period] = position

    def _rows(self, statement: Any, keys: Collection[Any], row: Callable[..., _Key]) -> Iterator[_Key]:
        wanted = list(keys)
        for first in range(0, len(wanted), _AT_ONCE):
            for found in self._connection.execute(statement, {"keys": wanted[first : first + _AT_ONCE]}):
                yield row(*found)

    def _keep(self, order: _Order) -> None:
        if order.turn is not None:
            self._by_id[_key(order)] = order

    def _new_order(self, chain: str, record_hash: bytes) -> _Order:
        order = _Order(self._numbers.order, record_hash, chain)
        self._numbers.order += 1
        self._new_orders[order.number] = order
        self._by_record.setdefault((chain, record_hash), order)
        return order

    def write(self) -> None:
        """Write all that changed."""
        completed = {number: order for number, order in self._completed.items() if number not in self._new_orders}
        standing = {
            number: order
            for number, order in self._changed.items()
            if number not in self._new_orders and number not in completed
        }
        insert_rows(self._connection, orders, self._new_orders.values())
        update_rows(self._connection, orders, _COMPLETED, completed.values())
        update_rows(self._connection, orders, _STANDING, standing.values())
        insert_rows(self._connection, trades, self._new_trades.values())
        moved = [trade for number, trade in self._changed_trades.items() if number not in self._new_trades]
        update_rows(self._connection, trades, _TRADE_STANDING, moved)
        insert_rows(self._connection, positions, self._new_positions.values())
        claimed = [claim for place, claim in self._changed_positions.items() if place not in self._new_positions]
        update_rows(self._connection, positions, _CLAIMS, claimed)
        if self._changed_accounts:
            money = [
                {"of": account.trader, "free": account.free_money, "held": account.held_money}
                for account in self._changed_accounts.values()
            ]
            self._connection.execute(_NEW_MONEY, money)
        for first in range(0, len(self._cancelled), _AT_ONCE):
            done = cancellations.c.order_id.in_(self._cancelled[first : first + _AT_ONCE])
            self._connection.execute(delete(cancellations).where(done))
        if self._cancellations:
            self._connection.execute(insert(cancellations), self._cancellations)
        if self._payments:
            self._connection.execute(insert(payments), self._payments)
        if self._moves:
            self._connection.execute(insert(deposit_moves), self._moves)
        for (period, from_zone, to_zone), capacity_wh in self._capacities.items():
            key = {"period": period, "from_zone": from_zone, "to_zone": to_zone}
            self._connection.execute(transfer_capacities.delete().filter_by(**key))
            self._connection.execute(insert(transfer_capacities), {**key, "capacity_wh": capacity_wh})

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

    def _reopen(self, order: _Order) -> None:
        """Note that an order may find a counterpart later that it has not found now."""
        order.stopped_height = self._height
        self._changed[order.number] = order

    def _agree(self, event: IntentRecorded) -> None:
        ask, bid = self._by_id[event.ask.pack()], self._by_id[event.bid.pack()]
        assert ask.trader is not None, "it is placed"
        assert bid.trader is not None, "it is placed"
        assert ask.energy_types is not None, "it is placed"
        trade = _Trade(
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

    def _note(self, order: _Order) -> None:
        self._changed[order.number] = order
        self.changes.orders[order.number] = None
        self.changes.levels.add((order.period, order.side, order.price_ticks))  # type: ignore[arg-type]

    def _moved(self, deal_id: int) -> _Trade:
        trade = self._changed_trades[deal_id] = self._trades[deal_id]
        self.changes.deals[deal_id] = None
        return trade

    def _make_due(self, trade: _Trade) -> None:
        """A trade's state is to be told to the slave chains of its parties that are read here."""
        if self._accounts[trade.seller].chain in self._kept:
            trade.seller_due = trade.status
        if self._accounts[trade.buyer].chain in self._kept:
            trade.buyer_due = trade.status

    def _move_money(self, trader: int, *, free: int = 0, held: int = 0) -> None:
        account = self._changed_accounts[trader] = self._accounts[trader]
        account.free_money += free
        account.held_money += held

    def _claim(self, trader: int, period: int) -> _Position:
        place = trader, period
        position = self._positions.get(place)
        if position is None:
            position = self._positions[place] = self._new_positions[place] = _Position(trader, period)
        self._changed_positions[place] = position
        return position

    def _note_payment(self, event: Deposited | Withdrawn, *, is_out: bool) -> None:
        row = {"number": self._numbers.payment, "reference": event.payment_reference, "trader": event.trader}
        self._payments.append({**row, "money": event.money, "is_out": is_out, "height": self._height})
        self._numbers.payment += 1


_DEAL_CHANGES = (PartyConfirmed, DealConfirmed, DealAbandoned, DealExpired, DealSettled)


def _orders_of(event: Event) -> tuple[int, ...]:
    match event:
        case OrderCancelled() | TurnLost() | MatchingStopped():
            return (event.order_id.pack(),)
        case CandidatePassedOver():
            return event.order_id.pack(), event.candidate.pack()
        case IntentRecorded():
            return event.ask.pack(), event.bid.pack()
        case _:
            return ()


def _place(order_key: int) -> tuple[int, int, int, int]:
    order_id = OrderId.unpack(order_key)
    return order_id.period, int(order_id.side), order_id.price_ticks, order_id.turn


def _key(order: _Order) -> int:
    return OrderId(order.period, Side(order.side), order.price_ticks, order.turn).pack()  # type: ignore[arg-type]
