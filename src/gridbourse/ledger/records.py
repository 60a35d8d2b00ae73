"""What users and masters write on a slave chain; `gridbourse.ledger.sealing` says how."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self

from gridbourse.chain.block import BLOCK_GAS_LIMIT
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.crypto.keys import Address
from gridbourse.crypto.pseudonym import DayKey
from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import (
    CapacityDetails,
    MeteredDetails,
    ScheduleDetails,
    StatementDetails,
    Submitted,
)
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.month_records import MonthStatement
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import DealState, EnergyType, Offer, OrderId, OrderRequest, Side
from gridbourse.metering.intake import MeteringPoint
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.rules.delivered import Connection, connection_of

MAX_QUOTA_WH = 2**48 - 1
MAX_CONNECTION_W = 2**40 - 1
MAX_INTERVAL_MS = 10_000
"""Longer than this, who submits a record would give up waiting for its block."""
MAX_ANCHOR_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """A user's own order, with the details that stay on its slave chain (paper, section 3.1).

    Parameters
    ----------
    user_id
        The user's name at its master.
    location
        Where the energy is fed in or drawn.
    energy_quota_wh
        What the user may sell in the period; 0 for a buyer.
    side, energy_types, period, energy_wh, price_ticks
        The order.
    replaces
        The order on the main chain whose open rest this one takes the place of, of the same side, energy types and
        period; 0 for a new order.
    automatic
        Whether the node placed it by itself, within its owner's limits: only what comes of such an order it answers by
        itself, too.

    Raises
    ------
    InvalidValue
        A number is outside the range of the contract's words.
    ValueError
        `replaces` is the number of no order.
    """

    KIND: ClassVar[RecordKind] = RecordKind.ORDER

    user_id: str
    location: str
    energy_quota_wh: int
    side: Side
    energy_types: EnergyType
    period: int
    energy_wh: int
    price_ticks: int
    replaces: int = 0
    automatic: bool = False

    def __post_init__(self) -> None:
        self.request(trader=0)
        OrderId.unpack(self.replaces)
        if not 0 <= self.energy_quota_wh <= MAX_QUOTA_WH:
            raise InvalidValue("energy_quota_wh", self.energy_quota_wh, "a quota from 0 to 2^48 - 1 Wh")

    @classmethod
    def of(
        cls,
        node_id: str,
        location: str,
        offer: Offer,
        *,
        energy_quota_wh: int | None = None,
        replaces: OrderId | None = None,
        automatic: bool = False,
    ) -> OrderDetails:
        """What a node states to get what it wants; its quota is just the offer if none is named."""
        sells = offer.side is Side.ASK
        return cls(
            user_id=node_id,
            location=location,
            energy_quota_wh=0 if not sells else offer.energy_wh if energy_quota_wh is None else energy_quota_wh,
            side=offer.side,
            energy_types=offer.energy_types,
            period=offer.period,
            energy_wh=offer.energy_wh,
            price_ticks=offer.price_ticks,
            replaces=replaces.pack() if replaces else 0,
            automatic=automatic,
        )

    def request(self, trader: int) -> OrderRequest:
        """The order as the market takes it, from the trader that its user is on the main chain."""
        return OrderRequest(
            trader=trader,
            side=self.side,
            energy_types=self.energy_types,
            period=self.period,
            price_ticks=self.price_ticks,
            energy_wh=self.energy_wh,
        )


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A user's wish that what is open of an order leaves the market.

    Raises
    ------
    ValueError
        The number is that of no order.
    """

    KIND: ClassVar[RecordKind] = RecordKind.CANCELLATION

    user_id: str
    order: int

    def __post_init__(self) -> None:
        OrderId.unpack(self.order)

    @property
    def order_id(self) -> OrderId:
        """The order on the main chain."""
        return OrderId.unpack(self.order)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A user's answer within the cooling-off time."""

    KIND: ClassVar[RecordKind] = RecordKind.DECISION

    user_id: str
    deal_id: int
    side: Side
    confirmed: bool


