"""Payouts: what masters ordered from the settlement agent and what came of it, as the main chain carries it.

======================= ====================== =================== ================================================
record                  by                     where               says
======================= ====================== =================== ================================================
`PayoutInstruction`     a user                 its slave chain     how much is to be paid where, once or every day
`PayoutOrder`           its master             main chain, sealed  to the agent: pay out of the master's purse
a withdrawal            the settlement agent   main chain, plain   the purse is debited under the order's leaf
`PayoutResult`          the settlement agent   main chain, sealed  to the master: the bank paid, or the money is back
======================= ====================== =================== ================================================

The purse is debited before the bank is told, so no money is promised twice; the order's leaf is the bank's reference,
so no payment is made twice, however often it is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gridbourse.api.payout_schema import PayoutEntry, PayoutState
from gridbourse.contracts.balancing import Submission
from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.envelope import key_id, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.index.balance import Balance
from gridbourse.index.money import Money
from gridbourse.ledger.payout_records import PayoutInstruction, PayoutOrder, PayoutResult
from gridbourse.ledger.purse import returned_reference
from gridbourse.node.master import Master
from gridbourse.node.relay import Relay


@dataclass(frozen=True, slots=True)
class Payout:
    """An order to pay out, by the leaf that is its reference."""

    reference: bytes
    master_id: int
    order: PayoutOrder
    is_for_agent: bool
    """Whether it is sealed to the settlement agent of now."""


class PayoutBook:
    """The orders and results that masters of a folder can open, kept up with the main chain.

    Parameters
    ----------
    main
        The main chain.
    balance
        What is submitted there.
    money
        What went out and came in there.
    masters
        The masters of the folder, by name.
    """

    def __init__(self, main: MainChain, balance: Balance, money: Money, masters: Mapping[str, Master]) -> None:
        self._main = main
        self._balance = balance
        self._money = money
        self._masters = masters
        self._read = 0
        self._orders: dict[bytes, tuple[Submission, PayoutOrder]] = {}
        self._results: dict[bytes, bool] = {}

    def catch_up(self) -> None:
        """Read what was submitted since the last time, as far as the index has it."""
        agents = self._main.consortium.settlement_agents()
        for submission in self._balance.submissions[self._read :]:
            self._read += 1
            if submission.record.kind in {PayoutOrder.KIND, PayoutResult.KIND}:
                match self._open(submission):
                    case PayoutOrder() as order:
                        self._orders[submission.record.leaf] = submission, order
                    case PayoutResult() as result if submission.master_id in agents:
                        self._results.setdefault(bytes.fromhex(result.reference_hex), result.paid)
                    case _:
                        pass

    def payouts(self) -> Iterator[Payout]:
        """All orders, the oldest first."""
        consortium, balancing = self._main.consortium, self._main.balancing
        agent = key_id(balancing.encryption_key(consortium.settlement_agent()))
        for reference, (submission, order) in self._orders.items():
            is_for_agent = agent in recipients_of(submission.record.content[HASH_BYTES:])
            yield Payout(reference, submission.master_id, order, is_for_agent)

    def payout(self, reference: bytes) -> Payout:
        """The order with a reference. Raises `InvalidValue`."""
        for payout in self.payouts():
            if payout.reference == reference:
                return payout
        raise InvalidValue("reference", reference.hex(), "the reference of a payout that was ordered")

    def result(self, reference: bytes) -> bool | None:
        """Whether the bank paid; None while that is not known."""
        return self._results.get(reference)

    def is_debited(self, reference: bytes) -> bool:
        """Whether the account of an order was debited."""
        return self._money.withdrawn(reference) is not None

    def is_returned(self, payout: Payout) -> bool:
        """Whether the money of an order is back."""
        return bool(self._money.came_in(payout.order.account, returned_reference(payout.reference)))

    def is_void(self, payout: Payout) -> bool:
        """Whether nothing will come of an order: it was refused, or is sealed to somebody who is no agent any more."""
        if self.is_debited(payout.reference):
            return False
        return self.result(payout.reference) is False or not payout.is_for_agent

    def spent(self, leaves: Mapping[str, PayoutInstruction]) -> dict[str, int]:
        """By user, what orders took or will take out of the purse: those of instructions that are given, by leaf."""
        spent: dict[str, int] = {}
        for payout in self.payouts():
            instruction = leaves.get(payout.order.instruction_hex)
            if instruction and not self.is_void(payout) and not self.is_returned(payout):
                spent[instruction.user_id] = spent.get(instruction.user_id, 0) + payout.order.money
        return spent

    def causes(self) -> set[tuple[str, int]]:
        """What made an order due that was or will be carried out."""
        return {payout.order.cause for payout in self.payouts() if not self.is_void(payout)}

    def _open(self, submission: Submission) -> object:
        for master in self._masters.values():
            with suppress(EnvelopeError):
                return master.encryption_node.open_submitted(submission.record)
        return None


class Purse:
    """One master's purse, and what each of its users has in it.

    Parameters
    ----------
    master, relay
        Whose.
    money, payouts
        What moved, and what is paid out.
    """

    def __init__(self, master: Master, relay: Relay, money: Money, payouts: PayoutBook) -> None:
        self._master = master
        self._relay = relay
        self._money = money
        self._payouts = payouts

    @property
    def account(self) -> int:
        """Its number on the market; 0 as long as nothing was ever put into it."""
        return self._master.purse()

    def available(self) -> dict[str, int]:
        """By user, what it has in the purse and is not on its way out, in 1e-7 yuan."""
        self._relay.catch_up()
        self._payouts.catch_up()
        purse = self.account
        if not purse:
            return {}
        found: dict[str, int] = {}
        for (node_id, _), account in self._master.traders.items():
            inside = self._money.moved(account, purse) - self._money.moved(purse, account)
            found[node_id] = found.get(node_id, 0) + inside
        leaves = {leaf.hex(): stated for leaf, stated in self._relay.instructions.items()}
        for node_id, money in self._payouts.spent(leaves).items():
            found[node_id] -= money
        return found

    def collect(self, day: int) -> bool:
        """Move what is free on a day's accounts into the purse; returns whether nothing is left there."""
        market, purse = self._master.main.market, 0
        accounts = sorted(account for (_, own), account in self._master.traders.items() if own == day)
        states = {account: market.trader(account) for account in accounts}
        free = {account: state.free_money for account, state in states.items() if state.free_money}
        if free:
            purse = self._master.open_purse()
            calls = [market.move_deposit(account, purse, money) for account, money in free.items()]
            self._master.main_wallet.send_many(calls)
        return not any(state.held_money for state in states.values())

    def draw(self, node_id: str, days: Sequence[int], money: int) -> None:
        """Move money of a user from its accounts of some days into the purse, as much of it as is free there."""
        market = self._master.main.market
        for day in days:
            if money > 0 and self._master.is_named(node_id, day):
                account = self._master.trader(node_id, day)
                moved = min(money, market.trader(account).free_money)
                if moved:
                    self._master.main_wallet.send(market.move_deposit(account, self._master.open_purse(), moved))
                    money -= moved

    def is_placed(self, node_id: str, day: int) -> bool:
        """Whether anything was put from the purse on a user's account of a day."""
        return bool(self._money.moved(self.account, self._master.trader(node_id, day)))

    def place(self, moneys: Mapping[tuple[str, int], int]) -> None:
        """Put money of users, in 1e-7 yuan by user and day, on their accounts, in the order of these."""
        market, purse = self._master.main.market, self.account
        accounts = sorted((self._master.trader(node_id, day), money) for (node_id, day), money in moneys.items())
        if accounts:
            self._master.main_wallet.send_many(
                [market.move_deposit(purse, account, money) for account, money in accounts]
            )


