"""The region's process, as the web server sees it.

The region has a process of its own, so that what signs, seals and runs contracts takes no time from those who watch and
ask: Python runs one thread of a process at a time. Requests go there and reports come back over pipes
(`gridbourse.service.messages`); the other end is `gridbourse.service.region_main`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from asyncio import Future, IncompleteReadError, StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from gridbourse.errors import RegionStopped
from gridbourse.index.news import News
from gridbourse.node.commands import Round
from gridbourse.node.jobs import JobSchedule
from gridbourse.node.node import Region
from gridbourse.node.node_records import NodeRecord, Written
from gridbourse.service.messages import (
    LENGTH_BYTES,
    Answer,
    Begin,
    Do,
    Lane,
    Opened,
    Refusal,
    Report,
    Request,
    Stop,
    Told,
    Write,
    packed,
    unpacked,
)
from gridbourse.text import Message

logger = logging.getLogger(__name__)

_BUFFER_BYTES = 2**20

_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")


class RegionProcess:
    """Runs a region in a process of its own.

    Parameters
    ----------
    process
        The process, in which the region is open; `open` starts one.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._requests, self._reports = _pipes(process)
        self._numbers = count(1)
        self._running: dict[int, Future[Any]] = {}
        self._publish: Callable[[Sequence[News]], None] | None = None
        self._last_round = Round(0.0, is_failing=False)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, folder: Path, job_schedule: JobSchedule) -> Self:
        """Start the process and open the region there. Raises like `Region.open`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gridbourse.service.region_main"),
            *(str(folder), json.dumps(asdict(job_schedule)), str(logging.getLogger().getEffectiveLevel())),
            stdin=PIPE,
            stdout=PIPE,
            limit=_BUFFER_BYTES,
        )
        try:
            report = await _read(_pipes(process)[1])
        except IncompleteReadError as error:
            text = "the region's process ended before the region was open; see the log"
            raise RegionStopped(Message(text)) from error
        except BaseException:
            process.kill()
            raise
        if isinstance(report, Refusal):
            await process.wait()
            raise report.error
        assert isinstance(report, Opened), "the first report says whether the region is open"
        return cls(process)

    async def start(self, publish: Callable[[Sequence[News]], None]) -> None:
        """Let it read what the chains hold, then run; returns when `publish` has been told all of that."""
        self._publish = publish
        await self._ask(Begin(next(self._numbers)))
        # The first round is awaited from now on, not since 1970.
        self._last_round = Round(time.time(), self._last_round.is_failing)

    async def stop(self) -> None:
        """Let it finish what has been taken, anchor, and close the region; returns when that is done."""
        self._send(Stop())
        await self._listening
        await self._process.wait()

    async def write(self, record: NodeRecord) -> Written:
        """Write a node's record to its slave chain and take it up."""
        written: Written = await self._ask(Write(next(self._numbers), record))
        return written

    async def run(
        self, work: Callable[Concatenate[Region, _P], _Answer], *args: _P.args, **named: _P.kwargs
    ) -> _Answer:
        """Call a function of a module, or a method, with the region and some arguments, in the thread that owns it."""
        answer: _Answer = await self._ask(Do(next(self._numbers), Lane.OWNER, work, args, named))
        return answer

    async def read(
        self, work: Callable[Concatenate[Region, _P], _Answer], *args: _P.args, **named: _P.kwargs
    ) -> _Answer:
        """The same, beside that thread, for what only reads chains."""
        answer: _Answer = await self._ask(Do(next(self._numbers), Lane.READER, work, args, named))
        return answer

    async def regulate(
        self, work: Callable[Concatenate[Region, _P], _Answer], *args: _P.args, **named: _P.kwargs
    ) -> _Answer:
        """The same, in the thread that acts for the regulator."""
        answer: _Answer = await self._ask(Do(next(self._numbers), Lane.REGULATOR, work, args, named))
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether the region is being run, and its last round took place."""
        return not self._listening.done() and not self._last_round.is_failing

    @property
    def last_round_at(self) -> float:
        """When the masters' last round ended, in seconds since the epoch; before the first, when they began."""
        return self._last_round.ended_at

    @property
    def waiting(self) -> int:
        """How much waits to be done."""
        return len(self._running)

    async def _ask(self, request: Begin | Write | Do) -> Any:
        if self._listening.done():
            raise _stopped()
        future = self._running[request.number] = asyncio.get_running_loop().create_future()
        try:
            self._send(request)
            return await future
        finally:
            self._running.pop(request.number, None)

    def _send(self, request: Request) -> None:
        self._requests.write(packed(request))

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await _read(self._reports))
        except IncompleteReadError:
            pass  # the process has ended; whether it was told to, it knows itself
        except Exception:
            logger.exception("what the region's process told was not understood")
            self._process.kill()
        finally:
            for future in self._running.values():
                if not future.done():
                    future.set_exception(_stopped())

    def _take(self, report: Report) -> None:
        match report:
            case Told(news):
                assert self._publish, "news are told once the region runs"
                self._publish(news)
            case Answer(number, value):
                if (future := self._running.get(number)) and not future.done():
                    future.set_result(value)
            case Refusal(number, error):
                if (future := self._running.get(number)) and not future.done():
                    future.set_exception(error)
            case Round():
                self._last_round = report


def _stopped() -> RegionStopped:
    return RegionStopped(Message("the service is stopping; try again when it is back"))


def _pipes(process: Process) -> tuple[StreamWriter, StreamReader]:
    assert process.stdin, "a pipe was asked for"
    assert process.stdout, "a pipe was asked for"
    return process.stdin, process.stdout


async def _read(reports: StreamReader) -> Report:
    length = await reports.readexactly(LENGTH_BYTES)
    report: Report = unpacked(await reports.readexactly(int.from_bytes(length, "big")))
    return report
