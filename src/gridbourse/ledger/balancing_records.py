"""What is stated beside the market: schedules and capacities before delivery, metered energies and money after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.payout_records import PayoutOrder, PayoutResult


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
    """What a master submits to the dispatcher: what all its nodes in one zone will feed in and draw.

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

    @property
    def periods(self) -> range:
        """The numbers of its periods."""
        return range(self.first_period, self.first_period + len(self.delivered_wh))


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
        Leaves of the nominations that it summed: of every master and zone the newest of these periods that the main
        chain held.
    as_of_block
        Up to which block of the main chain.
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
    as_of_block: int
    zones: tuple[str, ...]
    delivered_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    capacity_wh: tuple[int, ...]

    def capacity(self, from_zone: str, to_zone: str, period: int) -> int:
        """What may be sold from one zone into another in a period, in Wh."""
        row = self.zones.index(from_zone) * len(self.zones) + self.zones.index(to_zone)
        return self.capacity_wh[row * self.periods + period - self.first_period]


@dataclass(frozen=True, slots=True)
class MeteredDetails:
    """What a user's meter says of one day, written by its master before it is settled; series have shape (periods,).

    Parameters
    ----------
    user_id, first_period
        Whose, and of which periods.
    fed_in_wh, drawn_wh
        Metered.
    open_periods
        Numbers of the periods of which readings are missing or in doubt.
    """

    KIND: ClassVar[RecordKind] = RecordKind.METERED

    user_id: str
    first_period: int
    fed_in_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    open_periods: tuple[int, ...]

    @property
    def periods(self) -> range:
        """The numbers of its periods."""
        return range(self.first_period, self.first_period + len(self.fed_in_wh))

    def metered_wh(self, period: int) -> int | None:
        """Fed in less drawn; None where it is in doubt or not said."""
        if period not in self.periods or period in self.open_periods:
            return None
        turn = period - self.first_period
        return self.fed_in_wh[turn] - self.drawn_wh[turn]


@dataclass(frozen=True, slots=True)
class MeteredTotal:
    """What a master submits to the settlement agent: what all its users fed in less what they drew, on balance.

    A user whose energy is not metered, or not yet, is in it as if it had done what it traded.

    Parameters
    ----------
    first_period
        Of the two series, each of shape (periods,).
    fed_in_wh, drawn_wh
        The balance, in the one or in the other.
    open_periods
        Numbers of the periods in which somebody's energy is in doubt.
    records
        It sums the newest metered energies among so many first records of the master's slave chain.
    as_of_block
        What was traded is known from the main chain up to this block.
    """

    KIND: ClassVar[RecordKind] = RecordKind.METERED_TOTAL

    first_period: int
    fed_in_wh: tuple[int, ...]
    drawn_wh: tuple[int, ...]
    open_periods: tuple[int, ...]
    records: int
    as_of_block: int

    @property
    def periods(self) -> range:
        """The numbers of its periods."""
        return range(self.first_period, self.first_period + len(self.fed_in_wh))

    def balance_wh(self, period: int) -> int:
        """Fed in less drawn."""
        turn = period - self.first_period
        return self.fed_in_wh[turn] - self.drawn_wh[turn]


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


@dataclass(frozen=True, slots=True)
class TradeAssets:
    """What a master has to trade, published to all masters on the main chain: sums, no persons (paper, Fig. 2 and 3).

    Parameters
    ----------
    asset_kinds, asset_zones
        Shape (rows,): the kind of the function nodes that a row sums, and the number of their zone.
    node_counts
        Shape (rows,): how many they are.
    capacities_w
        Shape (rows,): the most that their connections carry together, as far as meters are entered.
    """

    KIND: ClassVar[RecordKind] = RecordKind.ASSETS

    asset_kinds: tuple[str, ...]
    asset_zones: tuple[int, ...]
    node_counts: tuple[int, ...]
    capacities_w: tuple[int, ...]


Submitted = Nomination | MeteredTotal | PayoutOrder | PayoutResult | TradeAssets
"""What masters submit to other organisations, on the main chain."""

Duty = ScheduleDetails | CapacityDetails | MeteredDetails | StatementDetails
"""What is stated on a slave chain beside the market."""