def payout_entries(book: PayoutBook, relays: Mapping[str, Relay]) -> list[PayoutEntry]:
    """What users of a folder's masters want paid out and what came of it; of others' users what the agent knows."""
    orders: dict[str, list[Payout]] = {}
    for payout in book.payouts():
        orders.setdefault(payout.order.instruction_hex, []).append(payout)
    entries = []
    for relay in relays.values():
        newest = {(stated.user_id, stated.standing): leaf for leaf, stated in relay.instructions.items()}
        for leaf, stated in relay.instructions.items():
            own = orders.pop(leaf.hex(), [])
            entries += [_ordered(book, payout, stated.user_id, standing=stated.standing) for payout in own]
            is_newest = newest[stated.user_id, stated.standing] == leaf
            if stated.standing or not own:
                is_open = is_newest and bool(stated.payee)
                state = PayoutState.WAITING if is_open else PayoutState.ENDED
                entries.append(
                    PayoutEntry(stated.user_id, None, stated.money, stated.payee, stated.standing, None, state)
                )
    for others in orders.values():
        entries += [_ordered(book, payout, "", standing=payout.order.day > 0) for payout in others]
    return entries


def _ordered(book: PayoutBook, payout: Payout, node_id: str, *, standing: bool) -> PayoutEntry:
    order, result = payout.order, book.result(payout.reference)
    if book.is_debited(payout.reference):
        ended = PayoutState.PAID if result else PayoutState.RETURNED
        state = PayoutState.SENT if result is None else ended
    else:
        state = PayoutState.ORDERED if result is None else PayoutState.REFUSED
    return PayoutEntry(node_id, payout.reference.hex(), order.money, order.payee, standing, order.day or None, state)