@dataclass(frozen=True, slots=True)
class DealDetails:
    """A deal as it comes back to the slave chain of one party: when it is agreed and when it ends.

    Parameters
    ----------
    user_id, side
        The party whose record this is; the other one stays a pseudonym's order.
    deal_id, own_order, other_order
        What is on the main chain.
    energy_wh, price_ticks
        What was agreed.
    state
        Where the deal stood when this was written.
    """

    KIND: ClassVar[RecordKind] = RecordKind.DEAL

    user_id: str
    side: Side
    deal_id: int
    own_order: int
    other_order: int
    energy_wh: int
    price_ticks: int
    state: DealState

    @property
    def orders(self) -> tuple[OrderId, OrderId]:
        """The party's own order and its counterpart."""
        return OrderId.unpack(self.own_order), OrderId.unpack(self.other_order)


@dataclass(frozen=True, slots=True)
class DayOpened:
    """A delivery day for which the master names its users; its key tells the regulator who they are.

    Parameters
    ----------
    day
        Days since 1970-01-01.
    day_key_hex
        The key from which the day's pseudonyms follow (`gridbourse.crypto.pseudonym.DayKey`).

    Raises
    ------
    InvalidValue, ValueError
        The key is not 32 bytes in hexadecimal.
    """

    KIND: ClassVar[RecordKind] = RecordKind.DAY

    day: int
    day_key_hex: str

    def __post_init__(self) -> None:
        self.day_key()

    def day_key(self) -> DayKey:
        """The key itself."""
        return DayKey(bytes.fromhex(self.day_key_hex))


@dataclass(frozen=True, slots=True)
class NodeRegistered:
    """A function node that the master took in, or whose keys changed.

    Parameters
    ----------
    node_id, kind, location
        Who it is, what and where.
    address_hex, encryption_public_hex
        The keys that speak and read for it from now on.
    voltage_level, tariff, area
        Its connection to the grid, in the words of the market rules; empty where no delivered prices are made for it.
    under_mechanism
        Whether a share of what it feeds in is under the mechanism price.
    """

    KIND: ClassVar[RecordKind] = RecordKind.NODE

    node_id: str
    kind: str
    location: str
    address_hex: str
    encryption_public_hex: str
    voltage_level: str = ""
    tariff: str = ""
    area: str = ""
    under_mechanism: bool = False

    @property
    def connection(self) -> Connection | None:
        """Its connection; None where no delivered prices are made for it."""
        return connection_of(self.voltage_level, self.tariff, self.area)


@dataclass(frozen=True, slots=True)
class NodeRevoked:
    """A function node that the master revoked: it writes no more, and what it wrote stays."""

    KIND: ClassVar[RecordKind] = RecordKind.REVOCATION

    node_id: str


@dataclass(frozen=True, slots=True)
class MeterRegistered:
    """A smart meter that the master entered for a function node; of several of a node, the newest one stands there now.

    Parameters
    ----------
    node_id
        Whose connection it measures.
    meter_hex
        Address of the meter's key: what this key signs are the node's readings.
    limit_w
        The most that the connection carries, in either direction, in W.

    Raises
    ------
    InvalidValue
        The address is none, or the limit out of range.
    """

    KIND: ClassVar[RecordKind] = RecordKind.METER

    node_id: str
    meter_hex: str
    limit_w: int

    def __post_init__(self) -> None:
        try:
            octets = len(bytes.fromhex(self.meter_hex))
        except ValueError:
            octets = 0
        if octets != 20:
            raise InvalidValue("meter", self.meter_hex, "the address of the meter's key: 40 hexadecimal digits")
        if not 1 <= self.limit_w <= MAX_CONNECTION_W:
            raise InvalidValue("limit_w", self.limit_w, f"a power from 1 to {MAX_CONNECTION_W} W")

    @property
    def point(self) -> MeteringPoint:
        """The connection and its meter, as the head-end knows them."""
        return MeteringPoint(Address(bytes.fromhex(self.meter_hex)), self.limit_w)


