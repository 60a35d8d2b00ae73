"""What a job is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gridbourse.node.region import Region

REGION = "region"
"""The subject of what is done for all masters at once."""


@dataclass(frozen=True, slots=True)
class JobSchedule:
    """How often the members of a region do what they do.

    Parameters
    ----------
    step_seconds
        Between two rounds.
    anchor_seconds
        Between two anchorings, and between two looks at what is not urgent: days, money, schedules, reports.
    days_ahead
        How many delivery days after today are open for orders.
    """

    step_seconds: float = 0.5
    anchor_seconds: float = 20.0
    days_ahead: int = 1


class Task(NamedTuple):
    """Something to be done for a master, or with a file."""

    subject: str
    run: Callable[[], object]


class Job(Protocol):
    """A duty of a region's members.

    Attributes
    ----------
    name
        What it is called in the log and in alarms.
    every_seconds
        How long after it was done it is due again; 0 for every round.
    """

    name: str
    every_seconds: float

    def tasks(self, region: Region) -> Iterator[Task]:
        """What is to be done now. A task that fails stops no other; it comes again in the next round.

        Between two tasks the region may be used for something more urgent.
        """
        ...


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A task that failed the last time it was tried.

    Parameters
    ----------
    job, subject
        Which.
    reason
        What went wrong.
    since
        Since when it has failed, in seconds since the epoch.
    """

    job: str
    subject: str
    reason: str
    since: int
