"""What a member of the main chain knows of money: what came in, went out, and moved between accounts."""

from __future__ import annotations

from collections import defaultdict

from gridbourse.market.events import Deposited, DepositMoved, Withdrawn
from gridbourse.regulator.market_view import MarketView


class MoneyView:
    """Follows the market's deposits, withdrawals and moves; what trades pay is not in it.

    Parameters
    ----------
    market
        The market of the main chain, before it has read a block; its owner keeps it up.

    Attributes
    ----------
    credited, debited
        All that came in and went out, in 1e-7 yuan.
    """

    def __init__(self, market: MarketView) -> None:
        self._happened = market.follow(Deposited, Withdrawn, DepositMoved)
        self._credited: dict[bytes, dict[int, int]] = {}
        self._withdrawn: dict[bytes, tuple[int, int]] = {}
        self._moved: dict[tuple[int, int], int] = defaultdict(int)
        self.credited = self.debited = 0

    def moved(self, from_account: int, to_account: int) -> int:
        """All that was ever moved from one account to another."""
        self._catch_up()
        return self._moved.get((from_account, to_account), 0)

    def moves(self) -> dict[tuple[int, int], int]:
        """All that was ever moved, by account that gave and account that got it."""
        self._catch_up()
        return dict(self._moved)

    def deposits(self) -> list[tuple[int, int]]:
        """All that came in: account and amount."""
        self._catch_up()
        return [entry for credited in self._credited.values() for entry in credited.items()]

    def withdrawn(self, reference: bytes) -> tuple[int, int] | None:
        """Account and amount of what went out under a reference; None if nothing did."""
        self._catch_up()
        return self._withdrawn.get(reference)

    def withdrawals(self) -> dict[bytes, tuple[int, int]]:
        """All that went out: account and amount by reference."""
        self._catch_up()
        return dict(self._withdrawn)

    def came_in(self, account: int, reference: bytes) -> int:
        """What came in for an account under a reference."""
        self._catch_up()
        return self._credited.get(reference, {}).get(account, 0)

    def _catch_up(self) -> None:
        while self._happened:
            event = self._happened.popleft()
            match event:
                case Deposited():
                    credited = self._credited.setdefault(event.payment_reference, {})
                    credited[event.trader] = credited.get(event.trader, 0) + event.money
                    self.credited += event.money
                case Withdrawn():
                    _, before = self._withdrawn.get(event.payment_reference, (0, 0))
                    self._withdrawn[event.payment_reference] = event.trader, before + event.money
                    self.debited += event.money
                case DepositMoved():
                    self._moved[event.from_trader, event.to_trader] += event.money
                case _:
                    pass
