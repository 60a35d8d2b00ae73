"""The values of the market. Numbers and layouts are the contract's (contracts/src/interfaces)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple, Self

from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_ENERGY_WH, MAX_PERIOD, MAX_PRICE_TICKS, PERIOD_SECONDS

MAX_ZONE = 2**8 - 1
"""Zones of the grid have numbers from 0 to this."""


class Role(IntEnum):
    """What a master node is on the main chain (paper, section 1.1)."""

    SOURCE = 1
    GRID = 2
    AGGREGATOR = 3
    USER = 4


class Side(IntEnum):
    """Which side of the book an order is on."""

    ASK = 0
    BID = 1

    @property
    def opposite(self) -> Side:
        """The side an order of this side trades with."""
        return Side(1 - self)


class EnergyType(IntFlag):
    """What produces the energy. An ask names exactly one type, a bid one or more."""

    WIND = 1
    PV = 2
    HYDRO = 4
    THERMAL = 8
    STORAGE = 16
    MIXED = 32

    @classmethod
    def any(cls) -> EnergyType:
        """All types together: a bid that does not mind."""
        return ~cls(0)


class Reason(IntEnum):
    """Why an order is refused, a candidate or an item of a batch passed over, or a search ended."""

    NONE = 0
    MALFORMED_REQUEST = 1
    NOT_YOUR_TRADER = 2
    PARTY_SUSPENDED = 3
    GATE_CLOSED = 4
    PRICE_OUT_OF_BOUNDS = 5
    ENERGY_TOO_SMALL = 6
    ENERGY_TYPES_INVALID = 7
    QUEUE_FULL = 8
    SAME_USER = 9
    BEYOND_QUOTA = 10
    DEPOSIT_TOO_SMALL = 11
    CANDIDATE_LIMIT = 12
    NO_TRANSFER_CAPACITY = 13
    NOT_YOUR_ORDER = 14
    NOT_YOUR_DEAL = 15
    WRONG_STATE = 16
    CONFIRMED_ALREADY = 17
    LET_DOWN = 18
    OTHERS_FIRST = 19


class DealState(IntEnum):
    """``INTENT -> CONFIRMED -> SETTLED``, or ``INTENT -> ABANDONED | EXPIRED``."""

    NONE = 0
    INTENT = 1
    CONFIRMED = 2
    ABANDONED = 3
    EXPIRED = 4
    SETTLED = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """Market settings, changed only by a vote of the masters.

    Parameters
    ----------
    cooling_off_seconds
        Time both parties have to confirm a deal, at most until the gate of its period closes; 0 makes every deal
        binding at once.
    floor_ticks, cap_ticks
        Lowest and highest price of an order.
    gate_lead_seconds
        How long before a delivery period begins its gate closes.
    max_candidates
        How many resting orders one call may look at per incoming order.
    trading_roles
        The roles whose users may trade.
    fallback_ticks
        What energy is worth in a period without deals, for its imbalance price; within floor and cap.
    incentive_permille
        How much the imbalance price is raised where the region is short, and lowered where it is long.
    metering_due_seconds
        How long after a delivery day masters may take to submit what they metered.
    apart_seconds
        What letting a deal end costs: for so long the other party's order is not brought together with orders of the
        same master again.
    least_wh
        The least energy of a new order; what is left of an order may be less.
    bid_multiple
        A new bid may be worth at most so many times the free money of its trader.
    """

    cooling_off_seconds: int
    floor_ticks: int
    cap_ticks: int
    gate_lead_seconds: int
    max_candidates: int
    trading_roles: frozenset[Role] = frozenset(Role)
    fallback_ticks: int = 4_000
    incentive_permille: int = 100
    metering_due_seconds: int = 86_400
    apart_seconds: int = 86_400
    least_wh: int = 10
    bid_multiple: int = 2

    def gate_closes_at(self, period: int) -> int:
        """When the gate of a delivery period closes, in seconds since the epoch: from then on it takes no order."""
        return period * PERIOD_SECONDS - self.gate_lead_seconds

    def first_open_period(self, now: int) -> int:
        """The first delivery period whose gate takes orders; `now` in seconds since the epoch."""
        return (now + self.gate_lead_seconds) // PERIOD_SECONDS + 1


class OrderId(NamedTuple):
    """An order's place in the book: its turn counts the arrivals of one period, side and price."""

    period: int
    side: Side
    price_ticks: int
    turn: int

    @classmethod
    def unpack(cls, number: int) -> Self:
        """Read the contract's 64-bit id."""
        return cls(number >> 40, Side(number >> 32 & 0xFF), number >> 16 & 0xFFFF, number & 0xFFFF)

    def pack(self) -> int:
        """Write the contract's 64-bit id: ``period (24 bits) | side (8) | price (16) | turn (16)``."""
        return self.period << 40 | self.side << 32 | self.price_ticks << 16 | self.turn


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node wants to buy or sell in one delivery period.

    Parameters
    ----------
    side
        Whether it sells (ask) or buys (bid).
    energy_types
        What it sells, one type, or what it accepts.
    period
        Delivery period.
    energy_wh
        How much.
    price_ticks
        Lowest price it sells at, or highest it buys at.
    """

    side: Side
    energy_types: EnergyType
    period: int
    energy_wh: int
    price_ticks: int


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a user asks the market for.

    Raises
    ------
    InvalidValue
        A field is outside the range of the contract's words.
    """

    trader: int
    side: Side
    energy_types: EnergyType
    period: int
    price_ticks: int
    energy_wh: int

    def __post_init__(self) -> None:
        limits = (
            ("trader", 2**32 - 1, "a trader number below 2^32"),
            ("energy_types", 2**8 - 1, "energy types whose bits are below 2^8"),
            ("period", MAX_PERIOD, "a delivery period number below 2^24"),
            ("price_ticks", MAX_PRICE_TICKS, "a price from 0 to 65535 ticks of 0.0001 yuan/kWh"),
            ("energy_wh", MAX_ENERGY_WH, "an energy from 0 to 2^40 - 1 Wh"),
        )
        for field, largest, remedy in limits:
            value = getattr(self, field)
            if not isinstance(value, int) or not 0 <= value <= largest:
                raise InvalidValue(field, value, remedy)

    def pack(self) -> int:
        """Write the contract's request word (contracts/src/libraries/Request.sol)."""
        return (
            self.energy_wh << 88
            | self.trader << 56
            | self.energy_types << 48
            | self.period << 24
            | self.side << 16
            | self.price_ticks
        )


