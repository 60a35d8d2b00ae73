"""The settlement agent carries out what masters ordered: it debits, tells the bank, and tells what the bank did."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.errors import ContractReverted, InvalidValue
from gridbourse.ledger.payout_records import PayoutResult
from gridbourse.ledger.purse import returned_reference
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.settling.payouts import Payout


class PayOut:
    """The settlement agent debits the accounts of orders, each cause once; what cannot be debited is refused.

    Parameters
    ----------
    every_seconds
        Between two looks.
    """

    name = "pay out"

    def __init__(self, every_seconds: float = 0.0) -> None:
        self.every_seconds = every_seconds

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each order that is new."""
        if not region.settles:
            return
        region.catch_up()
        region.payouts.catch_up()
        book = region.payouts
        debited = {payout.order.cause for payout in book.payouts() if book.is_debited(payout.reference)}
        for payout in book.payouts():
            is_new = not book.is_debited(payout.reference) and book.result(payout.reference) is None
            if is_new and payout.is_for_agent:
                is_double = payout.order.cause in debited
                debited.add(payout.order.cause)
                work = partial(_refuse, region, payout) if is_double else partial(_debit, region, payout)
                yield Task(payout.reference.hex()[:16], work)


def open_payouts(region: Region) -> list[Payout]:
    """As settlement agent: what the bank is to pay and has not said anything of, the oldest first.

    Raises
    ------
    InvalidValue
        The settlement agent's keys do not lie in this folder.
    """
    if not region.settles:
        raise InvalidValue("folder", str(region.folder), "that of the settlement agent")
    book = region.payouts
    return [
        payout
        for payout in book.payouts()
        if book.is_debited(payout.reference) and book.result(payout.reference) is None
    ]


def confirm_payout(region: Region, reference: bytes, *, paid: bool) -> None:
    """As settlement agent: take note of what the bank did, once however often it is told.

    Money that the bank could not pay comes back to the account that it was debited from.

    Raises
    ------
    InvalidValue
        The settlement agent's keys do not lie in this folder, nothing with this reference was debited, or the bank
        said the opposite of it before.
    """
    if not region.settles:
        raise InvalidValue("folder", str(region.folder), "that of the settlement agent")
    payout, known = region.payouts.payout(reference), region.payouts.result(reference)
    if not region.payouts.is_debited(reference):
        raise InvalidValue("reference", reference.hex(), "the reference of a payout that the bank was told of")
    if known is not None:
        if known is not paid:
            state = "paid" if known else "returned"
            raise InvalidValue("state", "paid" if paid else "returned", f"{state}, as was told before")
        return
    if not paid:
        region.credit({payout.order.account: payout.order.money}, returned_reference(reference))
    _tell(region, payout, paid=paid)


def _debit(region: Region, payout: Payout) -> None:
    order, master_of = payout.order, next(iter(region.relays.values())).market.master_of
    agent = region.settlement_agent()
    if master_of.get(order.account) != payout.master_id:
        _refuse(region, payout)
        return
    try:
        agent.main_wallet.send(region.main.market.withdraw(order.account, order.money, payout.reference))
    except ContractReverted as error:
        if error.error != "NotEnoughMoney":
            raise
        _refuse(region, payout)


def _refuse(region: Region, payout: Payout) -> None:
    _tell(region, payout, paid=False)


def _tell(region: Region, payout: Payout, *, paid: bool) -> None:
    region.settlement_agent().submit([PayoutResult(payout.reference.hex(), paid)], payout.master_id)
    region.catch_up()
    region.payouts.catch_up()
