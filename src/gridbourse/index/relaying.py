"""What masters ask of the market as the index knows it: what is to be submitted, delivered, answered and ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.index.database import Database
from gridbourse.index.queries.orders import details_of, id_of
from gridbourse.index.schema import (
    IS_OPEN,
    IS_RECORDED,
    IS_STOPPED,
    IS_WAITING,
    MAIN,
    answers,
    cancellations,
    day_accounts,
    deposit_moves,
    heads,
    orders,
    payments,
    positions,
    trades,
)
from gridbourse.index.schema import records as record_rows
from gridbourse.ledger.records import Cancellation, Confirmation, DealDetails, OrderDetails
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A deal that waits for a function node's answer."""

    node_id: str
    side: Side
    deal_id: int
    energy_wh: int
    price_ticks: int
    automatic: bool
    """Whether the node placed the order by itself."""


class MarketReader:
    """Reads the market for those who act on it.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def height(self) -> int:
        """The newest block of the main chain that was read."""
        return int(self._database.value(select(heads.c.height).where(heads.c.chain == MAIN)) or 0)

    @property
    def master_of(self) -> dict[int, int]:
        """By trader, the number of its master."""
        return dict(self._database.rows(select(day_accounts.c.trader, day_accounts.c.master_id)))

    def has_traders(self, traders: Iterable[int]) -> set[int]:
        """Those of some numbers that a master has registered."""
        found = select(day_accounts.c.trader).where(day_accounts.c.trader.in_(list(traders)))
        return {trader for (trader,) in self._database.rows(found)}

    def account_of(self, master_id: int, pseudonym: bytes) -> int:
        """The account that a master registered under a pseudonym; 0 if it did not."""
        statement = select(day_accounts.c.trader).filter_by(master_id=master_id, pseudonym=pseudonym)
        return int(self._database.value(statement) or 0)

    def credited(self, payment_reference: bytes) -> dict[int, int]:
        """What was credited against a payment reference, in 1e-7 yuan by trader."""
        statement = select(payments.c.trader, payments.c.money).filter_by(reference=payment_reference, is_out=False)
        found: dict[int, int] = {}
        for trader, money in self._database.rows(statement):
            found[trader] = found.get(trader, 0) + money
        return found

    def quota_wh(self, trader: int, period: int) -> int:
        """What a trader may sell in a period."""
        return int(self._database.value(_QUOTA, trader=trader, period=period) or 0)

    # Orders

    def placed(self, order_id: OrderId) -> OrderPlaced | None:
        """An order as it entered the market, whosever it is; None if it never did."""
        row = self._order(order_id)
        return _placed(row) if row else None

    def is_withdrawn(self, order_id: OrderId) -> bool:
        """Whether there is such an order, and it was cancelled, or replaced by another."""
        row = self._order(order_id)
        return row is not None and row.status == OrderStatus.CANCELLED.value

    def order_of(self, chain: str, leaf: bytes) -> OrderId | None:
        """The order that a record of a slave chain became; None if it became none."""
        statement = select(orders).filter_by(chain=chain, record_hash=leaf).order_by(orders.c.number).limit(1)
        row = self._database.first(statement)
        return id_of(row) if row else None

    def unsubmitted(self, chain: str) -> dict[bytes, OrderDetails]:
        """New orders on a slave chain that the market has neither taken nor refused, by leaf."""
        return {row.record_hash: details_of(row) for row in self._database.rows(_UNSUBMITTED, chain=chain)}

    def changes(self, chain: str) -> list[tuple[bytes, OrderDetails | Cancellation]]:
        """Amendments and cancellations on a slave chain that nothing came of yet, as their users signed them."""
        found: list[tuple[int, bytes, OrderDetails | Cancellation]] = [
            (row.record, row.record_hash, details_of(row)) for row in self._database.rows(_AMENDED, chain=chain)
        ]
        found += [
            (row.number, row.record_hash, Cancellation(row.node_id, int(row.order_id, 16)))
            for row in self._database.rows(_CANCELLED, chain=chain)
        ]
        return [(leaf, wanted) for _, leaf, wanted in sorted(found, key=lambda entry: entry[0])]

    def bound_or_waiting(self, chain: str, node_ids: Iterable[str]) -> list[OrderId]:
        """Orders of nodes that wait, or would again if a deal of theirs ended."""
        bound = or_(
            and_(
                orders.c.side == int(Side.ASK),
                trades.c.ask_price_ticks == orders.c.price_ticks,
                trades.c.ask_turn == orders.c.turn,
            ),
            and_(
                orders.c.side == int(Side.BID),
                trades.c.bid_price_ticks == orders.c.price_ticks,
                trades.c.bid_turn == orders.c.turn,
            ),
        )
        held = select(trades.c.deal_id).where(IS_OPEN, trades.c.period == orders.c.period, bound).exists()
        statement = (
            select(orders)
            .where(
                orders.c.node_id.in_(list(node_ids)),
                orders.c.chain == chain,
                orders.c.status != OrderStatus.CANCELLED.value,
                or_(orders.c.open_wh > 0, held),
            )
            .order_by(orders.c.number)
        )
        found = (id_of(row) for row in self._database.rows(statement))
        return [order_id for order_id in found if order_id is not None]

    def reopened(self, chain: str, first_period: int) -> list[tuple[OrderId, int]]:
        """Orders from a period on that wait though a search left somebody out, or a deal of theirs ended.

        Each with the block of the last time.
        """
        statement = select(orders).where(
            IS_STOPPED, orders.c.open_wh > 0, orders.c.period >= first_period, orders.c.chain == chain
        )
        found = ((id_of(row), row.stopped_height) for row in self._database.rows(statement))
        return [(order_id, height) for order_id, height in found if order_id is not None]

    def means(self) -> tuple[int, int]:
        """Other numbers whenever money came in or was moved: what had too little may trade now."""
        newest = (select(func.max(table.c.number)) for table in (payments, deposit_moves))
        paid, moved = (int(self._database.value(statement) or 0) for statement in newest)
        return paid, moved

    def requests(self, after: int) -> dict[int, int]:
        """The highest price of the bids that wait and were placed in blocks behind one, by delivery period."""
        statement = (
            select(orders.c.period, func.max(orders.c.price_ticks))
            .where(IS_WAITING, orders.c.side == int(Side.BID), orders.c.height > after)
            .group_by(orders.c.period)
        )
        return dict(self._database.rows(statement))

    # Deals

    def deal(self, deal_id: int) -> Deal | None:
        """A deal; None if there is none of that number."""
        row = self._database.first(select(trades).where(trades.c.deal_id == deal_id))
        return deal_of(row) if row else None

    def confirmed(self) -> list[int]:
        """The deals that are binding and not settled."""
        return self._numbers(IS_OPEN, trades.c.status == DealStatus.CONFIRMED.value)

    def overdue(self, now: int) -> list[int]:
        """The deals whose cooling-off time ended before a moment, in seconds since the epoch, without both answers."""
        return self._numbers(IS_OPEN, trades.c.status == DealStatus.INTENT.value, trades.c.confirm_before < now)

    def settled_numbers(self, period: int) -> list[int]:
        """The numbers of the deals of a delivery period that were carried out."""
        return self._numbers(trades.c.period == period, trades.c.status == DealStatus.SETTLED.value)

    def settled_count(self, periods: range) -> int:
        """How many deals of delivery periods were carried out: it tells whether there are new ones."""
        statement = select(func.count()).where(
            trades.c.period >= periods.start,
            trades.c.period < periods.stop,
            trades.c.status == DealStatus.SETTLED.value,
        )
        return int(self._database.value(statement))

    def settled(self, period: int) -> list[Deal]:
        """The deals of a delivery period that were carried out."""
        statement = select(trades).where(trades.c.period == period, trades.c.status == DealStatus.SETTLED.value)
        return [deal_of(row) for row in self._database.rows(statement.order_by(trades.c.deal_id))]

    def undelivered(self, chain: str) -> list[DealDetails]:
        """What a slave chain is to be told of its nodes' deals: of each the newest state, which says it all."""
        found = []
        for side, (party, due) in _PARTIES.items():
            statement = (
                select(trades, day_accounts.c.node_id, due.label("due"))
                .join(day_accounts, day_accounts.c.trader == party)
                .where(due.is_not(None), day_accounts.c.chain == chain, day_accounts.c.node_id.is_not(None))
            )
            found += [(row.deal_id, _details(row, side)) for row in self._database.rows(statement)]
        return [details for _, details in sorted(found, key=lambda entry: entry[0])]

    def unanswered(self, chain: str) -> list[Unanswered]:
        """The deals that wait for answers of a chain's nodes, by their numbers."""
        found = [
            Unanswered(row.node_id, side, row.deal_id, row.energy_wh, row.price_ticks, bool(row.automatic))
            for side in Side
            for row in self._database.rows(_UNANSWERED[side], chain=chain)
        ]
        return sorted(found, key=lambda entry: (entry.deal_id, entry.side))

    def unsubmitted_answers(self, chain: str) -> list[Confirmation]:
        """Answers of a chain's nodes that the market does not know."""
        return [
            Confirmation(row.node_id, row.deal_id, side, row.confirmed)
            for side in Side
            for row in self._database.rows(_ANSWERED[side], chain=chain)
        ]

    def _numbers(self, *conditions: ColumnElement[bool]) -> list[int]:
        statement = select(trades.c.deal_id).where(*conditions).order_by(trades.c.deal_id)
        return [deal_id for (deal_id,) in self._database.rows(statement)]

    def _order(self, order_id: OrderId) -> Any:
        period, side, price_ticks, turn = order_id
        return self._database.first(_ORDER, period=period, side=int(side), price_ticks=price_ticks, turn=turn)


