"""One WebSocket: answers what comes in, and pushes what was subscribed to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from gridbourse.chain.rpc.methods.table import Method
from gridbourse.chain.rpc.subscriptions import HeadWatcher, Subscriptions
from gridbourse.errors import ChainError

Answer = Callable[[bytes, Mapping[str, Method]], Awaitable[bytes]]

_GOING_AWAY = 1001
_MAX_REASON_CHARS = 40


class Conversation:
    """What goes over a WebSocket. A subscription's first news follows its answer.

    Parameters
    ----------
    connection
        The WebSocket, accepted.
    answer
        Answers a request, given the methods that only this connection has.
    subscriptions
        Those of this connection.
    idle_seconds
        When to end it if it has no subscription and asks nothing.
    """

    def __init__(
        self, connection: WebSocket, answer: Answer, subscriptions: Subscriptions, idle_seconds: float
    ) -> None:
        self.idle_since = time.monotonic()
        self._connection = connection
        self._answer = answer
        self._subscriptions = subscriptions
        self._idle_seconds = idle_seconds
        self._sending = asyncio.Lock()
        self._ended = asyncio.Event()
        self._reason = ""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way and nothing was subscribed to."""
        return not (self._subscriptions or self._sending.locked() or self._ended.is_set())

    def end(self, reason: str) -> None:
        """Close the connection soon."""
        self._reason = reason
        self._ended.set()

    async def run(self, watcher: HeadWatcher) -> None:
        """Talk until the peer leaves, or it is ended."""
        parts = [asyncio.create_task(part) for part in (self._listen(), self._push(watcher), self._watch())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            results = await asyncio.gather(*parts, return_exceptions=True)
        for error in results:
            if isinstance(error, ChainError):
                self._reason = str(error)
        if self._reason:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._connection.close(_GOING_AWAY, self._reason[:_MAX_REASON_CHARS])

    async def _listen(self) -> None:
        table = self._subscriptions.table()
        while True:
            received = await self._connection.receive()
            if received["type"] == "websocket.disconnect":
                return
            body = (received.get("text") or "").encode() or received.get("bytes") or b""
            async with self._sending:
                answered = await self._answer(body, table)
                if answered:
                    await self._connection.send_text(answered.decode())
            self.idle_since = time.monotonic()

    async def _push(self, watcher: HeadWatcher) -> None:
        async def send(message: bytes) -> None:
            async with self._sending:
                await self._connection.send_text(message.decode())

        await self._subscriptions.push(watcher, send)

    async def _watch(self) -> None:
        """Return when the connection is to be ended."""
        while not self._ended.is_set():
            left = self.idle_since + self._idle_seconds - time.monotonic()
            if left <= 0 and self.is_idle:
                self.end("idle")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), max(left, self._idle_seconds / 10))
