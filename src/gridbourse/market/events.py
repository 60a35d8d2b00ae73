"""What happens in the market, step by step.

Each class has the name of the contract's event (``IEnergyMarket``, ``IAccounts``, ``ITransfers``), and its fields stand
in the order of that event's arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.market.types import EnergyType, OrderId, Reason, Side


@dataclass(frozen=True, slots=True)
class TraderRegistered:
    """A master named a trader by its pseudonym (32 bytes), in a zone of the grid."""

    trader: int
    master_id: int
    pseudonym: bytes
    zone: int = 0


@dataclass(frozen=True, slots=True)
class Deposited:
    """The settlement agent received a payment, in 1e-7 yuan."""

    trader: int
    money: int
    payment_reference: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The settlement agent paid out, in 1e-7 yuan."""

    trader: int
    money: int
    payment_reference: bytes


@dataclass(frozen=True, slots=True)
class DepositMoved:
    """A master moved a deposit between two of its traders, in 1e-7 yuan."""

    from_trader: int
    to_trader: int
    money: int


@dataclass(frozen=True, slots=True)
class QuotaSet:
    """A master set what a trader may sell in a delivery period."""

    trader: int
    period: int
    quota_wh: int


@dataclass(frozen=True, slots=True)
class TransferCapacityPublished:
    """The dispatcher published what deals may carry from one zone to another in a delivery period."""

    period: int
    from_zone: int
    to_zone: int
    capacity_wh: int


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """An order entered the market; `record_hash` is the leaf of the user's own order on its slave chain."""

    order_id: OrderId
    trader: int
    energy_types: EnergyType
    energy_wh: int
    record_hash: bytes


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """A master's order of a batch was not taken; the others were."""

    master_id: int
    index: int
    record_hash: bytes
    reason: Reason


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """An order left the market for good."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class TurnLost:
    """An order left the market for good: its party let a deal end, or had no means left when a search met it."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class OrderPassedOver:
    """An order of a batch was not cancelled; the others were."""

    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True)
class DealPassedOver:
    """A deal of a batch stayed as it is; the others did not."""

    deal_id: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class CandidatePassedOver:
    """The search went past an illegal candidate."""

    order_id: OrderId
    candidate: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True)
class MatchingStopped:
    """The search ended with candidates left; ``ReferenceMarket.match`` goes on."""

    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True)
class IntentRecorded:
    """Two orders agreed."""

    deal_id: int
    ask: OrderId
    bid: OrderId
    energy_wh: int
    price_ticks: int
    confirm_before: int


@dataclass(frozen=True, slots=True)
class PartyConfirmed:
    """One party confirmed."""

    deal_id: int
    side: Side


@dataclass(frozen=True, slots=True)
class DealConfirmed:
    """Both parties confirmed, or there is no cooling-off time: the deal is binding."""

    deal_id: int


@dataclass(frozen=True, slots=True)
class DealAbandoned:
    """One party abandoned the deal; nothing was transferred."""

    deal_id: int
    side: Side


@dataclass(frozen=True, slots=True)
class DealExpired:
    """The deal ended without the confirmation of both; nothing was transferred."""

    deal_id: int


@dataclass(frozen=True, slots=True)
class DealSettled:
    """Money, in 1e-7 yuan, and energy claims moved."""

    deal_id: int
    money: int


Event = (
    TraderRegistered
    | Deposited
    | Withdrawn
    | DepositMoved
    | QuotaSet
    | TransferCapacityPublished
    | OrderPlaced
    | OrderRefused
    | OrderCancelled
    | TurnLost
    | OrderPassedOver
    | DealPassedOver
    | CandidatePassedOver
    | MatchingStopped
    | IntentRecorded
    | PartyConfirmed
    | DealConfirmed
    | DealAbandoned
    | DealExpired
    | DealSettled
)
