"""What masters ask of the market as the index knows it: what is to be submitted, delivered, answered and ended.

All masters of a folder ask the same, batch after batch and round after round. So a question is put for all chains at
once, and its answer holds as long as nothing new is in the index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from gridbourse.api.schema import DealStatus, OrderStatus
from gridbourse.index.database import Database
from gridbourse.index.queries.orders import details_of, id_of
from gridbourse.index.schema import (
    IS_OPEN,
    IS_PENDING,
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

_Answer = TypeVar("_Answer")


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
    sequence
        Tells the number of the newest change in it.
    """

    def __init__(self, database: Database, sequence: Callable[[], int]) -> None:
        self._database = database
        self._sequence = sequence
        self._known: tuple[int, dict[Hashable, Any]] = (-1, {})

    def _as_it_stands(self, question: Hashable, ask: Callable[[], _Answer]) -> _Answer:
        """An answer, which is kept as long as nothing new is in the index."""
        sequence = self._sequence()
        as_of, answers = self._known
        if as_of != sequence:
            _, answers = self._known = sequence, {}
        if question not in answers:
            answers[question] = ask()
        answer: _Answer = answers[question]
        return answer

    @property
    def height(self) -> int:
        """The newest block of the main chain that was read."""
        return self._as_it_stands("height", lambda: int(self._database.value(_HEIGHT) or 0))

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

    def quotas_wh(self, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """What traders may sell in periods, as far as that was ever said."""
        rows = self._database.rows_with(positions, ("trader", "period"), places)
        return {(trader, period): quota_wh for trader, period, quota_wh, *_ in rows}

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
        row = self._database.first(_ORDER_OF, chain=chain, leaf=leaf)
        return id_of(row) if row else None

    def unsubmitted(self, chain: str) -> dict[bytes, OrderDetails]:
        """New orders on a slave chain that the market has neither taken nor refused, by leaf."""
        recorded = self._recorded().get(chain, {})
        return {leaf: details for leaf, details in recorded.items() if not details.replaces}

    def changes(self, chain: str) -> list[tuple[bytes, OrderDetails | Cancellation]]:
        """Amendments and cancellations on a slave chain that nothing came of yet, as their users signed them."""
        return self._as_it_stands("changes", self._changes).get(chain, [])

    def _recorded(self) -> dict[str, dict[bytes, OrderDetails]]:
        """Orders and amendments that the market has neither taken nor refused, by chain and leaf."""
        return self._as_it_stands("recorded", self._read_recorded)

    def _read_recorded(self) -> dict[str, dict[bytes, OrderDetails]]:
        found: dict[str, dict[bytes, OrderDetails]] = defaultdict(dict)
        # Asked for in that order, they would be looked for among all orders.
        for row in sorted(self._database.rows(_RECORDED), key=lambda row: row.number):
            found[row.chain][row.record_hash] = details_of(row)
        return found

    def _changes(self) -> dict[str, list[tuple[bytes, OrderDetails | Cancellation]]]:
        wanted: list[tuple[str, int, bytes, OrderDetails | Cancellation]] = [
            (row.chain, row.number, row.record_hash, Cancellation(row.node_id, int(row.order_id, 16)))
            for row in self._database.rows(_CANCELLED)
        ]
        amended = {
            (chain, leaf): details
            for chain, recorded in self._recorded().items()
            for leaf, details in recorded.items()
            if details.replaces
        }
        leaves = {leaf for _, leaf in amended}
        for chain, number, *_, leaf in sorted(
            row[: _LEAF + 1] for row in self._database.rows_with(record_rows, ("leaf",), leaves)
        ):
            if details := amended.pop((chain, leaf), None):
                wanted.append((chain, number, leaf, details))
        found: dict[str, list[tuple[bytes, OrderDetails | Cancellation]]] = defaultdict(list)
        for chain, _, leaf, change in sorted(wanted, key=lambda entry: entry[:2]):
            found[chain].append((leaf, change))
        return found

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
        return self._as_it_stands(("reopened", first_period), lambda: self._reopened(first_period)).get(chain, [])

    def _reopened(self, first_period: int) -> dict[str, list[tuple[OrderId, int]]]:
        found: dict[str, list[tuple[OrderId, int]]] = defaultdict(list)
        for row in self._database.rows(_REOPENED, first_period=first_period):
            if (order_id := id_of(row)) is not None:
                found[row.chain].append((order_id, row.stopped_height))
        return found

    def means(self) -> tuple[int, int]:
        """Other numbers whenever money came in or was moved: what had too little may trade now."""
        paid, moved = self._as_it_stands("means", lambda: self._database.first(_MEANS))
        return int(paid or 0), int(moved or 0)

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

    def next_ending(self) -> int | None:
        """From when on a deal is to be ended, in seconds since the epoch: 0 for one that is binding, None for none."""
        first = self._as_it_stands("next ending", lambda: self._database.value(_NEXT_ENDING))
        return None if first is None else int(first)

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
        return self._as_it_stands("undelivered", self._undelivered).get(chain, [])

    def _undelivered(self) -> dict[str, list[DealDetails]]:
        found: dict[str, list[DealDetails]] = defaultdict(list)
        for row in sorted(self._database.rows(_UNDELIVERED), key=lambda row: row.deal_id):
            found[row.chain].append(_details(row))
        return found

    def unanswered(self, chain: str) -> list[Unanswered]:
        """The deals that wait for answers of a chain's nodes, by their numbers."""
        return self._as_it_stands("unanswered", self._unanswered).get(chain, [])

    def _unanswered(self) -> dict[str, list[Unanswered]]:
        found: dict[str, list[Unanswered]] = defaultdict(list)
        for row in sorted(self._database.rows(_UNANSWERED), key=lambda row: (row.deal_id, row.party_side)):
            deal = row.deal_id, row.energy_wh, row.price_ticks
            waiting = Unanswered(row.node_id, Side(row.party_side), *deal, bool(row.automatic))
            found[row.chain].append(waiting)
        return found

    def unsubmitted_answers(self, chain: str) -> list[Confirmation]:
        """Answers of a chain's nodes that the market does not know."""
        return self._as_it_stands("answers", self._unsubmitted_answers).get(chain, [])

    def _unsubmitted_answers(self) -> dict[str, list[Confirmation]]:
        found: dict[str, list[Confirmation]] = defaultdict(list)
        for row in self._database.rows(_ANSWERED):
            found[row.chain].append(Confirmation(row.node_id, row.deal_id, Side(row.side), row.confirmed))
        return found

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

_HEIGHT = select(heads.c.height).where(heads.c.chain == MAIN)
_RECORDED = select(orders).where(IS_RECORDED, orders.c.node_id.is_not(None))
_LEAF = record_rows.c.keys().index("leaf")
_CANCELLED = select(cancellations)
_ORDER = select(orders).where(
    orders.c.period == bindparam("period"),
    orders.c.side == bindparam("side"),
    orders.c.price_ticks == bindparam("price_ticks"),
    orders.c.turn == bindparam("turn"),
)
_ORDER_OF = (
    select(orders)
    .where(orders.c.chain == bindparam("chain"), orders.c.record_hash == bindparam("leaf"))
    .order_by(orders.c.number)
    .limit(1)
)
_REOPENED = select(orders).where(IS_STOPPED, orders.c.open_wh > 0, orders.c.period >= bindparam("first_period"))
_MEANS = select(
    select(func.max(payments.c.number)).scalar_subquery(), select(func.max(deposit_moves.c.number)).scalar_subquery()
)
_NEXT_ENDING = select(
    func.min(case((trades.c.status == DealStatus.CONFIRMED.value, 0), else_=trades.c.confirm_before + 1))
).where(IS_OPEN)


def _deals(side: Side) -> Select[Any]:
    """Deals whose party on a side is a node of a chain that is read here."""
    party, due = _PARTIES[side]
    return (
        select(
            trades,
            due.label("due"),
            literal_column(str(int(side))).label("party_side"),
            day_accounts.c.node_id,
            day_accounts.c.chain,
        )
        .join(day_accounts, day_accounts.c.trader == party)
        .where(day_accounts.c.node_id.is_not(None))
    )


def _unanswered(side: Side) -> Select[Any]:
    """Deals that wait for a party that has not answered on its slave chain."""
    answered = answers.c.deal_id == trades.c.deal_id, answers.c.side == int(side)
    price_ticks, turn = _PLACES[side]
    order = and_(
        orders.c.period == trades.c.period,
        orders.c.side == int(side),
        orders.c.price_ticks == price_ticks,
        orders.c.turn == turn,
    )
    return (
        _deals(side)
        .add_columns(orders.c.automatic)
        .outerjoin(orders, order)
        .where(
            IS_OPEN,
            trades.c.status == DealStatus.INTENT.value,
            (trades.c.seller_confirmed if side is Side.ASK else trades.c.buyer_confirmed).is_(False),
            ~select(answers.c.deal_id).where(*answered, answers.c.node_id == day_accounts.c.node_id).exists(),
        )
    )


_UNDELIVERED = union_all(*(_deals(side).where(due.is_not(None)) for side, (_, due) in _PARTIES.items()))
_UNANSWERED = union_all(*map(_unanswered, Side))
_ANSWERED = (
    select(answers.c.node_id, answers.c.deal_id, answers.c.side, answers.c.confirmed, day_accounts.c.chain)
    .join(trades, trades.c.deal_id == answers.c.deal_id)
    .join(
        day_accounts,
        and_(
            day_accounts.c.trader == case((answers.c.side == int(Side.ASK), trades.c.seller), else_=trades.c.buyer),
            day_accounts.c.node_id == answers.c.node_id,
        ),
    )
    .where(IS_PENDING)
)


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


def _details(row: Any) -> DealDetails:
    deal, side = deal_of(row), Side(row.party_side)
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
