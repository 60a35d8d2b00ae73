"""What the members of a region do all the time: take up, settle, bring down, answer, match again, anchor, settle days.

Everything follows from the chains, so a loop may be stopped or killed at any moment, and whoever runs next goes on.
What others do it sees on the main chain alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event

from gridbourse.errors import GridbourseError
from gridbourse.node.balancing import DaySettlement
from gridbourse.node.node import Region
from gridbourse.node.offering import consents
from gridbourse.node.relay import Relay
from gridbourse.units import PERIOD_SECONDS, PERIODS_PER_DAY

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobSchedule:
    """How often the members of a region do what they do.

    Parameters
    ----------
    step_seconds
        Between two steps.
    anchor_seconds
        Between two anchorings, and between two looks at what a settlement of days is due (`day_settlement`).
    days_ahead
        How many delivery days after today are open for orders.
    """

    step_seconds: float = 0.5
    anchor_seconds: float = 20.0
    days_ahead: int = 1


class RegionLoop:
    """Does for all masters whose keys lie in a region's folder what masters do.

    Parameters
    ----------
    region
        The open region.
    job_schedule
        How often.
    jobs
        What else is done in every step.
    monotonic
        Seconds since any moment.
    """

    def __init__(
        self,
        region: Region,
        job_schedule: JobSchedule | None = None,
        jobs: Sequence[Callable[[Region], None]] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = region
        self._job_schedule = job_schedule or JobSchedule()
        self._jobs = tuple(jobs)
        self._settlement = DaySettlement(region)
        self._monotonic = monotonic
        self._days_opened: set[int] = set()
        self._next_anchor = monotonic()

    def step(self) -> None:
        """Do all that there is to do now.

        Deals are answered as far as their owners' mandates allow; the others wait for the owners themselves.

        Raises
        ------
        GridbourseError
            A chain is not to be reached, or refuses: the first that failed. All else was done nevertheless, and what
            was not is done in the next step.
        """
        failures: list[GridbourseError] = []
        for piece in self.pieces():
            try:
                piece()
            except GridbourseError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def pieces(self) -> Iterator[Callable[[], None]]:
        """The same piece by piece; between two of them the region may be used for something more urgent.

        Each stands for itself: that one fails keeps none of the others from being done.
        """
        region = self._region
        yield self._open_days
        for job in self._jobs:
            yield partial(job, region)
        yield region.submit
        taken_up = {name: relay.slave_height for name, relay in region.relays.items()}
        if region.settles:
            yield region.end_deals
        for relay in region.relays.values():
            yield partial(self._deliver, relay)
        for relay in region.relays.values():
            yield partial(_rematch, relay)
        if self._monotonic() >= self._next_anchor:
            # What users wrote since is not anchored before it is taken up: that would be keeping it back.
            for name, relay in region.relays.items():
                yield partial(relay.anchor, taken_up[name])
            self._next_anchor = self._monotonic() + self._job_schedule.anchor_seconds
            # Last, so that what it waits for, from others, holds nothing else up.
            yield self._settlement.step

    def _deliver(self, relay: Relay) -> None:
        relay.deliver()
        if allowed := consents(self._region, relay.pending_confirmations(relay.limits)):
            self._region.answer(allowed, confirmed=True)

    def run(self, stopping: Event) -> None:
        """Step until told to stop; what fails is logged and taken again."""
        while not stopping.is_set():
            try:
                self.step()
            except GridbourseError as error:
                logger.warning("part of a step failed and will be taken again: %s", error)
            stopping.wait(self._job_schedule.step_seconds)

    def _open_days(self) -> None:
        today = self._region.clock() // PERIOD_SECONDS // PERIODS_PER_DAY
        for day in range(today, today + self._job_schedule.days_ahead + 1):
            if day not in self._days_opened:
                self._region.open_day(day)
                self._days_opened.add(day)


def _rematch(relay: Relay) -> None:
    relay.rematch()
