"""The one thread that owns the region: what nodes record is written and taken up here, in batches.

Everything that arrives while a batch is being written goes into the next one, so that a hundred orders share the
blocks, and the waits for the disk, of one. Between batches the thread does what masters do
(`gridbourse.node.jobs`), a piece at a time, so that nobody who places an order waits for all of it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from gridbourse.errors import GridbourseError, NodeUnreachable
from gridbourse.node.commands.requests import Round, Submit, SubmittedRecord
from gridbourse.node.folder.store import NodeStore
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region
from gridbourse.node.submission import RecordWriter
from gridbourse.text import Message

logger = logging.getLogger(__name__)

MAX_BATCH = 500
"""Records written together."""
GATHER_SECONDS = 0.015
"""How long the first record of a batch waits for others: a block for two takes hardly longer than one for one."""

_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")
_OVER = object()


@dataclass(slots=True)
class _Task:
    run: Callable[[Region], object]
    future: Future[object] = field(default_factory=Future)


@dataclass(slots=True)
class _Entry:
    command: Submit
    future: Future[SubmittedRecord] = field(default_factory=Future)


class RegionWorker:
    """Runs a region.

    Parameters
    ----------
    region
        The open region; this thread closes it.
    store
        Where it is remembered under which keys records were submitted; this thread closes it.
    loop
        What masters do.
    step_seconds
        Between two rounds of that.
    publish
        Tells what is new on the chains, always before whoever caused it gets an answer.
    report
        Is told of each round when it is over.
    """

    def __init__(
        self,
        region: Region,
        store: NodeStore,
        loop: RegionLoop,
        step_seconds: float,
        *,
        publish: Callable[[], None],
        report: Callable[[Round], None],
    ) -> None:
        self._region = region
        self._store = store
        self._loop = loop
        self._step_seconds = step_seconds
        self._publish = publish
        self._report = report
        self._writer = RecordWriter(region, store)
        self._queue: queue.SimpleQueue[_Task | _Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="region", daemon=True)
        self._round: Iterator[None] | None = None
        self._next_round = 0.0
        self._is_stopping = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let it finish what has been taken, anchor, and close the region."""
        self._queue.put(None)

    def submit(self, command: Submit) -> Future[SubmittedRecord]:
        """Write a function node's record to its slave chain and relay it."""
        entry = _Entry(command)
        self._queue.put(entry)
        return entry.future

    def run(
        self, work: Callable[Concatenate[Region, _P], _Answer], *args: _P.args, **named: _P.kwargs
    ) -> Future[_Answer]:
        """Let the thread call a function with the region and some arguments."""
        task = _Task(lambda region: work(region, *args, **named))
        self._queue.put(task)
        return task.future  # type: ignore[return-value]

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How much waits to be done."""
        return self._queue.qsize()

    def join(self) -> None:
        """Wait until it has stopped, for whatever reason."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._publish()
            while not self._is_stopping:
                self._turn()
            self._region.anchor()
            self._publish()
        except BaseException:
            logger.exception("the region stopped")
        finally:
            self._store.close()
            self._region.close()
            self._refuse_the_rest()

    def _refuse_the_rest(self) -> None:
        """Nobody is to wait for what will not be done."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                item.future.set_exception(NodeUnreachable(Message("the node is stopping; try again when it is back")))

    def _turn(self) -> None:
        entries, tasks = self._take()
        if entries:
            self._write(entries)
        for task in tasks:
            self._do(task)
        if self._round is not None or time.monotonic() >= self._next_round:
            self._go_on()

    def _take(self) -> tuple[list[_Entry], list[_Task]]:
        """Wait for work until the next round goes on, then take all that is there."""
        entries: list[_Entry] = []
        tasks: list[_Task] = []
        timeout = 0.0 if self._round is not None else max(0.0, self._next_round - time.monotonic())
        while len(entries) < MAX_BATCH:
            try:
                item = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
            except queue.Empty:
                break
            timeout = 0.0
            if item is None:
                self._is_stopping = True
            elif isinstance(item, _Entry):
                if not entries and self._round is None:
                    time.sleep(GATHER_SECONDS)
                entries.append(item)
            else:
                tasks.append(item)
        return entries, tasks

    def _write(self, entries: Sequence[_Entry]) -> None:
        try:
            results = self._writer.write([entry.command for entry in entries])
        except Exception as error:  # whoever asked is told, and the region goes on
            logger.exception("records were not written")
            results = [error] * len(entries)
        self._publish_if_possible()
        for entry, result in zip(entries, results, strict=True):
            if isinstance(result, Exception):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)

    def _do(self, task: _Task) -> None:
        try:
            answer = task.run(self._region)
        except Exception as error:
            if not isinstance(error, GridbourseError):
                logger.exception("work on the region failed")
            self._publish_if_possible()
            task.future.set_exception(error)
        else:
            self._publish_if_possible()
            task.future.set_result(answer)

    def _go_on(self) -> None:
        """Do the next piece of what the masters do; what fails now is taken up again in the next round."""
        self._round = self._round or self._loop.pieces()
        is_over = next(self._round, _OVER) is _OVER
        self._publish_if_possible()
        if is_over:
            self._round, self._next_round = None, time.monotonic() + self._step_seconds
            self._report(Round(float(self._region.clock()), self._loop.failures))

    def _publish_if_possible(self) -> None:
        """Whoever waits gets its answer, even if a chain cannot be read now; the next round tells what was missed."""
        try:
            self._publish()
        except GridbourseError:
            logger.exception("what is new was not read")
