"""A trace: what the regulator found on its walk from a deal, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side
from gridbourse.regulator.verified_records import DecryptedRecord
from gridbourse.text import Message
from gridbourse.units import format_kwh, format_price

STATES = {
    DealState.INTENT: Message("intent"),
    DealState.CONFIRMED: Message("confirmed"),
    DealState.ABANDONED: Message("abandoned"),
    DealState.EXPIRED: Message("expired"),
    DealState.SETTLED: Message("settled"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk.

    Parameters
    ----------
    title
        What is checked.
    holds
        The verdict.
    finding
        What was found; where it does not hold, which chain and record is at fault.
    """

    title: str
    holds: bool
    finding: str


@dataclass(slots=True)
class PartyTrace:
    """The walk to one party of a deal; what was not reached is None."""

    side: Side
    placed: OrderPlaced
    master: str
    order: DecryptedRecord[OrderDetails] | None = None
    anchor: Anchor | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def details(self) -> OrderDetails | None:
        """What the party's own record says."""
        return self.order.details if self.order else None


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole walk from a deal; `delivery` says when, by the region's clocks."""

    deal_id: int
    deal: Deal
    delivery: str
    parties: tuple[PartyTrace, PartyTrace]

    @property
    def holds(self) -> bool:
        """True if every step holds."""
        return all(step.holds for party in self.parties for step in party.steps)


def order_text(side: Side, delivery: str, energy_types: EnergyType, energy_wh: int, price_ticks: int) -> Message:
    """Say what an order wants; `delivery` is its period as people are told it."""
    text = "buys {energy} kWh of {kinds} at {price} yuan/kWh in period {period}"
    if side is Side.ASK:
        text = "sells {energy} kWh of {kinds} at {price} yuan/kWh in period {period}"
    kinds = [Message(str(kind.name).lower()) for kind in energy_types] or [Message("no known type")]
    return Message(
        text,
        energy=format_kwh(energy_wh),
        kinds=Message("any type") if energy_types == EnergyType.any() else reduce(_either, kinds),
        price=format_price(price_ticks),
        period=delivery,
    )


def order_hex(order_id: OrderId) -> str:
    """An order's id as people see it."""
    return f"{order_id.pack():x}"


def _either(first: Message, other: Message) -> Message:
    return Message("{first} or {other}", first=first, other=other)
