"""What the function nodes of a region do: schedules, nominations, capacities, reports.

Solvers are loaded only where there is something for them to do.
"""

from __future__ import annotations

from gridbourse.node.jobs.grid.plan_schedules import PlanSchedules
from gridbourse.node.jobs.grid.report import Report
from gridbourse.node.jobs.job import Job
from gridbourse.node.jobs.market.answer_requests import AnswerRequests
from gridbourse.node.planning import power_network
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region


def grid_jobs(region: Region, readings: Readings, every_seconds: float) -> tuple[Job, ...]:
    """The jobs of a region's function nodes, in the sequence in which one thing follows from another."""
    jobs: list[Job] = [PlanSchedules(readings, every_seconds)]
    grid = region.spec.grid
    if grid.zones:
        from gridbourse.node.dispatch import Scheduling  # noqa: PLC0415 - see above
        from gridbourse.node.jobs.grid.dispatch import Dispatch  # noqa: PLC0415 - see above
        from gridbourse.node.jobs.grid.nominate import Nominate  # noqa: PLC0415 - see above

        scheduling = Scheduling(region, power_network(grid), margin_permille=grid.margin_permille)
        jobs += [Nominate(scheduling, readings, every_seconds), Dispatch(scheduling, every_seconds)]
    return (*jobs, AnswerRequests(readings), Report(readings, every_seconds))
