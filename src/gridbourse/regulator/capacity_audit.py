"""What the regulator checks beside the market: capacities against schedules, statements against settled deals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import (
    CapacityDetails,
    Duty,
    Nomination,
    ScheduleDetails,
    StatementDetails,
    Submitted,
)
from gridbourse.market.types import Deal, DealState, ZonePair
from gridbourse.region.description import NodeKind
from gridbourse.regulator.verified_records import DecryptedRecord, VerifiedLedger
from gridbourse.text import Message

_Kind = TypeVar("_Kind", bound=Duty | Submitted)
_OnSlaveChain = TypeVar("_OnSlaveChain", bound=Duty)


@dataclass(frozen=True, slots=True)
class Source(DecryptedRecord[_Kind]):
    """A record, its author's slave chain, and where it lies: there, or on the main chain."""

    reading: VerifiedLedger
    place: Message


@dataclass(frozen=True, slots=True)
class CapacityTrace:
    """The walk from one transfer capacity to the schedules behind it.

    Parameters
    ----------
    capacity_wh
        What may be sold from the first zone into the second.
    capacity
        The dispatch node's record; of several for a period the newest.
    nominations
        What it summed, each with the schedules that are part of it.
    findings
        What is wrong; empty if every step holds.
    """

    capacity_wh: int
    capacity: Source[CapacityDetails]
    nominations: tuple[tuple[Source[Nomination], tuple[Source[ScheduleDetails], ...]], ...]
    findings: tuple[Message, ...]


Nominations = Mapping[str, Source[Nomination]]
"""What masters submitted to the dispatcher, by leaf in hexadecimal."""


def trace_capacity(
    readings: Sequence[VerifiedLedger],
    nominated: Nominations,
    calendar: DeliveryCalendar,
    period: int,
    from_zone: str,
    to_zone: str,
) -> CapacityTrace:
    """Walk from a capacity to the schedules; see `CapacityTrace`.

    Raises
    ------
    InvalidValue
        There is no capacity of this period and pair of zones.
    """
    covering = [
        source
        for source in sources(readings, CapacityDetails).values()
        if 0 <= period - source.details.first_period < source.details.periods
    ]
    if not covering:
        raise InvalidValue(
            "period", calendar.dated_span(period), "a delivery period for which dispatch recorded capacities"
        )
    capacity = covering[-1]
    zones = capacity.details.zones
    for field, zone in (("from_zone", from_zone), ("to_zone", to_zone)):
        if zone not in zones:
            raise InvalidValue(field, zone, f"one of the zones {', '.join(zones)}")
    scheduled = sources(readings, ScheduleDetails)
    nominations = [nominated[leaf] for leaf in capacity.details.nominations_hex if leaf in nominated]
    findings = [*_wrong_capacity(capacity, nominated)]
    for nomination in nominations:
        findings += _wrong_nomination(nomination, scheduled, calendar)
    return CapacityTrace(
        capacity.details.capacity(from_zone, to_zone, period),
        capacity,
        tuple(
            (own, tuple(scheduled[leaf] for leaf in own.details.schedules_hex if leaf in scheduled))
            for own in nominations
        ),
        tuple(findings),
    )


def wrong_capacities(
    readings: Sequence[VerifiedLedger], nominated: Nominations, calendar: DeliveryCalendar
) -> Iterator[Message]:
    """Find capacities that are not the sum of the nominations they name, and nominations below their schedules."""
    scheduled = sources(readings, ScheduleDetails)
    for capacity in sources(readings, CapacityDetails).values():
        yield from _wrong_capacity(capacity, nominated)
    for nomination in nominated.values():
        yield from _wrong_nomination(nomination, scheduled, calendar)


def wrong_publications(
    readings: Sequence[VerifiedLedger], published: Iterable[tuple[ZonePair, int]], calendar: DeliveryCalendar
) -> Iterator[Message]:
    """Find transfer capacities on the main chain that no dispatch node recorded.

    Parameters
    ----------
    readings
        The slave chains.
    published
        Every capacity that was ever published, in Wh.
    calendar
        The region's delivery days.
    """
    recorded: dict[tuple[int, int, int], set[int]] = {}
    for capacity in sources(readings, CapacityDetails).values():
        details = capacity.details
        for (start, from_zone), (end, to_zone) in permutations(enumerate(details.zones), 2):
            for period in range(details.first_period, details.first_period + details.periods):
                known = recorded.setdefault((period, start, end), set())
                known.add(details.capacity(from_zone, to_zone, period))
    for pair, capacity_wh in published:
        if capacity_wh not in recorded.get(pair, set()):
            text = "main chain: {published} Wh from zone {start} to {end} in period {period} stand in no record"
            delivery = calendar.dated_span(pair.period)
            yield Message(text, published=capacity_wh, start=pair.from_zone, end=pair.to_zone, period=delivery)


