"""Traders, deposits and energy claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gridbourse.errors import MarketError
from gridbourse.market.consortium import Consortium
from gridbourse.market.events import Deposited, DepositMoved, Event, QuotaSet, TraderRegistered, Withdrawn
from gridbourse.market.types import Position, Trader

NO_PSEUDONYM = bytes(32)
MAX_MONEY = 2**96 - 1
"""So much money there may be in all, in 1e-7 yuan: what one trader receives always fits into its account."""


class Accounts:
    """Who trades, with what money, and with what claims to energy.

    A trader is a pseudonym below a master: two masters that register the same one have two traders. Money is a claim,
    in 1e-7 yuan: the settlement agent credits a deposit when it has received a payment and debits a withdrawal when it
    has paid out. Every call names the master that makes it, and changes everything it names or, when it raises,
    nothing.

    Parameters
    ----------
    consortium
        The masters and their settings.

    Attributes
    ----------
    events
        All that happened, oldest first.
    credited, debited
        All money ever credited and debited.
    """

    def __init__(self, consortium: Consortium) -> None:
        self.consortium = consortium
        self.events: list[Event] = []
        self.credited = 0
        self.debited = 0
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._traders: dict[int, Trader] = {}
        self._positions: dict[tuple[int, int], Position] = {}

    def register_traders(self, caller: int, pseudonyms: Sequence[bytes], zones: Sequence[int] | None = None) -> int:
        """Register traders below the caller under consecutive numbers, each in its zone; return the first.

        Without `zones` all are in zone 0.

        Raises
        ------
        MarketError
            ``LengthsDiffer``, ``NotActiveMaster``, or ``PseudonymNotFree`` for one that is zero or the
            caller's already.
        """
        zones = [0] * len(pseudonyms) if zones is None else zones
        if len(pseudonyms) != len(zones):
            raise MarketError("LengthsDiffer")
        self.consortium.require_active(caller)
        first = len(self._traders) + 1
        numbers: dict[bytes, int] = {}
        for number, pseudonym in enumerate(pseudonyms, start=first):
            if pseudonym == NO_PSEUDONYM or (caller, pseudonym) in self._numbers or pseudonym in numbers:
                raise MarketError("PseudonymNotFree", pseudonym)
            numbers[pseudonym] = number
        for (pseudonym, number), zone in zip(numbers.items(), zones, strict=True):
            self._numbers[caller, pseudonym] = number
            self._traders[number] = Trader(caller, zone=zone)
            self.events.append(TraderRegistered(number, caller, pseudonym, zone))
        return first

    def deposit(self, caller: int, moneys: Mapping[int, int], payment_reference: bytes) -> None:
        """Credit deposits, by trader, against payments received.

        Raises
        ------
        MarketError
            ``NotActiveMaster``, ``NotSettlementAgent``, ``UnknownTrader``, or ``TooMuchMoney`` where all money of all
            traders would exceed `MAX_MONEY`.
        """
        self._require_settlement_agent(caller)
        total = self.credited - self.debited
        for trader, money in moneys.items():
            total += money
            if total > MAX_MONEY:
                raise MarketError("TooMuchMoney", trader, money)
            self.trader(trader)
        for trader, money in moneys.items():
            self._move_money(trader, free=money)
            self.credited += money
            self.events.append(Deposited(trader, money, payment_reference))

    def withdraw(self, caller: int, trader: int, money: int, payment_reference: bytes) -> None:
        """Debit a withdrawal against a payment made.

        Raises
        ------
        MarketError
            ``NotActiveMaster``, ``NotSettlementAgent``, ``UnknownTrader`` or ``NotEnoughMoney``.
        """
        self._require_settlement_agent(caller)
        self._require_money(trader, money)
        self._move_money(trader, free=-money)
        self.debited += money
        self.events.append(Withdrawn(trader, money, payment_reference))

    def move_deposit(self, caller: int, from_trader: int, to_trader: int, money: int) -> None:
        """Move money between two traders of the caller, so that it need not link one day's pseudonym to the next.

        Raises
        ------
        MarketError
            ``NotActiveMaster``, ``UnknownTrader``, ``NotYourTrader`` or ``NotEnoughMoney``.
        """
        self.consortium.require_active(caller)
        self._require_below(caller, from_trader)
        self._require_below(caller, to_trader)
        self._require_money(from_trader, money)
        self._move_money(from_trader, free=-money)
        self._move_money(to_trader, free=money)
        self.events.append(DepositMoved(from_trader, to_trader, money))

    def set_quotas(self, caller: int, quotas_wh: Mapping[tuple[int, int], int]) -> None:
        """Set what traders of the caller may sell, by trader and delivery period.

        Raises
        ------
        MarketError
            ``NotActiveMaster``, ``UnknownTrader``, ``NotYourTrader``, or ``QuotaTooSmall`` for less than is held
            or sold already.
        """
        self.consortium.require_active(caller)
        for (trader, period), quota_wh in quotas_wh.items():
            self._require_below(caller, trader)
            position = self.position(trader, period)
            committed_wh = position.held_wh + position.sold_wh
            if quota_wh < committed_wh:
                raise MarketError("QuotaTooSmall", trader, period, committed_wh)
        for (trader, period), quota_wh in quotas_wh.items():
            self._positions[trader, period] = replace(self.position(trader, period), quota_wh=quota_wh)
            self.events.append(QuotaSet(trader, period, quota_wh))

    @property
    def trader_count(self) -> int:
        """Number of traders; their numbers run from 1."""
        return len(self._traders)

    def trader_of(self, master_id: int, pseudonym: bytes) -> int:
        """The number of the trader with a pseudonym below a master; 0 if there is none."""
        return self._numbers.get((master_id, pseudonym), 0)

    def trader(self, number: int) -> Trader:
        """A trader's master and money.

        Raises
        ------
        MarketError
            ``UnknownTrader``.
        """
        if number not in self._traders:
            raise MarketError("UnknownTrader", number)
        return self._traders[number]

    def position(self, trader: int, period: int) -> Position:
        """A trader's energy claims in a delivery period."""
        return self._positions.get((trader, period), Position())

    def _move_money(self, trader: int, *, free: int = 0, held: int = 0) -> None:
        account = self._traders[trader]
        self._traders[trader] = replace(
            account, free_money=account.free_money + free, held_money=account.held_money + held
        )

    def _move_energy(self, trader: int, period: int, *, held: int = 0, sold: int = 0, bought: int = 0) -> None:
        claims = self.position(trader, period)
        self._positions[trader, period] = Position(
            claims.quota_wh, claims.held_wh + held, claims.sold_wh + sold, claims.bought_wh + bought
        )

    def _require_money(self, trader: int, money: int) -> None:
        free_money = self.trader(trader).free_money
        if free_money < money:
            raise MarketError("NotEnoughMoney", trader, free_money, money)

    def _require_below(self, master_id: int, trader: int) -> None:
        if self.trader(trader).master_id != master_id:
            raise MarketError("NotYourTrader", trader)

    def _require_settlement_agent(self, caller: int) -> None:
        self.consortium.require_active(caller)
        if caller != self.consortium.settlement_agent:
            raise MarketError("NotSettlementAgent", caller)
