"""A node beside the web server: started where none listens yet, and ended with whoever started it.

The node has a process of its own, so that what runs contracts, opens records and audits takes no time from those who
watch and ask: Python runs one thread of a process at a time. A pair of sockets ties the two together
(`node.hosting.lifeline`): when the web server is gone, however that came, its node finishes what it has taken, anchors,
and ends. One that somebody else runs, by `gridbourse run`, is found and left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path

from gridbourse.errors import NodeUnreachable
from gridbourse.node.commands.codec import read_line
from gridbourse.node.commands.failures import decode_error
from gridbourse.node.commands.paths import socket_address
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.region.layout import SOCKET_FILE
from gridbourse.text import Message


class NodeHost:
    """Sees to it that a region has a node.

    Parameters
    ----------
    folder
        The region's.
    job_schedule
        How often a node that is started here does what it does by itself.

    Attributes
    ----------
    process
        The node that was started here last; None if none was.
    """

    def __init__(self, folder: Path, job_schedule: JobSchedule) -> None:
        self._folder = folder
        self._job_schedule = job_schedule
        self._lifeline: socket.socket | None = None
        self.process: Process | None = None

    async def ensure(self) -> None:
        """Start a node, unless one is there.

        Raises
        ------
        GridbourseError
            It cannot be: the region cannot be opened.
        """
        if (self.process is not None and self.process.returncode is None) or self._is_listening():
            return
        self._let_go()
        own, other = socket.socketpair()
        self._lifeline = own
        with other:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gridbourse", "run", str(self._folder), "--lifeline", str(other.fileno())),
                *("--step-seconds", str(self._job_schedule.step_seconds)),
                *("--anchor-seconds", str(self._job_schedule.anchor_seconds)),
                *("--log-level", str(logging.getLogger().getEffectiveLevel())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        own.setblocking(False)  # noqa: FBT003 - the only way
        line = await _read_line(own)
        if not line:
            raise NodeUnreachable(Message("the node ended before the region was open; see its log"))
        if (error := read_line(line).get("error")) is not None:
            await self.process.wait()
            raise decode_error(error)

    async def stop(self) -> None:
        """Let the node that was started here finish and end."""
        self._let_go()
        if self.process is not None:
            await self.process.wait()

    def _let_go(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None

    def _is_listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            with socket_address(self._folder / SOCKET_FILE) as address:
                probe.connect(address)
            return True
        return False


async def _read_line(source: socket.socket) -> bytes:
    loop, line = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionError):
        while not line.endswith(b"\n") and (read := await loop.sock_recv(source, 65_536)):
            line += read
    return line
