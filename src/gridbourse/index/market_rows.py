"""Rows of the market's tables that a step changes: fetched together, changed in memory, and written together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from gridbourse.index.blocks import Block, MainBlock
from gridbourse.index.database import KEYS_AT_ONCE, insert_rows, is_integer, rows_with, update_rows
from gridbourse.index.schema import (
    IS_PLACED,
    cancellations,
    day_accounts,
    deposit_moves,
    orders,
    payments,
    positions,
    trades,
    transfer_capacities,
)
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
    TurnLost,
    Withdrawn,
)
from gridbourse.market.types import OrderId, Side


@dataclass(slots=True)
class OrderRow:
    """A row of `orders`."""

    number: int
    record_hash: bytes
    chain: str
    node_id: str | None = None
    location: str | None = None
    quota_wh: int | None = None
    replaces: str | None = None
    automatic: bool | None = None
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
class TradeRow:
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
class AccountRow:
    """What changes of a row of `day_accounts`."""

    trader: int
    chain: str
    free: int
    held: int

    @property
    def free_money(self) -> str:
        """What is free, as both databases take a number of more than 64 bits."""
        return str(self.free)

    @property
    def held_money(self) -> str:
        """The same of what is held."""
        return str(self.held)


@dataclass(slots=True)
class PositionRow:
    """A row of `positions`."""

    trader: int
    period: int
    quota_wh: int = 0
    held_wh: int = 0
    sold_wh: int = 0
    bought_wh: int = 0


_ORDER_ID = ("period", "side", "price_ticks", "turn")
_STANDING = ("status", "open_wh", "withdrawn_wh", "stopped_height")
"""What the market changes of an order that it has."""
_COMPLETED = tuple(column.name for column in orders.columns if column.name != "number")
_TRADE_STANDING = ("status", "seller_confirmed", "buyer_confirmed", "seller_due", "buyer_due")
_CLAIMS = ("quota_wh", "held_wh", "sold_wh", "bought_wh")

_MONEY = ("free_money", "held_money")


def _trade(*row: Any) -> TradeRow:
    """A row as the driver tells it: SQLite's truth is a number."""
    trade = TradeRow(*row)
    trade.seller_confirmed, trade.buyer_confirmed = bool(trade.seller_confirmed), bool(trade.buyer_confirmed)
    return trade


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


