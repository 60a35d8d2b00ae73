"""How other processes of the same user command a node: one that goes on asking, and one that asks once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from gridbourse.errors import GridbourseError, NodeUnreachable
from gridbourse.node.commands.codec import decode, encode, read_line, write_line
from gridbourse.node.commands.failures import decode_error
from gridbourse.node.commands.paths import socket_address
from gridbourse.node.commands.requests import Command, Subscribe
from gridbourse.text import Message

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 256 * 2**20
"""Answers are the node's own, and as long as they are."""
RETRY_SECONDS = 0.2
PATIENCE_SECONDS = 60.0


class NodeClient:
    """Commands a node over its socket, and comes back to it whenever it is there.

    Parameters
    ----------
    path
        The node's socket.
    ensure
        Is asked before each attempt to reach the node: starts one, where that is somebody's to do.
    """

    def __init__(self, path: Path, ensure: Callable[[], Awaitable[None]] | None = None) -> None:
        self._path = path
        self._ensure = ensure
        self._numbers = count(1)
        self._running: dict[int, tuple[Any, Future[Any]]] = {}
        self._writer: StreamWriter | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self, publish: Callable[[Mapping[str, Any]], None]) -> None:
        """Reach the node and follow it; when this returns, the index holds all that its chains hold.

        Raises
        ------
        GridbourseError
            No node can be started, or none is reached in time.
        """
        is_reached = asyncio.get_running_loop().create_future()
        self._following = asyncio.create_task(self._follow(publish, is_reached))
        try:
            await asyncio.wait_for(is_reached, PATIENCE_SECONDS)
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise _unreachable() from error
            raise

    async def wait_for(self, command: Command) -> Any:
        """Let the node do one thing before it is followed, as soon as it is there. Raises like `start`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._ensure is not None:
                await self._ensure()
            try:
                answer = await asyncio.to_thread(ask_once, self._path, command)
            except NodeUnreachable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return decode(type(command).ANSWER, answer, "answer")

    async def stop(self) -> None:
        """Let go of the node."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following

    @property
    def is_connected(self) -> bool:
        """Whether the node is reached, and what it holds is known."""
        return self._writer is not None

    @property
    def waiting(self) -> int:
        """How many commands are being done."""
        return len(self._running)

    async def ask(self, command: Command) -> Any:
        """Let the node do something; returns its answer, of the type `command.ANSWER`.

        Raises
        ------
        NodeUnreachable
            There is no node now, or it was lost before it answered.
        GridbourseError
            What the node says.
        """
        if self._writer is None:
            raise _unreachable()
        return await self._ask(self._writer, command)

    async def _ask(self, writer: StreamWriter, command: Command) -> Any:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._running[number] = type(command).ANSWER, future
        try:
            writer.write(command_line(number, command))
            return await future
        finally:
            self._running.pop(number, None)

    async def _follow(self, publish: Callable[[Mapping[str, Any]], None], is_reached: Future[None]) -> None:
        while True:
            try:
                if self._ensure is not None:
                    await self._ensure()
                with socket_address(self._path) as address:
                    reader, writer = await asyncio.open_unix_connection(address, limit=MAX_LINE_BYTES)
            except GridbourseError as error:
                if not is_reached.done():
                    is_reached.set_exception(error)
                    return
                logger.warning("no node can be started: %s", error)
            except OSError:
                pass  # it is not there yet, or not there any more
            else:
                await self._talk(reader, writer, Subscribe(), publish, is_reached)
            await asyncio.sleep(RETRY_SECONDS)

    async def _talk(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        command: Subscribe,
        publish: Callable[[Mapping[str, Any]], None],
        is_reached: Future[None],
    ) -> None:
        """Follow the node until it is lost."""
        subscribing = asyncio.create_task(self._begin(writer, command, publish, is_reached))
        try:
            while line := await reader.readline():
                self._take(read_line(line), publish)
        except OSError:
            pass
        except (GridbourseError, KeyError, TypeError):
            logger.exception("what the node told was not understood")
        finally:
            self._writer = None
            subscribing.cancel()
            writer.close()
            for _, future in self._running.values():
                if not future.done():
                    future.set_exception(_unreachable())

    async def _begin(
        self,
        writer: StreamWriter,
        command: Subscribe,
        publish: Callable[[Mapping[str, Any]], None],
        is_reached: Future[None],
    ) -> None:
        try:
            await self._ask(writer, command)
        except GridbourseError as error:
            logger.warning("the node cannot be followed: %s", error)
            writer.close()
            return
        self._writer = writer
        publish({"event": "connected"})
        if not is_reached.done():
            is_reached.set_result(None)

    def _take(self, told: dict[str, Any], publish: Callable[[Mapping[str, Any]], None]) -> None:
        if "event" in told:
            publish(told)
            return
        kind, future = self._running.get(told["id"], (None, None))
        if future is None or future.done():
            return
        if (error := told.get("error")) is not None:
            future.set_exception(decode_error(error))
        else:
            future.set_result(decode(kind, told["answer"], "answer"))


def ask_once(path: Path, command: Command) -> Any:
    """Let a node do one thing, and wait for it; returns the answer as the JSON it is.

    Raises
    ------
    NodeUnreachable
        No node listens there.
    GridbourseError
        What the node says.
    """
    line = b""
    with socket.socket(socket.AF_UNIX) as connection, socket_address(path) as address:
        try:
            connection.connect(address)
        except OSError as error:
            raise NodeUnreachable(Message("no node listens on {path}; start one", path=str(path))) from error
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(command_line(1, command))
            line = lines.readline()
    if not line:
        raise _unreachable()
    told = read_line(line)
    if (stated := told.get("error")) is not None:
        raise decode_error(stated)
    return told["answer"]


def command_line(number: int, command: Command) -> bytes:
    """Write a command as it goes over the socket."""
    kind = type(command)
    return write_line({"id": number, "command": kind.NAME, "fields": encode(kind, command)})


def _unreachable() -> NodeUnreachable:
    return NodeUnreachable(Message("the node of the region is not reached; try again in a moment"))
