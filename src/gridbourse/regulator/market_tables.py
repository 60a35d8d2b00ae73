"""The orders and deals of a market as its events tell them: there are many of them, and they stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from gridbourse.market.events import IntentRecorded, OrderPlaced
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side

_STANDS, _WITHDRAWN, _REMOVED = range(3)
_TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, id BLOB UNIQUE, trader INTEGER, energy_types INTEGER, energy_wh INTEGER,
    record_hash BLOB, fate INTEGER
);
CREATE INDEX orders_by_record ON orders (record_hash);
CREATE TABLE deals (
    number INTEGER PRIMARY KEY, ask BLOB, bid BLOB, seller INTEGER, buyer INTEGER, energy_wh INTEGER,
    confirm_before INTEGER, seller_confirmed INTEGER, buyer_confirmed INTEGER, state INTEGER
);
CREATE TABLE refused (record_hash BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_CONFIRMED = {
    Side.ASK: "UPDATE deals SET seller_confirmed = 1 WHERE number = ?",
    Side.BID: "UPDATE deals SET buyer_confirmed = 1 WHERE number = ?",
}
_ORDER = "SELECT id, trader, energy_types, energy_wh, record_hash FROM orders"


def temporary_tables() -> sqlite3.Connection:
    """A database for them that has no name, and is gone with whoever uses it.

    SQLite keeps what is used last in memory and the rest in a file. All of it stands in clear on the main chain.
    """
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.executescript(_TABLES)
    return database


class OrderTable(Mapping[OrderId, OrderPlaced]):
    """Orders as they entered the market, by their ids and by the records that they stand for.

    Parameters
    ----------
    database
        Where they are kept: `temporary_tables`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, placed: OrderPlaced) -> None:
        """Take in a new order."""
        row = (_key(placed.order_id), placed.trader, placed.energy_types, placed.energy_wh, placed.record_hash, _STANDS)
        self._database.execute("INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)

    def of_record(self, record_hash: bytes) -> Iterator[OrderPlaced]:
        """Every order that names a record, oldest first. Whose record it is decides which of them it became."""
        found = self._database.execute(f"{_ORDER} WHERE record_hash = ? ORDER BY number", (record_hash,)).fetchall()
        return map(_order, found)

    def withdraw(self, order_id: OrderId) -> None:
        """Take note that an order was cancelled, or replaced by another."""
        self._end(order_id, _WITHDRAWN)

    def remove(self, order_id: OrderId) -> None:
        """Take note that an order left the market though nobody withdrew it: its party let a deal end."""
        self._end(order_id, _REMOVED)

    def is_withdrawn(self, order_id: OrderId) -> bool:
        """Whether there is such an order, and it left the market: cancelled, replaced, or removed."""
        found = self._database.execute("SELECT fate FROM orders WHERE id = ?", (_key(order_id),)).fetchone()
        return found is not None and found[0] != _STANDS

    def withdrawn(self) -> Iterator[OrderId]:
        """Orders that were cancelled, or replaced by another: those that somebody had to sign for."""
        found = self._database.execute("SELECT id FROM orders WHERE fate = ? ORDER BY number", (_WITHDRAWN,))
        return (_order_id(key) for (key,) in found.fetchall())

    def __getitem__(self, order_id: OrderId) -> OrderPlaced:
        found = self._database.execute(f"{_ORDER} WHERE id = ?", (_key(order_id),)).fetchone()
        if found is None:
            raise KeyError(order_id)
        return _order(found)

    def __iter__(self) -> Iterator[OrderId]:
        return (_order_id(key) for (key,) in self._database.execute("SELECT id FROM orders ORDER BY number"))

    def __len__(self) -> int:
        return _count(self._database, "orders")

    def _end(self, order_id: OrderId, fate: int) -> None:
        ended = self._database.execute("UPDATE orders SET fate = ? WHERE id = ?", (fate, _key(order_id)))
        if ended.rowcount == 0:
            raise KeyError(order_id)


class DealTable(Mapping[int, Deal]):
    """Deals as they stand, by their numbers, which run from 1.

    Parameters
    ----------
    database
        Where they are kept: `temporary_tables`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, intent: IntentRecorded, seller: int, buyer: int) -> None:
        """Take in the next deal."""
        orders = _key(intent.ask), _key(intent.bid)
        row = (intent.deal_id, *orders, seller, buyer, intent.energy_wh, intent.confirm_before, 0, 0, DealState.INTENT)
        self._database.execute("INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def confirm(self, deal_id: int, side: Side) -> None:
        """Take note that a party confirmed."""
        self._database.execute(_CONFIRMED[side], (deal_id,))

    def enter(self, deal_id: int, state: DealState) -> None:
        """Take note of a new state."""
        self._database.execute("UPDATE deals SET state = ? WHERE number = ?", (state, deal_id))

    def state(self, deal_id: int) -> DealState:
        """Where a deal stands."""
        return self[deal_id].state

    def __getitem__(self, deal_id: int) -> Deal:
        found = self._database.execute("SELECT * FROM deals WHERE number = ?", (deal_id,)).fetchone()
        if found is None:
            raise KeyError(deal_id)
        _, ask, bid, seller, buyer, energy_wh, confirm_before, seller_confirmed, buyer_confirmed, state = found
        return Deal(
            ask=_order_id(ask),
            bid=_order_id(bid),
            seller=seller,
            buyer=buyer,
            energy_wh=energy_wh,
            confirm_before=confirm_before,
            seller_confirmed=bool(seller_confirmed),
            buyer_confirmed=bool(buyer_confirmed),
            state=DealState(state),
        )

    def __iter__(self) -> Iterator[int]:
        return (number for (number,) in self._database.execute("SELECT number FROM deals ORDER BY number"))

    def __len__(self) -> int:
        return _count(self._database, "deals")


class RecordSet:
    """Hashes of records.

    Parameters
    ----------
    database
        Where they are kept: `temporary_tables`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, record_hash: bytes) -> None:
        """Take a record in; one that is in already stays."""
        self._database.execute("INSERT OR IGNORE INTO refused VALUES (?)", (record_hash,))

    def __contains__(self, record_hash: bytes) -> bool:
        found = self._database.execute("SELECT 1 FROM refused WHERE record_hash = ?", (record_hash,))
        return found.fetchone() is not None

    def __len__(self) -> int:
        return _count(self._database, "refused")


def _count(database: sqlite3.Connection, table: str) -> int:
    (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of ours
    return int(count)


def _key(order_id: OrderId) -> bytes:
    return order_id.pack().to_bytes(8, "big")


def _order_id(key: bytes) -> OrderId:
    return OrderId.unpack(int.from_bytes(key, "big"))


def _order(row: Any) -> OrderPlaced:
    key, trader, energy_types, energy_wh, record_hash = row
    return OrderPlaced(_order_id(key), trader, EnergyType(energy_types), energy_wh, record_hash)
