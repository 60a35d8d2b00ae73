"""What the regulator checks of money, over the whole life of a region: paid in is paid out and held, to the unit.

Every account must hold what came in, went out, moved and was traded leaves there; every withdrawal must be what a
master ordered because a user signed that it wants it; a user's money may move to its own accounts and the purse only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from gridbourse.contracts.balancing import Submission
from gridbourse.contracts.main_chain import MainChain
from gridbourse.ledger.payout_records import PayoutOrder
from gridbourse.ledger.purse import purse_pseudonym, returned_reference
from gridbourse.market.types import DealState
from gridbourse.regulator.market_view import MarketView
from gridbourse.regulator.money_view import MoneyView
from gridbourse.regulator.verified_records import VerifiedLedger
from gridbourse.text import Message
from gridbourse.units import format_yuan

Orders = Mapping[bytes, tuple[Submission, PayoutOrder]]
"""What masters ordered to be paid out, by leaf."""


class MoneyAudit:
    """Checks the money of all accounts.

    Parameters
    ----------
    main
        The main chain.
    market
        Orders and deals, which the owner keeps up.
    readings
        The slave chains by the number of their master, as far as they are open.
    name
        Tells a master's name.
    orders
        What masters ordered to be paid out; who opens submissions adds to it.
    """

    def __init__(
        self,
        main: MainChain,
        market: MarketView,
        readings: Mapping[int, VerifiedLedger],
        name: Callable[[int], str],
        orders: Orders,
    ) -> None:
        self._main = main
        self._market = market
        self._money = MoneyView(market)
        self._readings = readings
        self._name = name
        self._orders = orders

    def wrong(self) -> Iterator[Message]:
        """Everything that is wrong; the slave chains have been read after the main chain."""
        yield from self._wrong_accounts()
        yield from self._wrong_withdrawals()
        for master_id, reading in self._readings.items():
            yield from self._wrong_moves(master_id, reading)

    def _totals(self) -> Counter[int]:
        """By account, what everything that ever happened leaves on it."""
        totals: Counter[int] = Counter()
        for account, money in self._money.deposits():
            totals[account] += money
        for account, money in self._money.withdrawals().values():
            totals[account] -= money
        for (giver, taker), money in self._money.moves().items():
            totals[giver] -= money
            totals[taker] += money
        for deal in self._market.deals.values():
            if deal.state is DealState.SETTLED:
                totals[deal.seller] += deal.money
                totals[deal.buyer] -= deal.money
        return totals

    def _wrong_accounts(self) -> Iterator[Message]:
        """Compare all accounts with the contract's own; those that something happens to meanwhile, another time."""
        before, height = self._totals(), self._market.height
        accounts = {number: self._main.market.trader(number) for number in self._market.master_of}
        moved = self._main.market.money_moved()
        self._market.catch_up()
        after = self._totals()
        for number, account in accounts.items():
            held = account.free_money + account.held_money
            if before[number] == after[number] != held:
                text = "main chain: account {number} holds {held} yuan, but all that happened leaves {due} yuan there"
                parts = {"held": format_yuan(held), "due": format_yuan(after[number])}
                yield Message(text, number=number, **parts)
        if height == self._market.height and moved != (self._money.credited, self._money.debited):
            text = "main chain: states {paid_in} yuan paid in and {paid_out} paid out, which is not what happened"
            yield Message(text, paid_in=format_yuan(moved[0]), paid_out=format_yuan(moved[1]))

    def _wrong_withdrawals(self) -> Iterator[Message]:
        causes: Counter[tuple[str, int]] = Counter()
        for reference, (account, money) in self._money.withdrawals().items():
            parts = {"money": format_yuan(money), "account": account}
            ordered = self._orders.get(reference)
            if ordered is None:
                yield Message("main chain: {money} yuan went out of account {account} without an order", **parts)
                continue
            submission, order = ordered
            is_own = self._market.master_of.get(account) == submission.master_id
            if (order.account, order.money) != (account, money) or not is_own:
                text = "main chain: {money} yuan went out of account {account} otherwise than {name} ordered"
                yield Message(text, name=self._name(submission.master_id), **parts)
            if not self._money.came_in(account, returned_reference(reference)):
                causes[order.cause] += 1
                if causes[order.cause] > 1:
                    yield Message("main chain: {money} yuan went out of account {account} a second time", **parts)
            if submission.master_id in self._readings:
                yield from self._wrong_order(self._readings[submission.master_id], order, parts)

    def _wrong_order(
        self, reading: VerifiedLedger, order: PayoutOrder, parts: Mapping[str, object]
    ) -> Iterator[Message]:
        instruction = reading.instructions.get(bytes.fromhex(order.instruction_hex))
        if instruction is None or instruction.fault is not None:
            text = "slave chain {name}: no user signed that {money} yuan are to go out of account {account}"
            yield Message(text, name=reading.name, **parts)
            return
        stated = instruction.details
        is_wanted = stated.standing if order.day else stated.money == order.money and not stated.standing
        if not is_wanted or stated.payee != order.payee:
            text = "{place}: {money} yuan went out of account {account} otherwise than {user} wants"
            yield Message(text, place=reading.place(instruction.record), user=stated.user_id, **parts)

    def _wrong_moves(self, master_id: int, reading: VerifiedLedger) -> Iterator[Message]:
        purse = self._market.account_of(master_id, purse_pseudonym(master_id))
        owners = {
            account: user_id
            for key in reading.day_keys.values()
            for user_id in reading.nodes
            if (account := self._market.account_of(master_id, key.pseudonym(user_id.encode())))
        }
        inside: dict[str, int] = defaultdict(int)
        for (giver, taker), money in self._money.moves().items():
            if self._market.master_of.get(giver) != master_id:
                continue
            if purse in {giver, taker} and (giver in owners or taker in owners):
                inside[owners[giver] if taker == purse else owners[taker]] += money if taker == purse else -money
            elif owners.get(giver) is None or owners.get(giver) != owners.get(taker):
                text = "main chain: {name} moved {money} yuan of account {giver} to account {taker}, another user's"
                yield Message(text, name=reading.name, money=format_yuan(money), giver=giver, taker=taker)
        for reference in self._money.withdrawals():
            ordered = self._orders.get(reference)
            if ordered and ordered[0].master_id == master_id:
                order = ordered[1]
                instruction = reading.instructions.get(bytes.fromhex(order.instruction_hex))
                if instruction and not self._money.came_in(order.account, returned_reference(reference)):
                    inside[instruction.details.user_id] -= order.money
        for user_id, money in inside.items():
            if money < 0:
                text = "main chain: {name} took {money} yuan more out of its purse for {user} than {user} had in it"
                yield Message(text, name=reading.name, money=format_yuan(-money), user=user_id)
