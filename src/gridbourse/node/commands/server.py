"""The node's socket: lines of JSON from programs of the same user, answered in whatever sequence they are done.

A line is ``{"id": 7, "command": NAME, "fields": {...}}``, its answer ``{"id": 7, "answer": ...}`` or
``{"id": 7, "error": {"name", "message", "fields"}}``. Who subscribes is told of events, lines without an ``id``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gridbourse.errors import ChainLocked, GridbourseError, InvalidValue, NodeUnreachable
from gridbourse.node.commands.codec import decode, encode, read_line, write_line
from gridbourse.node.commands.failures import encode_error
from gridbourse.node.commands.paths import socket_address
from gridbourse.node.commands.requests import COMMANDS, Command, Subscribe
from gridbourse.text import Message

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 2**20
MAX_UNREAD_BYTES = 64 * 2**20
"""Who does not read its answers is cut off when so much waits for it."""
MAX_RUNNING = 1_000
"""So many commands of one connection are being done; further ones are read when some are."""
MAX_CONNECTIONS = 100
_OUR_PEERS = {0, os.geteuid()}


class CommandServer:
    """Listens on the node's socket, in a thread of its own.

    Parameters
    ----------
    path
        Where; made readable for its owner only.
    execute
        Does what a command asks for.
    subscribe
        Is told of who wants to know what happens.

    Raises
    ------
    ChainLocked
        Another node listens there.
    """

    def __init__(
        self,
        path: Path,
        execute: Callable[[Command], Future[Any]],
        subscribe: Callable[[Subscribe, Connection], Future[Any]],
    ) -> None:
        self._path = path
        self._execute = execute
        self._subscribe = subscribe
        self._connections: set[Connection] = set()
        self._socket = _listen(path)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="socket", daemon=True)

    def start(self) -> None:
        """Take commands from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more commands, tell what became of those that are done, and let go of the socket."""
        self._path.unlink(missing_ok=True)
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def publish(self, event: dict[str, Any]) -> None:
        """Tell all who have subscribed; any thread may. What is told before an answer arrives before it."""
        self._call(self._tell, write_line(event))

    def _tell(self, line: bytes) -> None:
        for connection in self._connections:
            if connection.is_subscribed:
                connection.write(line)

    def _call(self, work: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody listens any more
            self._loop.call_soon_threadsafe(work, *arguments)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._talk, sock=self._socket, limit=MAX_LINE_BYTES)
        async with server:
            await self._stopping.wait()
            server.close()
            for connection in list(self._connections):
                connection.close()
            # What was answered is on its way to whoever asked.
            await asyncio.gather(*(connection.ended.wait() for connection in list(self._connections)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer, self._call)
        if not _is_ours(writer) or len(self._connections) >= MAX_CONNECTIONS:
            connection.abort()
            return
        self._connections.add(connection)
        try:
            await self._read(reader, connection)
        except OSError:
            pass  # it is gone
        finally:
            self._connections.discard(connection)
            await connection.end()

    async def _read(self, reader: asyncio.StreamReader, connection: Connection) -> None:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                await connection.finished()  # who sends nothing more may still wait for answers
                return
            except asyncio.LimitOverrunError:
                error = InvalidValue("line", "a long one", f"at most {MAX_LINE_BYTES} bytes, then a line feed")
                connection.refuse(None, error)
                return
            await connection.begin()
            if connection.is_closing:
                return
            self._take(line, connection)

    def _take(self, line: bytes, connection: Connection) -> None:
        number: int | None = None
        try:
            stated = read_line(line)
            number = _number(stated)
            command = _command(stated)
            future = self._begin(command, connection)
        except Exception as error:  # whatever somebody sends, the node goes on
            if not isinstance(error, GridbourseError):
                logger.exception("a command was not understood")
            connection.finish()
            connection.refuse(number, error)
            return
        kind = type(command).ANSWER
        future.add_done_callback(lambda done: self._call(connection.answer, number, kind, done))

    def _begin(self, command: Command, connection: Connection) -> Future[Any]:
        if isinstance(command, Subscribe):
            return self._subscribe(command, connection)
        return self._execute(command)


class Connection:
    """One that sends commands.

    Parameters
    ----------
    writer
        The way back.
    call
        Lets something be done in the event loop.
    """

    def __init__(self, writer: asyncio.StreamWriter, call: Callable[..., None]) -> None:
        self._writer = writer
        self._call = call
        self.is_subscribed = False
        self.ended = asyncio.Event()
        self._running = 0
        self._changed = asyncio.Event()

    async def begin(self) -> None:
        """Begin a command, as soon as not too many are being done."""
        while self._running >= MAX_RUNNING:
            await self._change()
        self._running += 1

    def finish(self) -> None:
        """A command is done."""
        self._running -= 1
        self._changed.set()

    async def finished(self) -> None:
        """Wait until all commands are done."""
        while self._running:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def subscribe(self, events: list[dict[str, Any]]) -> None:
        """Tell some events, and from now on those that are published; any thread may."""
        self._call(self._begin, [write_line(event) for event in events])

    def _begin(self, lines: list[bytes]) -> None:
        self.is_subscribed = True
        for line in lines:
            self._writer.write(line)

    def answer(self, number: int | None, kind: Any, done: Future[Any]) -> None:
        """Tell what came of a command."""
        self.finish()
        if done.cancelled():
            self.refuse(number, NodeUnreachable(Message("the node is stopping; try again when it is back")))
        elif (error := done.exception()) is not None:
            self.refuse(number, error)
        else:
            try:
                line = write_line({"id": number, "answer": encode(kind, done.result())})
            except Exception as unwritable:  # nobody is to wait for ever
                logger.exception("an answer cannot be written")
                self.refuse(number, unwritable)
            else:
                self.write(line)

    def refuse(self, number: int | None, error: BaseException) -> None:
        """Tell why a command is not done."""
        self.write(write_line({"id": number, "error": encode_error(error)}))

    def write(self, line: bytes) -> None:
        """Send a line, unless the other end does not read."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            logger.warning("a program that does not read what the node tells it is cut off")
            transport.abort()
            return
        self._writer.write(line)

    @property
    def is_closing(self) -> bool:
        """Whether it is cut off, or was closed here: what it still sent is not done."""
        return self._writer.transport.is_closing()

    def close(self) -> None:
        """Read nothing more."""
        self._writer.close()

    def abort(self) -> None:
        """Cut it off."""
        self._writer.transport.abort()

    async def end(self) -> None:
        """Close it when what was written has gone."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        self.ended.set()


def _number(stated: Any) -> int | None:
    number = stated.get("id") if isinstance(stated, dict) else None
    if type(number) is not int or not 0 <= number < 2**63:
        raise InvalidValue("id", str(number)[:60], "a number, which the answer will carry")
    return number


def _command(stated: dict[str, Any]) -> Command:
    if unknown := stated.keys() - {"id", "command", "fields"}:
        raise InvalidValue(min(unknown)[:60], "it", "id, command and fields, and nothing else")
    name = stated.get("command")
    kind = COMMANDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidValue("command", str(name)[:60], f"one of {', '.join(COMMANDS)}")
    command: Command = decode(kind, stated.get("fields", {}))
    return command


def _listen(path: Path) -> socket.socket:
    """Make the socket; one that a killed node left is taken away."""
    with socket_address(path) as address:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(address)
            except OSError:
                path.unlink(missing_ok=True)
            else:
                raise ChainLocked(f"{path.parent} is run by another node, which listens on {path.name}")
        listening = socket.socket(socket.AF_UNIX)
        try:
            # Nobody is to find it open before its mode is set.
            before = os.umask(0o177)
            try:
                listening.bind(address)
            finally:
                os.umask(before)
            listening.listen()
            listening.setblocking(False)  # noqa: FBT003 - the only way
        except BaseException:
            listening.close()
            raise
    return listening


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether the other end is a process of the same user, or of root, where the system can tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in _OUR_PEERS
