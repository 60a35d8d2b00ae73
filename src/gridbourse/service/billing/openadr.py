"""Retail tariffs as an OpenADR price server has them: a program for each connection, an event for each day.

Source: OpenADR 3.1.0, User Guide, "Dynamic prices"; objects by its OpenAPI document. It is only read: devices ask, once
a day, and are not called.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from gridbourse.api.openadr_schema import (
    EventObject,
    EventPayloadDescriptor,
    Interval,
    IntervalPeriod,
    ProgramObject,
    ValuesMap,
)
from gridbourse.delivery import date_text
from gridbourse.errors import NotFound
from gridbourse.index.queries.reader import IndexReader
from gridbourse.service.billing.tariffs import Tariffs
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Message
from gridbourse.units import PERIOD_SECONDS

DAYS = 2
"""Today and tomorrow."""
PRICE = EventPayloadDescriptor(objectType="EVENT_PAYLOAD_DESCRIPTOR", payloadType="PRICE", units="KWH", currency="CNY")
_PERIOD = f"PT{PERIOD_SECONDS // 60}M"
_MICROYUAN = 1_000_000


class PriceServer:
    """Answers devices.

    Parameters
    ----------
    tariffs
        Makes the prices.
    index
        Knows who has a connection.
    """

    def __init__(self, tariffs: Tariffs, index: IndexReader) -> None:
        self._tariffs = tariffs
        self._index = index

    def programs(self, principal: Principal) -> list[ProgramObject]:
        """The tariff of each connection that the caller may see."""
        return [_program(node_id) for node_id in self._nodes(principal)]

    def program(self, principal: Principal, program_id: str) -> ProgramObject:
        """One of them. Raises `NotFound`."""
        return _program(self._node(principal, program_id))

    def events(self, principal: Principal, today: int, program_id: str | None = None) -> list[EventObject]:
        """The prices of today and tomorrow, as far as the rules have them. Raises `NotFound` for another program."""
        nodes = [self._node(principal, program_id)] if program_id is not None else self._nodes(principal)
        return [event for node_id in nodes for event in self._of_days(principal, node_id, today)]

    def event(self, principal: Principal, today: int, event_id: str) -> EventObject:
        """One of them. Raises `NotFound`."""
        program_id, _, _ = event_id.rpartition("-")
        for event in self.events(principal, today, program_id):
            if event.id == event_id:
                return event
        raise NotFound(Message("there is no event {event_id!r}", event_id=event_id))

    def _nodes(self, principal: Principal) -> Iterator[str]:
        require(principal, Right.READ_NODE)
        for node in self._index.participants.nodes():
            if node.connection is not None and principal.reaches(node.node_id, node.master):
                yield node.node_id

    def _node(self, principal: Principal, program_id: str) -> str:
        for node_id in self._nodes(principal):
            if _program_id(node_id) == program_id:
                return node_id
        raise NotFound(Message("there is no program {program_id!r}", program_id=program_id))

    def _of_days(self, principal: Principal, node_id: str, today: int) -> Iterator[EventObject]:
        for day in range(today, today + DAYS):
            try:
                tariff = self._tariffs.day(principal, day, node_id=node_id)
            except NotFound:  # the rules have no prices for that day
                continue
            start = datetime.fromtimestamp(tariff.periods[0].begins_at, UTC)
            yield EventObject(
                id=f"{_program_id(node_id)}-{day}",
                createdDateTime=_text(start - timedelta(days=1)),
                modificationDateTime=_text(start - timedelta(days=1)),
                objectType="EVENT",
                programID=_program_id(node_id),
                eventName=f"{node_id}, {date_text(day)}, {tariff.rules}",
                payloadDescriptors=[PRICE],
                intervalPeriod=IntervalPeriod(start=_text(start), duration=_PERIOD),
                intervals=[
                    Interval(number, [ValuesMap("PRICE", [one.price_microyuan / _MICROYUAN])])
                    for number, one in enumerate(tariff.periods)
                ],
            )


def _program(node_id: str) -> ProgramObject:
    return ProgramObject(
        id=_program_id(node_id),
        createdDateTime=_text(datetime.fromtimestamp(0, UTC)),
        modificationDateTime=_text(datetime.fromtimestamp(0, UTC)),
        objectType="PROGRAM",
        programName=f"Retail tariff of {node_id}",
        payloadDescriptors=[PRICE],
    )


def _program_id(node_id: str) -> str:
    """An id of a program has letters, digits, '-' and '_' alone."""
    return f"tariff-{sha256(node_id.encode()).hexdigest()[:16]}"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
