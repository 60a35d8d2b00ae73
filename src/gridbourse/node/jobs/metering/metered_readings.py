"""Meters to money: what meters say of a delivery day is recorded when it is over, and corrected when more is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from gridbourse.delivery import date_text
from gridbourse.node.jobs.job import Task
from gridbourse.node.master import Master
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import GRACE_SECONDS, LOOK_BACK_DAYS, own_trades, record_metered
from gridbourse.region.description import NodeKind


class MeteredReadings:
    """Every master records its nodes' metered energies of each local day.

    A day is recorded as soon as all of its readings are there, and after `GRACE_SECONDS` with those that are; a reading
    that comes later brings a new record, and so a new statement. A node that traded and has no meter, or none of whose
    readings came, is recorded too, with every period in doubt: its deals are settled, and nothing else. A master's own
    node without a meter is no connection: what it bought and did not sell is an imbalance.

    Parameters
    ----------
    readings
        What meters said.
    every_seconds
        Between two looks.
    hears_all
        Whether nobody else tells what is metered: then a node of which nothing came is recorded as in doubt.
    """

    name = "meter readings"

    def __init__(self, readings: Readings, every_seconds: float = 0.0, *, hears_all: bool = True) -> None:
        self.every_seconds = every_seconds
        self._readings = readings
        self._hears_all = hears_all
        self._open: dict[str, set[int]] = defaultdict(set)
        self._seen_until = 0
        readings.follow(self._touch)
        self._touched: set[tuple[str, int]] = set()

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master and day of which something is to be recorded."""
        for relay in region.relays.values():
            relay.catch_up()
        self._readings.catch_up(region)
        self._note_days(region)
        today = region.calendar.day_at(region.clock())
        for name, master in region.masters.items():
            # Of a day for which the master named nobody there is nothing to settle.
            named = {day for _, day in master.traders}
            self._open[name] &= named | {day for day in self._open[name] if day >= today}
            for day in sorted(day for day in self._open[name] if day < today):
                if self._is_ready(region, name, day):
                    yield Task(f"{name}, {date_text(day)}", partial(self._record, region, name, day))

    def _touch(self, node_id: str, period: int) -> None:
        # A reading says what flowed in its own period, and in the one after it once the next reading is there.
        self._touched |= {(node_id, period), (node_id, period + 1)}

    def _note_days(self, region: Region) -> None:
        for node_id, period in self._touched:
            name = region.master_of(node_id).membership.name
            self._open[name].add(region.calendar.day_of(period))
        self._touched.clear()
        yesterday = region.calendar.day_at(region.clock()) - 1
        first = max(self._seen_until + 1, yesterday - LOOK_BACK_DAYS + 1)
        for name in region.masters:
            self._open[name].update(range(first, yesterday + 1))
        self._seen_until = max(self._seen_until, yesterday)

    def _is_ready(self, region: Region, name: str, day: int) -> bool:
        if region.clock() >= region.calendar.ends_at(day) + GRACE_SECONDS:
            return True
        nodes = [node_id for node_id in region.masters[name].nodes if self._readings.has_meter(node_id)]
        periods = region.calendar.periods(day)
        return bool(nodes) and all(
            self._readings.energy(node_id, period) is not None for node_id in nodes for period in reversed(periods)
        )

    def _record(self, region: Region, name: str, day: int) -> None:
        master, relay = region.masters[name], region.relays[name]
        periods = region.calendar.periods(day)
        known = relay.metered.get(day, {})
        traded = {node_id for period in periods for node_id in own_trades(master, relay.market, period) if node_id}
        metered: dict[str, dict[int, int | None]] = {}
        for node_id in master.nodes:
            before = known.get(node_id)
            series = {period: self._readings.surplus_wh(node_id, period) for period in periods}
            if any(wh is not None for wh in series.values()):
                # What is in doubt here may be known from elsewhere.
                metered[node_id] = {
                    period: wh
                    for period, wh in series.items()
                    if wh is not None or before is None or before.metered_wh(period) is None
                }
            elif before is None and self._hears_all and (node_id in traded or self._is_silent(master, node_id, day)):
                metered[node_id] = dict.fromkeys(periods, 0 if self._is_without_connection(master, node_id) else None)
        record_metered(region, metered)
        self._open[name].discard(day)

    def _is_without_connection(self, master: Master, node_id: str) -> bool:
        """Whether a node is its master, which trades and has nothing that a meter could count."""
        return master.nodes[node_id].spec.kind is NodeKind.OWN and not self._readings.has_meter(node_id)

    def _is_silent(self, master: Master, node_id: str, day: int) -> bool:
        """Whether a node takes part on a day and has a meter that says nothing of it."""
        return self._readings.has_meter(node_id) and master.is_named(node_id, day)
