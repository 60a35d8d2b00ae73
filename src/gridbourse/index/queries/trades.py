"""Reads trades: what was agreed, and how it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select

from gridbourse.api.schema import Deal, DealStatus, PeriodPrices, Trade
from gridbourse.index.database import Database
from gridbourse.index.naming import order_text, side_name, type_name
from gridbourse.index.schema import answers, day_accounts, trades
from gridbourse.market.types import EnergyType, OrderId, Side

_ENDED_WITHOUT_TRANSFER = (DealStatus.ABANDONED.value, DealStatus.EXPIRED.value)
_COUNTS = trades.c.status.not_in(_ENDED_WITHOUT_TRANSFER)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TradeEntry:
    """A trade with what is not everybody's to know: its orders, and the numbers of its parties."""

    trade: Trade
    ask: OrderId
    bid: OrderId
    seller: int
    buyer: int
    confirm_before: int
    seller_confirmed: bool
    buyer_confirmed: bool

    def trader(self, side: Side) -> int:
        """Number of the party on a side."""
        return self.seller if side is Side.ASK else self.buyer


class Trades:
    """Reads trades.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # As everybody sees them

    def trade(self, deal_id: int) -> TradeEntry | None:
        """A trade by its number; None if there is none."""
        row = self._database.first(select(trades).where(trades.c.deal_id == deal_id))
        return _entry(row) if row else None

    def with_numbers(self, deal_ids: Iterable[int]) -> Iterator[Trade]:
        """Trades by their numbers, rising."""
        wanted = sorted(deal_ids)
        for first in range(0, len(wanted), _AT_ONCE):
            numbers = wanted[first : first + _AT_ONCE]
            statement = select(trades).where(trades.c.deal_id.in_(numbers)).order_by(trades.c.deal_id)
            yield from map(trade_of, self._database.rows(statement))

    def tape(
        self,
        periods: range | None = None,
        energy_type: EnergyType | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Trade]:
        """Trades for delivery in some periods or all, newest first, from before a number on."""
        statement = select(trades).order_by(trades.c.deal_id.desc()).limit(limit)
        if periods is not None:
            statement = statement.where(_within(periods))
        if energy_type is not None:
            statement = statement.where(trades.c.energy_type == int(energy_type))
        if before is not None:
            statement = statement.where(trades.c.deal_id < before)
        return list(map(trade_of, self._database.rows(statement)))

    def entries(self, periods: range) -> list[TradeEntry]:
        """All trades for delivery in some periods, by period and then by number."""
        statement = select(trades).where(_within(periods)).order_by(trades.c.period, trades.c.deal_id)
        return list(map(_entry, self._database.rows(statement)))

    def prices(self, periods: range, accepted: EnergyType) -> dict[int, PeriodPrices]:
        """Prices and volumes of delivery periods; deals that ended without a transfer do not count."""
        counted = and_(_within(periods), _COUNTS, trades.c.energy_type.op("&")(int(accepted)) != 0)
        summed = (
            select(
                trades.c.period,
                func.count().label("deal_count"),
                func.sum(trades.c.energy_wh).label("energy_wh"),
                func.sum(trades.c.energy_wh * trades.c.price_ticks).label("money"),
                func.max(trades.c.price_ticks).label("high"),
                func.min(trades.c.price_ticks).label("low"),
                func.min(trades.c.deal_id).label("first"),
                func.max(trades.c.deal_id).label("last"),
            )
            .where(counted)
            .group_by(trades.c.period)
            .subquery()
        )
        first, last = trades.alias(), trades.alias()
        statement = (
            select(summed, first.c.price_ticks.label("open"), last.c.price_ticks.label("close"))
            .join(first, first.c.deal_id == summed.c.first)
            .join(last, last.c.deal_id == summed.c.last)
            .order_by(summed.c.period)
        )
        return {row.period: _prices(row) for row in self._database.rows(statement)}

    def active_periods(self, periods: range) -> set[int]:
        """Those of some periods for which anything was agreed."""
        statement = select(trades.c.period).where(_within(periods)).distinct()
        return {period for (period,) in self._database.rows(statement)}

    def counts(self) -> dict[DealStatus, int]:
        """How many trades are in each status."""
        found = dict.fromkeys(DealStatus, 0)
        for status, count in self._database.rows(select(trades.c.status, func.count()).group_by(trades.c.status)):
            found[DealStatus(status)] = count
        return found

    def count(self) -> int:
        """How many there are; their numbers run from 1."""
        found: int = self._database.value(select(func.count()).select_from(trades))
        return found

    def counts_of_nodes(self) -> dict[str, int]:
        """In how many trades each node is a party."""
        found: dict[str, int] = {}
        for side in Side:
            statement = (
                select(day_accounts.c.node_id, func.count())
                .join(trades, _party(side) == day_accounts.c.trader)
                .where(day_accounts.c.node_id.is_not(None))
                .group_by(day_accounts.c.node_id)
            )
            for node_id, count in self._database.rows(statement):
                found[node_id] = found.get(node_id, 0) + count
        return found

    # As their parties see them

    def deals(
        self,
        *,
        node_id: str | None = None,
        master: str | None = None,
        status: DealStatus | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[Deal]:
        """Deals of a node, of a master's nodes, or of all, newest first; one between two of them stands there twice.

        `before` is a `deal_place`.
        """
        found: list[Deal] = []
        for side in Side:
            statement = _deals(side).order_by(trades.c.deal_id.desc()).limit(limit)
            if node_id is not None:
                statement = statement.where(day_accounts.c.node_id == node_id)
            if master is not None:
                statement = statement.where(day_accounts.c.chain == master)
            if status is not None:
                statement = statement.where(trades.c.status == status.value)
            if before is not None:
                statement = statement.where(trades.c.deal_id * 2 + int(side) < before)
                statement = statement.where(trades.c.deal_id <= before // 2)
            found += map(_deal, self._database.rows(statement))
        return sorted(found, key=deal_place, reverse=True)[:limit]

    def deal(self, deal_id: int) -> list[tuple[str, Deal]]:
        """A deal as its parties that are known here see it, each with the name of its master, the seller first."""
        return [
            (row.chain, _deal(row))
            for side in Side
            for row in self._database.rows(_deals(side).where(trades.c.deal_id == deal_id))
        ]

    def deals_with_numbers(self, deal_ids: Iterable[int]) -> Iterator[tuple[str, Deal]]:
        """Deals as their parties see them, with the names of the parties' masters."""
        wanted = sorted(deal_ids)
        for first in range(0, len(wanted), _AT_ONCE):
            for side in Side:
                chosen = trades.c.deal_id.in_(wanted[first : first + _AT_ONCE])
                for row in self._database.rows(_deals(side).where(chosen)):
                    yield row.chain, _deal(row)

    def settled(self, node_ids: Iterable[str], periods: range) -> list[Deal]:
        """Settled deals of nodes for delivery in some periods, by number."""
        found: list[Deal] = []
        for side in Side:
            statement = _deals(side).where(
                day_accounts.c.node_id.in_(list(node_ids)),
                _within(periods),
                trades.c.status == DealStatus.SETTLED.value,
            )
            found += map(_deal, self._database.rows(statement))
        return sorted(found, key=deal_place)


