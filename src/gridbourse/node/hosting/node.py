"""The node as it runs: the region, the thread that owns it, what it does by itself, its clock, and its socket.

`gridbourse run` and `gridbourse serve` run one, the latter in a process beside the web server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from gridbourse.index.index import Notice
from gridbourse.node.commands.codec import encode
from gridbourse.node.commands.handlers import Handlers
from gridbourse.node.commands.requests import Command, Health, ReadHealth, Round, Subscribe
from gridbourse.node.commands.server import CommandServer, Connection
from gridbourse.node.folder.store import NodeStore
from gridbourse.node.hosting.worker import RegionWorker
from gridbourse.node.jobs.job import Job, JobSchedule
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region
from gridbourse.region.layout import NODE_FILE, SOCKET_FILE


class Node:
    """A node that runs.

    Parameters
    ----------
    region
        The open region, whose clock is the node's; closed when the node stops.
    folder
        Where it lies.
    job_schedule
        How often the node does what it does by itself.
    jobs
        What it does beside that in every round.

    Raises
    ------
    ChainLocked
        Another node runs this region.
    InvalidValue
        The node's own file is none.

    Attributes
    ----------
    worker
        The thread that owns the region.
    """

    def __init__(
        self,
        region: Region,
        folder: Path,
        job_schedule: JobSchedule | None = None,
        jobs: Sequence[Job] = (),
    ) -> None:
        job_schedule = job_schedule or JobSchedule()
        self._region = region
        self._server = CommandServer(folder / SOCKET_FILE, self._execute, self._subscribe)
        self.worker = RegionWorker(
            region,
            NodeStore(folder / NODE_FILE, region.clock()),
            RegionLoop(region, job_schedule, jobs),
            job_schedule.step_seconds,
            publish=self._publish,
            report=self._report,
        )
        self._handlers = Handlers(region, folder, self.worker)
        self._last_round = Round(float(region.clock()))

    def start(self) -> None:
        """Do what is to be done by itself, and take commands."""
        self.worker.start()
        self._server.start()

    def stop(self) -> None:
        """Finish what has been taken, anchor, close the region; returns when that is done."""
        self._handlers.close()
        self.worker.stop()
        self.worker.join()
        self._server.stop()

    @property
    def is_running(self) -> bool:
        """Whether the region is being run: its thread ends by itself only where nothing more can be done."""
        return self.worker.is_alive

    def _execute(self, command: Command) -> Future[Any]:
        if isinstance(command, ReadHealth):
            future: Future[Any] = Future()
            future.set_result(self._health())
            return future
        return self._handlers.execute(command)

    def _health(self) -> Health:
        return Health(os.getpid(), self._last_round, self.worker.waiting)

    def _publish(self) -> None:
        """Write what is new on the chains to the index, and say that it stands there."""
        self._region.catch_up()
        notice = self._region.take_notice()
        if notice.heights:
            self._server.publish({"event": "index", "notice": encode(Notice, notice)})

    def _subscribe(self, _: Subscribe, connection: Connection) -> Future[Any]:
        def begin(_: Region) -> None:
            connection.subscribe([self._round_event()])

        return self.worker.run(begin)

    def _report(self, finished: Round) -> None:
        self._last_round = finished
        self._server.publish(self._round_event())

    def _round_event(self) -> dict[str, Any]:
        return {"event": "round", "round": encode(Round, self._last_round)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
