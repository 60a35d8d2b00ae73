"""A month settled by every master for its own nodes, and settled again where something came later."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.index.queries.reader import IndexReader
from gridbourse.ledger.month_records import MonthBasis, MonthStatement
from gridbourse.node.region import Region
from gridbourse.regulator.months.view import MonthView, days_of, month_of, periods_of, versions_in

_Seen = tuple[int, int, tuple[str, ...]]
"""What tells whether there is something new: the newest settlement of a day, the number of trades, the rules."""


class MonthSettlement:
    """Writes the monthly statements of all masters of a folder.

    Parameters
    ----------
    region
        The open region.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self._balance = region.balance
        self._index = IndexReader(region.database)
        self._done: dict[tuple[str, int], _Seen] = {}

    def is_of(self, region: Region) -> bool:
        """Whether the region's parts are still those that it began with."""
        return self._region is region and self._balance is region.balance

    def due(self) -> Iterator[tuple[str, int]]:
        """Masters and months, as ``202608``, that are over and not settled by what is known now."""
        settings = self._region.main.consortium.settings()
        latest = self._region.clock() - settings.metering_due_seconds
        for name, relay in self._region.relays.items():
            relay.catch_up()
            for month in sorted({month_of(day) for day in self._index.participants.days(name)}):
                if self._region.calendar.ends_at(days_of(month)[-1]) > latest:
                    continue
                seen = self._seen(name, month)
                if (name, month) not in self._done and self._stated(name, month, seen) == seen:
                    self._done[name, month] = seen
                if self._done.get((name, month)) != seen:
                    yield name, month

    def settle(self, name: str, month: int) -> list[MonthStatement]:
        """Write what a month comes to for the nodes of a master, where it is new or other than was written."""
        region, master, relay = self._region, self._region.masters[name], self._region.relays[name]
        relay.catch_up()
        seen = self._seen(name, month)
        periods, days = periods_of(month, region.calendar), days_of(month)
        trades = relay.market.settled_between(periods)
        basis = MonthBasis(month, seen[2], relay.record_count, relay.market.height, len(trades))
        node_of = {trader: node_id for (node_id, _), trader in master.traders.items()}
        nodes = {own.node_id: own for own in self._index.participants.nodes(name)}
        bills = MonthView(region.calendar, region.parts.rules, month, trades).bills(
            master.membership.role.name.lower(), nodes, self._index.months.settled(name, days), node_of.get
        )
        before = [record.details for record in self._index.months.statements(chain=name)]
        newest = {own.user_id: own for own in before if own.month == month}
        news = list[MonthStatement]()
        for node_id, bill in bills.items():
            known = newest.get(node_id)
            number = len(before) + len(news) + 1
            stated = MonthStatement.of(bill, basis, node_id, number, known.number if known else 0)
            if known is None or known.stated != stated.stated:
                news.append(stated)
        master.write([(own, self._readers(name, own.user_id)) for own in news])
        self._done[name, month] = seen
        return news

    def _readers(self, name: str, node_id: str) -> tuple[bytes, ...]:
        node = self._region.masters[name].nodes.get(node_id)
        return (node.encryption_public,) if node else ()

    def _seen(self, name: str, month: int) -> _Seen:
        periods = periods_of(month, self._region.calendar)
        newest = self._index.months.newest_settled(name, days_of(month))
        trades = self._region.relays[name].market.settled_count(periods)
        return newest, trades, versions_in(self._region.parts.rules, month)

    def _stated(self, name: str, month: int, seen: _Seen) -> _Seen | None:
        """What had been seen when the newest statement of a month was written: what is done is known after a start."""
        written = self._index.months.statements(chain=name, month=month)
        if not written:
            return None
        last = written[-1].details
        return (seen[0] if seen[0] < last.records else -1), last.trades, last.rules
