"""How money goes out: what a user wants paid, what its master orders from the settlement agent, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridbourse.errors import InvalidValue
from gridbourse.ledger.kinds import RecordKind
from gridbourse.text import Message
from gridbourse.units import format_yuan

MAX_MONEY = 2**96 - 1
MAX_PAYEE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class PayoutInstruction:
    """A user's wish that money of its is paid to its bank account, signed by its node.

    Parameters
    ----------
    user_id
        The node.
    money
        In 1e-7 yuan: what is to be paid once; of a standing instruction what is to stay after every delivery day, all
        above it being paid.
    payee
        Name and number of the bank account, as the bank takes them; empty to end a standing instruction.
    standing
        Whether it is for every delivery day from now on. The newest one counts; so does the newest that is for once,
        as long as it is not ordered.

    Raises
    ------
    InvalidValue
        The amount or the payee is none.
    """

    KIND: ClassVar[RecordKind] = RecordKind.PAYOUT_INSTRUCTION

    user_id: str
    money: int
    payee: str
    standing: bool

    def __post_init__(self) -> None:
        least = 0 if self.standing else 1
        if not least <= self.money <= MAX_MONEY:
            raise InvalidValue("money", format_yuan(self.money), Message("an amount of yuan above 0"))
        is_text = self.payee.isprintable() and self.payee == self.payee.strip()
        if not is_text or len(self.payee) > MAX_PAYEE_CHARACTERS or not (self.payee or self.standing):
            text = "name and number of a bank account, at most {most} printable characters"
            remedy = Message(text, most=MAX_PAYEE_CHARACTERS)
            raise InvalidValue("payee", self.payee, remedy)


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """What a master submits to the settlement agent: money of one of its accounts is to be paid out.

    Parameters
    ----------
    account
        The account to debit: the master's purse, under which no user of it is known on the main chain.
    money
        In 1e-7 yuan.
    payee
        Where the bank is to pay it.
    instruction_hex
        Leaf of the user's instruction.
    day
        The delivery day after which a standing instruction made it due; 0 of one that is for once.
    """

    KIND: ClassVar[RecordKind] = RecordKind.PAYOUT_ORDER

    account: int
    money: int
    payee: str
    instruction_hex: str
    day: int

    @property
    def cause(self) -> tuple[str, int]:
        """What made it due; of several orders with one cause, one is carried out."""
        return self.instruction_hex, self.day


@dataclass(frozen=True, slots=True)
class PayoutResult:
    """What the settlement agent tells the master of an order: whether the bank paid, or the money is back.

    Parameters
    ----------
    reference_hex
        Leaf of the order.
    paid
        Whether the bank paid.
    """

    KIND: ClassVar[RecordKind] = RecordKind.PAYOUT_RESULT

    reference_hex: str
    paid: bool
