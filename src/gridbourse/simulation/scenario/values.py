"""What a scenario trades: wants, orders, trades, and the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gridbourse.market.types import EnergyType, Offer, Side


class Level(StrEnum):
    """How much of the system takes part in a run."""

    MARKET = "market"
    """The market's rules alone: no keys, no records, no chain."""
    ONE_CHAIN = "one-chain"
    """One process's chain with contracts, and everybody's records on it."""
    FULL_CHAINS = "full-chains"
    """A main chain and a slave chain for each master, with records, relays, anchors and an audit."""


class Mechanism(StrEnum):
    """How orders of a delivery period become trades."""

    SEQUENTIAL = "sequential"
    """The paper's: sellers wait, buyers enter one after the other and take the cheapest, at the seller's price."""
    CONTINUOUS = "continuous"
    """The order book: orders of both sides come as they happen to, price-time priority, at the seller's price."""
    UNIFORM = "uniform"
    PAY_AS_BID = "pay_as_bid"
    MID_PRICE = "mid_price"
    """A call auction, and at which price its pairs trade."""
    LOCAL_FIRST = "local_first"
    """Orders of one master meet each other first, and what is left goes to the order book."""


AUCTIONS = (Mechanism.UNIFORM, Mechanism.PAY_AS_BID, Mechanism.MID_PRICE)
ON_CHAINS = (Mechanism.SEQUENTIAL, Mechanism.CONTINUOUS)
"""What the market's contract does."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a participant wants to sell or buy.

    Parameters
    ----------
    participant
        Its id.
    side, period, energy_types, energy_wh
        As in `Offer`.
    limit_ticks
        What a kWh costs it at least, or is worth to it at most.
    """

    participant: str
    side: Side
    period: int
    energy_types: EnergyType
    energy_wh: int
    limit_ticks: int

    def offer(self, period: int) -> Offer:
        """An offer of it at its limit, for a delivery period."""
        return Offer(self.side, self.energy_types, period, self.energy_wh, self.limit_ticks)


@dataclass(frozen=True, slots=True)
class Order:
    """A want with a price, in 0.0001 yuan/kWh."""

    want: Want
    price_ticks: int

    def offer(self) -> Offer:
        """The offer that a node signs."""
        return replace(self.want.offer(self.want.period), price_ticks=self.price_ticks)


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade of a run; prices in 0.0001 yuan/kWh.

    Parameters
    ----------
    period
        Delivery period.
    seller, buyer
        Participants.
    energy_type
        What was sold.
    energy_wh, price_ticks
        How much, and at which price.
    cost_ticks, worth_ticks
        The seller's and the buyer's own limits.
    """

    period: int
    seller: str
    buyer: str
    energy_type: EnergyType
    energy_wh: int
    price_ticks: int
    cost_ticks: int
    worth_ticks: int

    @property
    def money(self) -> int:
        """What the buyer pays, in 1e-7 yuan."""
        return self.energy_wh * self.price_ticks

    @property
    def welfare(self) -> int:
        """What both gain together, in 1e-7 yuan."""
        return self.energy_wh * (self.worth_ticks - self.cost_ticks)

    @classmethod
    def between(cls, ask: Order, bid: Order, energy_wh: int, price_ticks: int) -> Trade:
        """A trade of two orders."""
        seller, buyer = ask.want, bid.want
        return cls(
            seller.period,
            seller.participant,
            buyer.participant,
            seller.energy_types,
            energy_wh,
            price_ticks,
            seller.limit_ticks,
            buyer.limit_ticks,
        )


@dataclass(frozen=True, slots=True)
class ChainWork:
    """What a run was for one chain.

    Parameters
    ----------
    seconds
        How long it was busy with it, from signed transactions to durable blocks.
    gas, transaction_bytes
        Of all transactions.
    """

    seconds: float
    gas: int
    transaction_bytes: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run leaves behind: enough to measure it.

    Parameters
    ----------
    orders, trades
        In the order in which they came.
    chains
        By name; none where no chain ran.
    audit
        What the regulator finds wrong; None where nobody audited.
    """

    orders: tuple[Order, ...]
    trades: tuple[Trade, ...]
    chains: Mapping[str, ChainWork] = field(default_factory=dict)
    audit: tuple[str, ...] | None = None
