"""Where orders of a delivery period become trades: what the market alone and the chains have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from gridbourse.market.types import Side
from gridbourse.simulation.scenario.values import Mechanism, Order, RunRecord, Trade

QUOTA_WH = 10**12
"""What a seller may sell in a period: as much as it offers, for a scenario's participants are not audited for it."""


class Venue(Protocol):
    """Takes the orders of one delivery period after the other."""

    def trade(self, period: int, orders: Sequence[Order]) -> list[Trade]:
        """Match the orders of a period, in the order of their arrival; returns its trades, as they met."""
        ...

    def record(self, orders: Sequence[Order], trades: Sequence[Trade]) -> RunRecord:
        """What the run leaves behind, when all is traded."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def batches(mechanism: Mechanism, orders: Sequence[Order]) -> list[list[Order]]:
    """The orders as they reach the market: the paper's one by one, sellers first; those of a book all at once."""
    if mechanism is Mechanism.SEQUENTIAL:
        return [[order] for order in sorted(orders, key=lambda order: order.want.side)]
    return [list(orders)]


def expected_wh(orders: Sequence[Order]) -> dict[str, int]:
    """By participant: what it would feed in, negative for what it would draw, if all its orders were met."""
    expected: Counter[str] = Counter()
    for order in orders:
        expected[order.want.participant] += order.want.energy_wh * (1 if order.want.side is Side.ASK else -1)
    return dict(expected)
