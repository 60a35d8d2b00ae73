"""Connections that cannot take the server from others: bounded in number, in the size of their heads, and in time.

uvicorn's own limit counts open connections, idle ones and WebSockets among them, so that a few hundred sockets which
say nothing turn everybody away; and it waits without end for a head, a body, or a peer that does not read. Here

- a new connection pushes out the one that has been idle the longest, and is turned away only when all are at work;
- a request has to arrive in time, its head has a size, and an answer has to be taken at a least rate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of a server's connections.

    Parameters
    ----------
    connections
        Most HTTP connections at once, WebSockets not among them.
    head_bytes
        Longest head of a request.
    request_seconds
        Longest time from the first byte of a request, or from the opening of a connection, to the last byte.
    check_seconds, check_bytes
        A peer to which an answer is on its way takes so many bytes in so many seconds, or is cut off.
    """

    connections: int = 1_000
    head_bytes: int = 32 * 2**10
    request_seconds: float = 30.0
    check_seconds: float = 10.0
    check_bytes: int = 256 * 2**10


_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Writer(Protocol):
    """What both kinds of connection have."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport


class _ReadingWatch:
    """Cuts off a peer that does not take what it is sent."""

    def __init__(self, connection: _Writer, limits: ConnectionLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0

    def start(self) -> None:
        """Look on until everything is sent; looking already is the same."""
        if self._timer is None:
            self._unsent_bytes = self._connection.transport.get_write_buffer_size()
            self._wait()

    def stop(self) -> None:
        """Look no more: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._connection.loop.call_later(self._limits.check_seconds, self._check)

    def _check(self) -> None:
        self._timer = None
        unsent_bytes = self._connection.transport.get_write_buffer_size()
        if not unsent_bytes:
            return
        if unsent_bytes > self._unsent_bytes - self._limits.check_bytes:
            self._connection.transport.abort()
            return
        self._unsent_bytes = unsent_bytes
        self._wait()


class BoundedHttp(HttpToolsProtocol):
    """An HTTP connection. Subclasses say what the limits are."""

    limits = ConnectionLimits()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading = _ReadingWatch(self, self.limits)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True
        self.idle_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if need be in the place of another."""
        super().connection_made(transport)
        self._start_deadline()
        peers = [one for one in self.connections if isinstance(one, BoundedHttp)]
        if len(peers) <= self.limits.connections:
            return
        idle = [one for one in peers if one.is_idle and one is not self]
        if idle:
            min(idle, key=lambda one: one.idle_since).transport.abort()
        else:
            transport.write(_TOO_MANY)
            transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no answer is being made or sent."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.transport.get_write_buffer_size()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_deadline()
        self._reading.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self._deadline is None and self._in_head:
            self._start_deadline()
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.head_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Begin with the body."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._stop_deadline()
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer; its last bytes may still have to be sent."""
        self.idle_since = self.loop.time()
        self._reading.start()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Wait for the peer to read."""
        self._reading.start()
        super().pause_writing()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over."""
        self._stop_deadline()
        self._reading.stop()
        super().handle_websocket_upgrade()

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.limits.request_seconds, self._expire)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket. Subclasses say what the limits are."""

    limits = ConnectionLimits()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading = _ReadingWatch(self, self.limits)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._reading.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the peer to read."""
        self._reading.start()
        super().pause_writing()


def bounded(limits: ConnectionLimits) -> tuple[type[BoundedHttp], type[BoundedWebSocket]]:
    """Protocols for `uvicorn.Config`, as its ``http`` and ``ws``."""
    http = type("Http", (BoundedHttp,), {"limits": limits})
    web_socket = type("WebSocket", (BoundedWebSocket,), {"limits": limits})
    return http, web_socket