@dataclass(frozen=True, slots=True)
class Order:
    """An order that the market has taken.

    Parameters
    ----------
    trader, energy_types, energy_wh
        As in `OrderRequest`.
    open_wh
        What waits for a counterpart.
    apart_until
        Until then it is not brought together with orders of masters that let it down; 0 if none did.
    """

    trader: int
    energy_types: EnergyType
    energy_wh: int
    open_wh: int
    apart_until: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """What two orders agreed. The price is the ask's."""

    ask: OrderId
    bid: OrderId
    seller: int
    buyer: int
    energy_wh: int
    confirm_before: int
    seller_confirmed: bool
    buyer_confirmed: bool
    state: DealState

    def trader(self, side: Side) -> int:
        """Number of the party on a side."""
        return self.seller if side is Side.ASK else self.buyer

    def has_confirmed(self, side: Side) -> bool:
        """Whether the party on a side has confirmed."""
        return self.seller_confirmed if side is Side.ASK else self.buyer_confirmed

    @property
    def price_ticks(self) -> int:
        """Price in 0.0001 yuan/kWh."""
        return self.ask.price_ticks

    @property
    def money(self) -> int:
        """What the buyer pays, in 1e-7 yuan."""
        return self.energy_wh * self.price_ticks


@dataclass(frozen=True, slots=True)
class Trader:
    """A pseudonym below a master, its money in 1e-7 yuan, and the zone of the grid it is in."""

    master_id: int
    free_money: int = 0
    held_money: int = 0
    zone: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """A trader's energy claims in one delivery period, in Wh."""

    quota_wh: int = 0
    held_wh: int = 0
    sold_wh: int = 0
    bought_wh: int = 0


class ZonePair(NamedTuple):
    """A delivery period and two zones of the grid, from 0 to 255, between which energy is carried."""

    period: int
    from_zone: int
    to_zone: int


@dataclass(frozen=True, slots=True)
class TransferCapacity:
    """What deals may carry from one zone to another in a delivery period, and what they have taken of it, in Wh."""

    capacity_wh: int = 0
    used_wh: int = 0


class SettledTrade(NamedTuple):
    """A deal that was carried out, as far as statements of a month depend on it; parties by trader number."""

    period: int
    seller: int
    buyer: int
    seller_zone: int
    buyer_zone: int
    energy_type: int
    energy_wh: int
    price_ticks: int
