"""What the API says of money that goes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gridbourse.api.schema import Day, Money, NodeId


class PayoutState(StrEnum):
    """How far a payout is."""

    WAITING = "waiting"
    """More is wanted than there is; of a standing instruction, that it is in force."""
    ENDED = "ended"
    """A newer instruction took its place before it was ordered."""
    ORDERED = "ordered"
    """Its master ordered it."""
    SENT = "sent"
    """The account is debited, and the bank is told."""
    PAID = "paid"
    RETURNED = "returned"
    """The bank could not pay; the money is back."""
    REFUSED = "refused"
    """The account could not be debited."""


@dataclass(frozen=True, slots=True)
class PayoutEntry:
    """Money that a node wants paid out, or that is."""

    node_id: Annotated[str, Field(description="Whose; empty where another organisation knows it.")]
    reference: Annotated[str | None, Field(description="The bank's reference, 64 hexadecimal digits, once ordered.")]
    money: Annotated[Money, Field(description="To be paid; of a standing instruction in force, what is to stay.")]
    payee: Annotated[str, Field(description="Name and number of the bank account.")]
    standing: bool
    day: Annotated[Day | None, Field(description="The delivery day after which a standing instruction made it due.")]
    state: PayoutState


@dataclass(frozen=True, slots=True)
class PurseEntry:
    """What a node has beside its accounts of delivery days: its share of its master's purse."""

    node_id: NodeId
    money: Money


@dataclass(frozen=True, slots=True)
class Payouts:
    """Payouts, the newest last, and what is in the purses."""

    payouts: list[PayoutEntry]
    purses: list[PurseEntry]


@dataclass(frozen=True, slots=True)
class PayoutRequest:
    """What is to be paid out of a node's money."""

    money: Annotated[Money, Field(description="To be paid once; of a standing instruction, what is to stay each day.")]
    payee: Annotated[
        str,
        Field(max_length=200, description="Name and number of the bank account; empty ends a standing instruction."),
    ]
    standing: bool = False


@dataclass(frozen=True, slots=True)
class PayoutConfirmation:
    """What the bank did."""

    paid: Annotated[bool, Field(description="Whether it paid; otherwise the money is credited again.")]
