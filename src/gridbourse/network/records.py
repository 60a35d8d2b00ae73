"""What users and masters write on a slave chain; `gridbourse.network.sealing` says how."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import ClassVar, Self

from gridbourse.crypto.keys import Address
from gridbourse.crypto.pseudonym import DayKey
from gridbourse.errors import InvalidValue
from gridbourse.market.types import DealState, EnergyType, OrderId, OrderRequest, Side
from gridbourse.metering.intake import MeteringPoint
from gridbourse.metering.surplus import OfferLimits

MAX_QUOTA_WH = 2**48 - 1
MAX_CONNECTION_W = 2**40 - 1


class RecordKind(IntEnum):
    """What a record is about."""

    ORDER = 1
    DECISION = 2
    DEAL = 3
    DAY = 4
    NODE = 5
    REPORT = 6
    REVOCATION = 7
    MANDATE = 8
    SCHEDULE = 9
    NOMINATION = 10
    CAPACITY = 11
    STATEMENT = 12
    CANCELLATION = 13
    METER = 14


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

    def __post_init__(self) -> None:
        self.request(trader=0)
        OrderId.unpack(self.replaces)
        if not 0 <= self.energy_quota_wh <= MAX_QUOTA_WH:
            raise InvalidValue("energy_quota_wh", self.energy_quota_wh, "a quota from 0 to 2^48 - 1 Wh")

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
class Decision:
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
    """

    KIND: ClassVar[RecordKind] = RecordKind.NODE

    node_id: str
    kind: str
    location: str
    address_hex: str
    encryption_public_hex: str


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
class Mandate:
    """What an owner lets its node do by itself from now on, signed by the node; the newest one counts.

    Parameters
    ----------
    user_id
        The node.
    active, energy_type, accepted_types, lowest_sell_ticks, highest_buy_ticks, reserve_wh, smallest_wh, \
max_share_permille
        As in `gridbourse.metering.surplus.OfferLimits`.

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
    def of(cls, user_id: str, limits: OfferLimits) -> Self:
        """Write down an owner's limits."""
        return cls(user_id, **{field.name: getattr(limits, field.name) for field in fields(limits)})

    def limits(self) -> OfferLimits:
        """The limits themselves."""
        return OfferLimits(**{field.name: getattr(self, field.name) for field in fields(OfferLimits)})


@dataclass(frozen=True, slots=True)
class ScheduleDetails:
    """What a plant is to do, signed by the plant: its part of its master's complementary schedule.

    Parameters
    ----------
    user_id, zone
        The plant, and where dispatch sees it.
    first_period
        Of the two series, each of shape (periods,).
    delivered_wh, drawn_wh
        Fed in, and drawn to charge.
    """

    KIND: ClassVar[RecordKind] = RecordKind.SCHEDULE

    user_id: str
    zone: str
    first_period: int
    delivered_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nomination:
    """What a master tells dispatch: what all its nodes in one zone will feed in and draw. Dispatch can open it.

    Parameters
    ----------
    zone, first_period, delivered_wh, drawn_wh
        As in a schedule, summed over the zone's nodes.
    schedules_hex
        Leaves of the plants' schedules that are part of the sums.
    """

    KIND: ClassVar[RecordKind] = RecordKind.NOMINATION

    zone: str
    first_period: int
    delivered_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    schedules_hex: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapacityDetails:
    """What dispatch computed from the nominations of all masters: the transfer capacities that are published.

    Parameters
    ----------
    user_id
        The dispatch node.
    first_period, periods
        What it is about.
    nominations_hex
        Leaves of the nominations that it summed.
    zones
        Names of the zones.
    delivered_wh, drawn_wh
        Shape (zones, periods), row by row: the sums.
    capacity_wh
        Shape (zones, zones, periods), row by row: what may be sold from the first zone into the second; within a
        zone 0, which means nothing there.
    """

    KIND: ClassVar[RecordKind] = RecordKind.CAPACITY

    user_id: str
    first_period: int
    periods: int
    nominations_hex: tuple[str, ...]
    zones: tuple[str, ...]
    delivered_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    capacity_wh: tuple[int, ...]

    def capacity(self, from_zone: str, to_zone: str, period: int) -> int:
        """What may be sold from one zone into another in a period, in Wh."""
        row = self.zones.index(from_zone) * len(self.zones) + self.zones.index(to_zone)
        return self.capacity_wh[row * self.periods + period - self.first_period]


@dataclass(frozen=True, slots=True)
class StatementDetails:
    """A user's settlement of one day, written by its master; every series has shape (periods,).

    Parameters
    ----------
    user_id, first_period
        Whose, and of which periods.
    bought_wh, sold_wh, paid, received
        Traded, in Wh and in 1e-7 yuan.
    fed_in_wh, drawn_wh
        Metered.
    open_periods
        Numbers of the periods whose metered energy is in doubt: they are not settled.
    price_ticks
        Imbalance prices.
    """

    KIND: ClassVar[RecordKind] = RecordKind.STATEMENT

    user_id: str
    first_period: int
    bought_wh: tuple[int, ...]
    sold_wh: tuple[int, ...]
    paid: tuple[int, ...]
    received: tuple[int, ...]
    fed_in_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    open_periods: tuple[int, ...]
    price_ticks: tuple[int, ...]


MasterDetails = DealDetails | DayOpened | NodeRevoked | MeterRegistered | Nomination | StatementDetails
"""What only the master may write."""

NodeDetails = OrderDetails | Cancellation | Decision | NodeReport | Mandate | ScheduleDetails | CapacityDetails
"""What function nodes write, each for itself: `user_id`."""

Duty = ScheduleDetails | Nomination | CapacityDetails | StatementDetails
"""What is stated beside the market."""

Details = MasterDetails | NodeDetails | NodeRegistered
