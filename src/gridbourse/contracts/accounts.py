"""Traders, deposits and energy claims: the part of the market's contract that is about who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbourse.contracts.abi import Call, Contract
from gridbourse.market.types import Position, Trader


class Accounts(Contract):
    """A trader is a pseudonym below a master; money is a claim that the settlement agent credits and debits."""

    def register_traders(self, pseudonyms: Sequence[bytes], zones: Sequence[int] | None = None) -> Call:
        """Register traders below the calling master, each in its zone of the grid; they get consecutive numbers.

        Without `zones` all are in zone 0.
        """
        return self._call("registerTraders", list(pseudonyms), [0] * len(pseudonyms) if zones is None else list(zones))

    def deposit(self, moneys: Mapping[int, int], payment_reference: bytes) -> Call:
        """Credit deposits, in 1e-7 yuan by trader, against payments received; settlement agent only."""
        return self._call("deposit", list(moneys), list(moneys.values()), payment_reference)

    def withdraw(self, trader: int, money: int, payment_reference: bytes) -> Call:
        """Debit a withdrawal, in 1e-7 yuan, against a payment made; settlement agent only."""
        return self._call("withdraw", trader, money, payment_reference)

    def move_deposit(self, from_trader: int, to_trader: int, money: int) -> Call:
        """Move a free deposit between two traders of the calling master."""
        return self._call("moveDeposit", from_trader, to_trader, money)

    def set_quotas(self, quotas_wh: Mapping[tuple[int, int], int]) -> Call:
        """Set what traders of the calling master may sell, in Wh by trader and delivery period."""
        traders = [trader for trader, _ in quotas_wh]
        periods = [period for _, period in quotas_wh]
        return self._call("setQuotas", periods, traders, list(quotas_wh.values()))

    def trader_of(self, master_id: int, pseudonym: bytes) -> int:
        """Number of the trader with a pseudonym below a master; 0 if there is none."""
        (number,) = self._view("traderOf", master_id, pseudonym)
        return int(number)

    def trader_count(self) -> int:
        """How many traders there are; their numbers run from 1."""
        (count,) = self._view("traderCount")
        return int(count)

    def trader(self, number: int) -> Trader:
        """A trader's master and money."""
        (fields,) = self._view("trader", number)
        return Trader(*fields)

    def position(self, number: int, period: int) -> Position:
        """A trader's energy claims in a delivery period."""
        (fields,) = self._view("position", number, period)
        return Position(*fields)

    def money_moved(self) -> tuple[int, int]:
        """All money ever credited and debited, in 1e-7 yuan."""
        credited, debited = self._view("moneyMoved")
        return credited, debited