def deal_place(deal: Deal) -> int:
    """Where a deal of a party stands among all: twice the deal's number, and one more for the buyer."""
    return 2 * deal.deal_id + (deal.side == side_name(Side.BID))


def _party(side: Side) -> ColumnElement[int]:
    return trades.c.seller if side is Side.ASK else trades.c.buyer


def _within(periods: range) -> ColumnElement[bool]:
    if len(periods) == 1:
        return trades.c.period == periods.start
    return and_(trades.c.period >= periods.start, trades.c.period < periods.stop)


def _deals(side: Side) -> Select[Any]:
    """The deals of the parties on a side that are known, with their answers."""
    own = and_(
        answers.c.deal_id == trades.c.deal_id,
        answers.c.side == int(side),
        answers.c.node_id == day_accounts.c.node_id,
    )
    return (
        select(
            trades, day_accounts.c.node_id, day_accounts.c.chain, answers.c.confirmed, literal(int(side)).label("side")
        )
        .join(day_accounts, day_accounts.c.trader == _party(side))
        .outerjoin(answers, own)
        .where(day_accounts.c.node_id.is_not(None))
    )


def _orders_of(row: Any) -> tuple[OrderId, OrderId]:
    ask = OrderId(row.period, Side.ASK, row.ask_price_ticks, row.ask_turn)
    return ask, OrderId(row.period, Side.BID, row.bid_price_ticks, row.bid_turn)


def trade_of(row: Any) -> Trade:
    """A trade as everybody sees it."""
    return Trade(
        deal_id=row.deal_id,
        period=row.period,
        energy_type=type_name(EnergyType(row.energy_type)),
        energy_wh=row.energy_wh,
        price_ticks=row.price_ticks,
        money=row.energy_wh * row.price_ticks,
        status=DealStatus(row.status),
        agreed_at=row.agreed_at,
        height=row.height,
    )


def _entry(row: Any) -> TradeEntry:
    return TradeEntry(
        trade_of(row),
        *_orders_of(row),
        row.seller,
        row.buyer,
        row.confirm_before,
        row.seller_confirmed,
        row.buyer_confirmed,
    )


def _deal(row: Any) -> Deal:
    is_seller = row.side == Side.ASK
    confirmed: Sequence[bool] = (row.seller_confirmed, row.buyer_confirmed)
    return Deal(
        deal_id=row.deal_id,
        node_id=row.node_id,
        side=side_name(Side(row.side)),
        period=row.period,
        energy_type=type_name(EnergyType(row.energy_type)),
        energy_wh=row.energy_wh,
        price_ticks=row.price_ticks,
        money=row.energy_wh * row.price_ticks,
        status=DealStatus(row.status),
        own_confirmed=confirmed[0 if is_seller else 1],
        other_confirmed=confirmed[1 if is_seller else 0],
        answered=row.confirmed,
        confirm_before=row.confirm_before,
        agreed_at=row.agreed_at,
        own_order=order_text(_orders_of(row)[0 if is_seller else 1]),
        height=row.height,
    )


def _prices(row: Any) -> PeriodPrices:
    energy_wh, money = int(row.energy_wh), int(row.money)
    return PeriodPrices(
        period=row.period,
        energy_wh=energy_wh,
        money=money,
        deal_count=row.deal_count,
        open_ticks=row.open,
        high_ticks=row.high,
        low_ticks=row.low,
        close_ticks=row.close,
        average_ticks=money / energy_wh,
    )