class MarketRows:
    """The rows that blocks are about.

    Parameters
    ----------
    connection
        In a transaction.
    numbers
        The numbers of the next rows, which are counted on.
    """

    def __init__(self, connection: Connection, numbers: NextNumbers) -> None:
        self._connection = connection
        self._numbers = numbers
        # A hash can be seen on its way, and copied: what another master names so is another order.
        self._by_record: dict[tuple[str, bytes], OrderRow] = {}
        self._by_id: dict[int, OrderRow] = {}
        self._trades: dict[int, TradeRow] = {}
        self._accounts: dict[int, AccountRow] = {}
        self._positions: dict[tuple[int, int], PositionRow] = {}
        self._new_orders: dict[int, OrderRow] = {}
        self._completed: dict[int, OrderRow] = {}
        self._changed: dict[int, OrderRow] = {}
        self._new_trades: dict[int, TradeRow] = {}
        self._changed_trades: dict[int, TradeRow] = {}
        self._changed_accounts: dict[int, AccountRow] = {}
        self._new_positions: dict[tuple[int, int], PositionRow] = {}
        self._changed_positions: dict[tuple[int, int], PositionRow] = {}
        self._payments: list[dict[str, object]] = []
        self._moves: list[dict[str, object]] = []
        self._capacities: dict[tuple[int, int, int], int] = {}
        self._cancellations: list[dict[str, object]] = []
        self._cancelled: list[str] = []

    # Rows

    def fetch(self, blocks: Sequence[Block]) -> None:
        """Fetch the rows that blocks are about."""
        events = [event for block in blocks if isinstance(block, MainBlock) for event in block.events]
        details = [found for block in blocks if not isinstance(block, MainBlock) for found in block.records]
        leaves = {event.record_hash for event in events if isinstance(event, OrderPlaced | OrderRefused)}
        leaves |= {found.record.leaf for found in details if isinstance(found.details, OrderDetails)}
        # Of several rows with one record the first stands for it; later ones are others' who wrote its hash again.
        named = [OrderRow(*row) for row in rows_with(self._connection, orders, ("record_hash",), leaves)]
        for order in sorted(named, key=lambda order: -order.number):
            self._keep(order)
            self._by_record[order.chain, order.record_hash] = order
        told = {found.details.deal_id for found in details if isinstance(found.details, DealDetails)}
        told = {deal_id for deal_id in told if is_integer(deal_id)}
        changed = {event.deal_id for event in events if isinstance(event, DEAL_CHANGES)}
        new = {event.deal_id for event in events if isinstance(event, IntentRecorded)}
        for row in rows_with(self._connection, trades, ("deal_id",), (told | changed) - new):
            self._trades[row[0]] = _trade(*row)
        cancelled = {found.details.order for found in details if isinstance(found.details, Cancellation)}
        self._fetch_orders(events, cancelled)
        self._fetch_claims(events)

    def _fetch_orders(self, events: Iterable[Event], cancelled: Collection[int]) -> None:
        placed = {event.order_id.pack() for event in events if isinstance(event, OrderPlaced)}
        wanted = {order_id for event in events for order_id in _orders_of(event)} | set(cancelled)
        wanted |= {order_id for trade in self._trades.values() for order_id in (trade.ask, trade.bid)}
        wanted -= placed | self._by_id.keys()
        for row in rows_with(self._connection, orders, _ORDER_ID, map(_place, wanted), IS_PLACED):
            self._keep(OrderRow(*row))

    def _fetch_claims(self, events: Iterable[Event]) -> None:
        traders = {order.trader for order in self._by_id.values()}
        traders |= {event.trader for event in events if isinstance(event, OrderPlaced | Deposited | Withdrawn)}
        for event in events:
            if isinstance(event, DepositMoved):
                traders |= {event.from_trader, event.to_trader}
        for trader, _, _, _, chain, _, _, free, held in rows_with(
            self._connection, day_accounts, ("trader",), traders - {None}
        ):
            self._accounts[trader] = AccountRow(trader, chain, int(free), int(held))
        claims = {(event.trader, event.period) for event in events if isinstance(event, QuotaSet)}
        if any(isinstance(event, IntentRecorded | DealAbandoned | DealExpired | DealSettled) for event in events):
            claims |= {(order.trader, order.period) for order in self._by_id.values()}  # type: ignore[misc]
            claims |= {(event.trader, event.order_id.period) for event in events if isinstance(event, OrderPlaced)}
        for row in rows_with(self._connection, positions, ("trader", "period"), claims):
            self._positions[row[0], row[1]] = PositionRow(*row)

    def _keep(self, order: OrderRow) -> None:
        if order.turn is not None:
            self._by_id[_key(order)] = order

    def _new_order(self, chain: str, record_hash: bytes) -> OrderRow:
        order = OrderRow(self._numbers.order, record_hash, chain)
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
        update_rows(self._connection, day_accounts, _MONEY, self._changed_accounts.values())
        for first in range(0, len(self._cancelled), KEYS_AT_ONCE):
            done = cancellations.c.order_id.in_(self._cancelled[first : first + KEYS_AT_ONCE])
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


DEAL_CHANGES = (PartyConfirmed, DealConfirmed, DealAbandoned, DealExpired, DealSettled)


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


def _key(order: OrderRow) -> int:
    return OrderId(order.period, Side(order.side), order.price_ticks, order.turn).pack()  # type: ignore[arg-type]