def wrong_statements(
    readings: Sequence[VerifiedLedger],
    deals: Collection[Deal],
    trader_of: Callable[[int, bytes], int],
    calendar: DeliveryCalendar,
) -> Iterator[Message]:
    """Find statements that say of a user's deals otherwise than the main chain.

    Parameters
    ----------
    readings
        The slave chains.
    deals
        All deals of the main chain.
    trader_of
        Tells the number that a master's pseudonym has on the main chain; 0 for none.
    calendar
        The region's delivery days.
    """
    traded = _traded(deals)
    for statement in sources(readings, StatementDetails).values():
        details, reading = statement.details, statement.reading
        day_key = reading.day_keys.get(calendar.day_of(details.first_period))
        trader = trader_of(reading.master_id, day_key.pseudonym(details.user_id.encode())) if day_key else 0
        for turn in range(len(details.price_ticks)):
            period = details.first_period + turn
            stated = (details.bought_wh[turn], details.sold_wh[turn], details.paid[turn], details.received[turn])
            if stated != traded.get((trader, period), (0, 0, 0, 0)):
                text = "{place}: states the deals of {user} in period {period} otherwise than the main chain"
                yield Message(text, place=statement.place, user=details.user_id, period=calendar.dated_span(period))
                break


def _wrong_capacity(
    capacity: Source[CapacityDetails], nominated: Mapping[str, Source[Nomination]]
) -> Iterator[Message]:
    details = capacity.details
    node = capacity.reading.nodes.get(details.user_id)
    if node is None or node.kind != NodeKind.DISPATCH:
        text = "{place}: states capacities, but {user} is no dispatch node"
        yield Message(text, place=capacity.place, user=details.user_id)
    missing = [leaf for leaf in details.nominations_hex if leaf not in nominated]
    if missing:
        text = "{place}: sums a nomination that nobody submitted, leaf {leaf}"
        yield Message(text, place=capacity.place, leaf=missing[0])
        return
    periods = range(details.first_period, details.first_period + details.periods)
    newest = {
        (source.reading.name, source.details.zone): leaf
        for leaf, source in nominated.items()
        if source.record.height <= details.as_of_block and source.details.periods == periods
    }
    if set(newest.values()) != set(details.nominations_hex):
        yield Message("{place}: does not sum the nominations that were submitted", place=capacity.place)
    summed = [nominated[leaf].details for leaf in details.nominations_hex]
    for field in ("delivered_wh", "drawn_wh"):
        sums = tuple(
            sum(
                own[period - nomination.first_period]
                for nomination in summed
                if nomination.zone == zone
                for own in (getattr(nomination, field),)
                if 0 <= period - nomination.first_period < len(own)
            )
            for zone in details.zones
            for period in range(details.first_period, details.first_period + details.periods)
        )
        if sums != getattr(details, field):
            text = "{place}: {field} is not the sum of the nominations that it names"
            yield Message(text, place=capacity.place, field=field)


def _wrong_nomination(
    nomination: Source[Nomination], scheduled: Mapping[str, Source[ScheduleDetails]], calendar: DeliveryCalendar
) -> Iterator[Message]:
    details = nomination.details
    named = [scheduled.get(leaf) for leaf in details.schedules_hex]
    own = [one.details for one in named if one is not None and one.reading is nomination.reading]
    if len(own) < len(named) or any(schedule.zone != details.zone for schedule in own):
        text = "{place}: names schedules that are not of its master's nodes in zone {zone}"
        yield Message(text, place=nomination.place, zone=details.zone)
    for field in ("delivered_wh", "drawn_wh"):
        for turn, nominated_wh in enumerate(getattr(details, field)):
            period = details.first_period + turn
            scheduled_wh = sum(_energy(getattr(one, field), period - one.first_period) for one in own)
            if scheduled_wh > nominated_wh:
                text = "{place}: {field} in period {period} is {nominated} Wh, its schedules say {scheduled} Wh"
                yield Message(
                    text,
                    place=nomination.place,
                    field=field,
                    period=calendar.dated_span(period),
                    nominated=nominated_wh,
                    scheduled=scheduled_wh,
                )


def _energy(series: Sequence[int], turn: int) -> int:
    return series[turn] if 0 <= turn < len(series) else 0


def sources(readings: Iterable[VerifiedLedger], kind: type[_OnSlaveChain]) -> dict[str, Source[_OnSlaveChain]]:
    """Records of a kind that may be believed, by leaf in hexadecimal."""
    return {
        leaf.hex(): Source(opened.record, opened.details, None, reading, reading.place(opened.record))
        for reading in readings
        for leaf, opened in reading.duties.items()
        if isinstance(opened.details, kind) and opened.fault is None
    }


def _traded(deals: Iterable[Deal]) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """By trader and period: bought, sold, paid, received."""
    traded: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for deal in deals:
        if deal.state is DealState.SETTLED:
            period, energy_wh, money = deal.ask.period, deal.energy_wh, deal.money
            for trader, side in ((deal.seller, (0, energy_wh, 0, money)), (deal.buyer, (energy_wh, 0, money, 0))):
                before = traded.get((trader, period), (0, 0, 0, 0))
                bought, sold, paid, received = (old + new for old, new in zip(before, side, strict=True))
                traded[trader, period] = (bought, sold, paid, received)
    return traded