_PARTIES: dict[Side, tuple[ColumnElement[int], ColumnElement[str | None]]] = {
    Side.ASK: (trades.c.seller, trades.c.seller_due),
    Side.BID: (trades.c.buyer, trades.c.buyer_due),
}
_PLACES = {
    Side.ASK: (trades.c.ask_price_ticks, trades.c.ask_turn),
    Side.BID: (trades.c.bid_price_ticks, trades.c.bid_turn),
}


# Made once: to make a statement takes as long as to run it, and these are run with every batch of orders.

_RECORDED = select(orders).where(IS_RECORDED, orders.c.chain == bindparam("chain"), orders.c.node_id.is_not(None))
_UNSUBMITTED = _RECORDED.where(orders.c.replaces.is_(None)).order_by(orders.c.number)
_AMENDED = (
    _RECORDED.where(orders.c.replaces.is_not(None))
    .join(record_rows, and_(record_rows.c.chain == orders.c.chain, record_rows.c.leaf == orders.c.record_hash))
    .add_columns(record_rows.c.number.label("record"))
)
_CANCELLED = select(cancellations).where(cancellations.c.chain == bindparam("chain"))
_QUOTA = select(positions.c.quota_wh).where(
    positions.c.trader == bindparam("trader"), positions.c.period == bindparam("period")
)
_ORDER = select(orders).where(
    orders.c.period == bindparam("period"),
    orders.c.side == bindparam("side"),
    orders.c.price_ticks == bindparam("price_ticks"),
    orders.c.turn == bindparam("turn"),
)


