"""The region's own process: `python -m gridbourse.service.region_main FOLDER PACE LOG_LEVEL`.

The web server starts it. Requests come over its standard input, reports leave over its standard output
(`gridbourse.service.messages`). When the input ends without `Stop`, the web server is gone, and so is whoever waited
for anything: this process ends at once, which is as safe as being killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, assert_never

from gridbourse.errors import GridbourseError
from gridbourse.index.news import News
from gridbourse.node.commands import RegionWorker
from gridbourse.node.jobs import JobSchedule
from gridbourse.node.logging import begin_process
from gridbourse.node.node import Region
from gridbourse.node.node_records import NodeRecord
from gridbourse.service.accounts import SERVICE_FILE, ServiceStore
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

READERS = 2
TOLD_TOGETHER = 200
"""Blocks in one message: at the start, what the chains hold is long."""


class Reports:
    """The way to the web server; any thread may use it.

    Parameters
    ----------
    output
        The pipe.
    """

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._lock = threading.Lock()

    def send(self, report: Report) -> None:
        """Send a report; waits while the web server is behind."""
        content = packed(report)
        with self._lock:
            self._output.write(content)
            self._output.flush()

    def tell(self, news: Sequence[News]) -> None:
        """Send news."""
        for first in range(0, len(news), TOLD_TOGETHER):
            self.send(Told(list(news[first : first + TOLD_TOGETHER])))

    def answer(self, number: int, future: Future[Any]) -> None:
        """Send what came of a request."""
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.send(Answer(number, future.result()))
        else:
            # Of errors that nobody expects, the log says more; they need not survive the way.
            self.send(
                Refusal(number, error if isinstance(error, GridbourseError | OSError) else RuntimeError(repr(error)))
            )


class RegionMain:
    """Does what the web server asks for.

    Parameters
    ----------
    region
        The open region.
    store
        Where it is remembered under which idempotency key an order was placed.
    reports
        The way back.
    job_schedule
        How often the region does what masters do.
    """

    def __init__(self, region: Region, store: ServiceStore, reports: Reports, job_schedule: JobSchedule) -> None:
        self._region = region
        self._store = store
        self._reports = reports
        self._worker = RegionWorker(region, reports.tell, self._remember, reports.send, job_schedule)
        self._pools = {
            Lane.READER: ThreadPoolExecutor(READERS, "reader"),
            Lane.REGULATOR: ThreadPoolExecutor(1, "regulator"),
        }
        self._has_begun = self._is_stopping = False

    def serve(self, requests: Iterator[Request]) -> None:
        """Do what is asked for until told to stop."""
        for request in requests:
            match request:
                case Begin(number):
                    self._begin()
                    self._reports.send(Answer(number, None))
                case Write(number, record):
                    self._answer(number, self._worker.write(record))
                case Do(number, Lane.OWNER, work, args, named):
                    self._answer(number, self._worker.run(work, *args, **named))
                case Do(number, lane, work, args, named):
                    self._answer(number, self._pools[lane].submit(work, self._region, *args, **named))
                case Stop():
                    self._stop()
                    return
                case _:
                    assert_never(request)

    def _begin(self) -> None:
        self._worker.start()
        self._has_begun = True
        threading.Thread(target=self._end_with_the_worker, daemon=True).start()

    def _end_with_the_worker(self) -> None:
        """Without the thread that runs the region nothing can be done here: the web server is to see that."""
        self._worker.join()
        if not self._is_stopping:
            os._exit(1)

    def _answer(self, number: int, future: Future[Any]) -> None:
        future.add_done_callback(partial(self._reports.answer, number))

    def _stop(self) -> None:
        self._is_stopping = True
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        if self._has_begun:
            self._worker.stop()
            self._worker.join()
        else:
            self._region.close()
        self._store.close()

    def _remember(self, records: Sequence[tuple[NodeRecord, bytes]]) -> None:
        """Keep under which keys records are about to be written: durable before they are."""
        now = int(time.time())
        rows = [(*record.idempotency, leaf, now) for record, leaf in records if record.idempotency is not None]
        if rows:
            self._store.change_many("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", rows)


def main() -> None:
    """Open the region, say so, and serve."""
    parser = argparse.ArgumentParser(prog="python -m gridbourse.service.region_main", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("job_schedule", type=json.loads, help="the fields of gridbourse.node.jobs.JobSchedule")
    parser.add_argument("log_level", type=int)
    given = parser.parse_args()
    begin_process(given.log_level)
    # A terminal and a service manager tell both processes to stop; this one waits for the web server to say so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    reports = Reports(_own_output())
    try:
        region = Region.open(given.folder, watched=True)
        store = ServiceStore(given.folder / SERVICE_FILE)
    except GridbourseError as error:
        reports.send(Refusal(0, error))
        return
    reports.send(Opened())
    RegionMain(region, store, reports, JobSchedule(**given.job_schedule)).serve(_requests(sys.stdin.buffer))


def _own_output() -> IO[bytes]:
    """Standard output, of which nobody else can write a byte from now on."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output


def _requests(source: IO[bytes]) -> Iterator[Request]:
    while len(length := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        yield unpacked(source.read(int.from_bytes(length, "big")))
    os._exit(1)


if __name__ == "__main__":
    main()
