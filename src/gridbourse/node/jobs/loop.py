"""Does a region's jobs, round by round, each task by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

from gridbourse.errors import GridbourseError
from gridbourse.node.jobs.anchor import Anchor
from gridbourse.node.jobs.grid.grid_jobs import grid_jobs
from gridbourse.node.jobs.job import REGION, Job, JobFailure, JobSchedule, Task
from gridbourse.node.jobs.market.answer import Answer
from gridbourse.node.jobs.market.deliver import Deliver
from gridbourse.node.jobs.market.open_days import OpenDays
from gridbourse.node.jobs.market.publish_assets import PublishAssets
from gridbourse.node.jobs.market.rematch import Rematch
from gridbourse.node.jobs.market.settle import Settle
from gridbourse.node.jobs.market.submit import Submit
from gridbourse.node.jobs.metering.balance import Balance
from gridbourse.node.jobs.metering.metered_files import MeteredFiles
from gridbourse.node.jobs.metering.metered_readings import MeteredReadings
from gridbourse.node.jobs.money.collect_money import CollectMoney
from gridbourse.node.jobs.money.order_payouts import OrderPayouts
from gridbourse.node.jobs.money.pay_out import PayOut
from gridbourse.node.jobs.money.place_money import PlaceMoney
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region
from gridbourse.region.layout import READINGS_FILE

logger = logging.getLogger(__name__)


class RegionLoop:
    """Does for all masters whose keys lie in a region's folder what masters do.

    Parameters
    ----------
    region
        The open region.
    job_schedule
        How often.
    jobs
        What else is done, before the rest.
    monotonic
        Seconds since any moment.
    """

    def __init__(
        self,
        region: Region,
        job_schedule: JobSchedule | None = None,
        jobs: Sequence[Job] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = region
        self._job_schedule = job_schedule or JobSchedule()
        readings = Readings(region.folder / READINGS_FILE)
        metered = MeteredReadings(
            readings,
            self._job_schedule.anchor_seconds,
            hears_all=not any(isinstance(job, MeteredFiles) for job in jobs),
        )
        self._jobs: tuple[Job, ...] = (
            *jobs,
            *_member_jobs(self._job_schedule, metered),
            *grid_jobs(region, readings, self._job_schedule.anchor_seconds),
        )
        self._monotonic = monotonic
        self._due_at: dict[Job, float] = {}
        self._failures: dict[tuple[str, str], JobFailure] = {}

    @property
    def failures(self) -> tuple[JobFailure, ...]:
        """What failed the last time it was tried."""
        return tuple(self._failures.values())

    def step(self) -> None:
        """Do all that is due now; `failures` tells what could not be done."""
        for _ in self.pieces():
            pass

    def pieces(self) -> Iterator[None]:
        """Do the same piece by piece; between two of them the region may be used for something more urgent."""
        for job in self._jobs:
            if self._monotonic() >= self._due_at.get(job, 0.0):
                yield from self._do(job)

    def run(self, stopping: Event) -> None:
        """Do round after round until told to stop."""
        while not stopping.is_set():
            self.step()
            stopping.wait(self._job_schedule.step_seconds)

    def _do(self, job: Job) -> Iterator[None]:
        failed: set[str] = set()
        for task in self._tasks(job, failed):
            yield
            if not self._attempt(job, task.subject, task.run):
                failed.add(task.subject)
        for key in [key for key in self._failures if key[0] == job.name and key[1] not in failed]:
            logger.info("%s of %s succeeds again", *key)
            del self._failures[key]
        if not failed:
            self._due_at[job] = self._monotonic() + job.every_seconds

    def _tasks(self, job: Job, failed: set[str]) -> Iterator[Task]:
        """The tasks of a job; that they cannot all be told is a failure, too."""
        tasks, found = job.tasks(self._region), list[Task]()
        while True:
            found.clear()
            if not self._attempt(job, REGION, lambda: found.extend(task for task in [next(tasks, None)] if task)):
                failed.add(REGION)
                return
            if not found:
                return
            yield found[0]

    def _attempt(self, job: Job, subject: str, work: Callable[[], object]) -> bool:
        """Whether something could be done; if not, that is logged when it is new."""
        try:
            work()
        except Exception as error:
            known = self._failures.get((job.name, subject))
            reason = str(error) if isinstance(error, GridbourseError) else repr(error)
            since = known.since if known else self._region.clock()
            self._failures[job.name, subject] = JobFailure(job.name, subject, reason, since)
            if known is None or known.reason != reason:
                expected = isinstance(error, GridbourseError)
                logger.warning(
                    "%s of %s failed and will be tried again: %s", job.name, subject, reason, exc_info=not expected
                )
            return False
        return True


def _member_jobs(schedule: JobSchedule, metered: MeteredReadings) -> tuple[Job, ...]:
    """What every member does, in the sequence in which one thing follows from another."""
    every_seconds = schedule.anchor_seconds
    submit, collect = Submit(), CollectMoney(every_seconds)
    return (
        OpenDays(schedule.days_ahead),
        submit,
        Settle(),
        Deliver(),
        Answer(),
        Rematch(),
        Anchor(submit.heights, every_seconds),
        PublishAssets(every_seconds),
        collect,
        OrderPayouts(collect.collected, every_seconds),
        PlaceMoney(every_seconds),
        PayOut(every_seconds),
        metered,
        # Last, so that what it waits for, from others, holds nothing else up.
        Balance(every_seconds),
    )