def _intents(side: Side, *, is_answered: bool) -> Select[Any]:
    """Deals that wait for a side of a chain's nodes, whether its answer stands on the slave chain or not."""
    party, _ = _PARTIES[side]
    own = and_(
        answers.c.deal_id == trades.c.deal_id,
        answers.c.side == int(side),
        answers.c.node_id == day_accounts.c.node_id,
    )
    price_ticks, turn = _PLACES[side]
    order = and_(
        orders.c.period == trades.c.period,
        orders.c.side == int(side),
        orders.c.price_ticks == price_ticks,
        orders.c.turn == turn,
    )
    return (
        select(trades, day_accounts.c.node_id, answers.c.confirmed, orders.c.automatic)
        .join(day_accounts, day_accounts.c.trader == party)
        .outerjoin(answers, own)
        .outerjoin(orders, order)
        .where(
            IS_OPEN,
            trades.c.status == DealStatus.INTENT.value,
            (trades.c.seller_confirmed if side is Side.ASK else trades.c.buyer_confirmed).is_(False),
            day_accounts.c.chain == bindparam("chain"),
            day_accounts.c.node_id.is_not(None),
            answers.c.confirmed.is_not(None) if is_answered else answers.c.confirmed.is_(None),
        )
        .order_by(trades.c.deal_id)
    )


_ANSWERED = {side: _intents(side, is_answered=True) for side in Side}
_UNANSWERED = {side: _intents(side, is_answered=False) for side in Side}


def deal_of(row: Any) -> Deal:
    """A deal as the contract keeps it."""
    return Deal(
        ask=OrderId(row.period, Side.ASK, row.ask_price_ticks, row.ask_turn),
        bid=OrderId(row.period, Side.BID, row.bid_price_ticks, row.bid_turn),
        seller=row.seller,
        buyer=row.buyer,
        energy_wh=row.energy_wh,
        confirm_before=row.confirm_before,
        seller_confirmed=row.seller_confirmed,
        buyer_confirmed=row.buyer_confirmed,
        state=DealState[row.status.upper()],
    )


def _placed(row: Any) -> OrderPlaced:
    order_id = id_of(row)
    assert order_id is not None, "it was found by its id"
    return OrderPlaced(order_id, row.trader, EnergyType(row.energy_types), row.energy_wh, row.record_hash)


def _details(row: Any, side: Side) -> DealDetails:
    deal = deal_of(row)
    own, other = (deal.ask, deal.bid) if side is Side.ASK else (deal.bid, deal.ask)
    return DealDetails(
        user_id=row.node_id,
        side=side,
        deal_id=row.deal_id,
        own_order=own.pack(),
        other_order=other.pack(),
        energy_wh=deal.energy_wh,
        price_ticks=deal.price_ticks,
        state=DealState[row.due.upper()],
    )
