"""Reads the index: what everybody but the node does with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from gridbourse.index.balance import Balance
from gridbourse.index.chains import Chains
from gridbourse.index.database import Database
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.queries.accounts import Accounts
from gridbourse.index.queries.months import Months
from gridbourse.index.queries.orders import Orders
from gridbourse.index.queries.records import Records
from gridbourse.index.queries.trades import Trades
from gridbourse.index.schema import changes, index_state

_SEQUENCE = select(index_state.c.sequence)
_CHANGES = (
    select(changes.c.sequence, changes.c.content)
    .where(changes.c.sequence > bindparam("after"), changes.c.sequence <= bindparam("last"))
    .order_by(changes.c.sequence)
)
_FIRST = select(func.min(changes.c.sequence))


@dataclass(frozen=True, slots=True)
class Change:
    """What some blocks changed together.

    Parameters
    ----------
    levels
        Period, side and price of the levels of books that may stand otherwise.
    orders, deals, trades
        Numbers of orders and deals that stand otherwise, and of deals that are new.
    blocks, anchors
        Names of chains with a block's height, and with the last block of an anchor.
    is_too_much
        Whether it is too much to tell: whoever watches loads anew.
    """

    levels: Sequence[tuple[int, int, int]] = ()
    orders: Sequence[int] = ()
    deals: Sequence[int] = ()
    trades: Sequence[int] = ()
    blocks: Sequence[tuple[str, int]] = ()
    anchors: Sequence[tuple[str, int]] = ()
    is_too_much: bool = False


class IndexReader:
    """Reads the index, by subject.

    Parameters
    ----------
    database
        Where it lies.

    Attributes
    ----------
    orders, trades, accounts
        The market.
    chains, records, participants, balance, months
        What stands beside it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.orders = Orders(database)
        self.trades = Trades(database)
        self.accounts = Accounts(database)
        self.chains = Chains(database)
        self.records = Records(database)
        self.participants = ParticipantRegistry(database)
        self.balance = Balance(database)
        self.months = Months(database)

    def sequence(self) -> int:
        """Number of the newest change."""
        found: int = self.database.value(_SEQUENCE) or 0
        return found

    def offered_wh(self, node_id: str, day: int, period: int) -> int:
        """What a node's asks in a period of a delivery day take up: what waits, what deals hold, and what is sold."""
        trader = self.participants.trader(node_id, day)
        if trader is None:
            return 0
        claims = self.accounts.position(trader, period)
        return self.orders.open_asks_wh(trader, period) + claims.held_wh + claims.sold_wh

    def changes(self, after: int, last: int) -> list[Change] | None:
        """Changes behind a number, up to another; None if they are not all remembered."""
        if after == last:
            return []
        first = self.database.value(_FIRST)
        if first is None or not first - 1 <= after < last:
            return None
        return [_change(content) for _, content in self.database.rows(_CHANGES, after=after, last=last)]


def _change(content: str) -> Change:
    stated: dict[str, Any] = json.loads(content)
    for name in ("levels", "blocks", "anchors"):
        stated[name] = [tuple(entry) for entry in stated.get(name, ())]
    return Change(**stated)