@dataclass(frozen=True, slots=True)
class BlockSettings:
    """How a master wants the blocks of its slave chain to be made, from the block behind this record on.

    Parameters
    ----------
    interval_ms
        Time between the first record that comes in and the sealing of its block; 0 seals each at once.
    gas_limit
        The most gas of a block.
    anchor_seconds
        Time between two anchorings; 0 leaves it to the node's own schedule.

    Raises
    ------
    InvalidValue
        One of them is out of range.
    """

    KIND: ClassVar[RecordKind] = RecordKind.BLOCK_SETTINGS

    interval_ms: int = 0
    gas_limit: int = BLOCK_GAS_LIMIT
    anchor_seconds: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("interval_ms", self.interval_ms, 0, MAX_INTERVAL_MS),
            ("gas_limit", self.gas_limit, GAS_LIMIT, BLOCK_GAS_LIMIT),
            ("anchor_seconds", self.anchor_seconds, 0, MAX_ANCHOR_SECONDS),
        )
        for field, value, least, most in limits:
            if not least <= value <= most:
                raise InvalidValue(field, value, f"a whole number from {least} to {most}")


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a function node found out: a dispatch, an analysis, a monitoring, an advice.

    Parameters
    ----------
    user_id
        The node that reports.
    title
        What it reports on.
    body
        The report, as JSON.
    """

    KIND: ClassVar[RecordKind] = RecordKind.REPORT

    user_id: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class LimitsSet:
    """What an owner lets its node do by itself from now on, signed by the node; the newest one counts.

    Parameters
    ----------
    user_id
        The node.
    active, energy_type, accepted_types, lowest_sell_ticks, highest_buy_ticks, reserve_wh, smallest_wh, \
max_share_permille
        As in `gridbourse.metering.surplus.AutoTradingLimits`.

    Raises
    ------
    InvalidValue
        A limit is outside its range.
    """

    KIND: ClassVar[RecordKind] = RecordKind.MANDATE

    user_id: str
    active: bool
    energy_type: EnergyType
    accepted_types: EnergyType
    lowest_sell_ticks: int
    highest_buy_ticks: int
    reserve_wh: int
    smallest_wh: int
    max_share_permille: int

    def __post_init__(self) -> None:
        self.limits()

    @classmethod
    def of(cls, user_id: str, limits: AutoTradingLimits) -> Self:
        """Write down an owner's limits."""
        return cls(user_id, **{field.name: getattr(limits, field.name) for field in fields(limits)})

    def limits(self) -> AutoTradingLimits:
        """The limits themselves."""
        return AutoTradingLimits(**{field.name: getattr(self, field.name) for field in fields(AutoTradingLimits)})


MasterDetails = (
    DealDetails
    | DayOpened
    | NodeRevoked
    | MeterRegistered
    | BlockSettings
    | MeteredDetails
    | StatementDetails
    | MonthStatement
    | Submitted
)
"""What only the master may write."""

NodeDetails = (
    OrderDetails
    | Cancellation
    | Confirmation
    | NodeReport
    | LimitsSet
    | ScheduleDetails
    | CapacityDetails
    | PayoutInstruction
)
"""What function nodes write, each for itself: `user_id`."""

Details = MasterDetails | NodeDetails | NodeRegistered


def keeps_priority(placed: OrderPlaced, wanted: OrderDetails | Cancellation) -> bool:
    """Whether an amendment leaves side, period and energy types of its order as they are."""
    return isinstance(wanted, Cancellation) or (wanted.side, wanted.period, wanted.energy_types) == (
        placed.order_id.side,
        placed.order_id.period,
        placed.energy_types,
    )
