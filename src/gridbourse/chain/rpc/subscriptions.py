"""What a WebSocket connection subscribed to: new heads, events as they happen, and whether the node is behind.

Blocks are final and stay readable, so a connection needs no queue: it remembers the next height, and reads on from the
chain as fast as its peer takes what it is sent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.dispatch import notification
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods import objects
from gridbourse.chain.rpc.methods.filters import matching
from gridbourse.chain.rpc.methods.parameters import EventFilter
from gridbourse.chain.rpc.methods.table import Method, Methods
from gridbourse.chain.rpc.values import shown
from gridbourse.errors import ChainError, InvalidValue, RpcError

POLL_SECONDS = 0.1
SYNCING_POLL_SECONDS = 1.0


class HeadWatcher:
    """Watches for new blocks on behalf of all connections; it looks only while somebody waits."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._height = 0
        self._waiting = 0
        self._changed = asyncio.Condition()

    async def beyond(self, height: int) -> int:
        """Wait until the chain is higher; returns its height."""
        async with self._changed:
            self._waiting += 1
            try:
                await self._changed.wait_for(lambda: self._height > height)
            finally:
                self._waiting -= 1
            return self._height

    async def run(self) -> None:
        """Look on until cancelled, or until the chain is closed."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._waiting:
                continue
            with suppress(ChainError):  # another network may be out of reach for a while
                head = await asyncio.to_thread(self._chain.head)
                async with self._changed:
                    self._height = head.height
                    self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which events, or new heads where that is None, of which blocks."""

    events: EventFilter | None
    heights: range


class Subscriptions:
    """The subscriptions of one connection.

    Parameters
    ----------
    chain, methods, limits
        What the server answers from.
    """

    def __init__(self, chain: Chain, methods: Methods, limits: Limits) -> None:
        self._chain = chain
        self._methods = methods
        self._limits = limits
        self._wanted: dict[str, _Wanted] = {}
        self._told_syncing: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._wanted) + len(self._told_syncing)

    def table(self) -> dict[str, Method]:
        """The methods that only a connection has."""
        return {"eth_subscribe": self.subscribe, "eth_unsubscribe": self.unsubscribe}

    def subscribe(self, kind: object, events: object = None) -> str:
        """Start with the next block, or at once with whether the node is behind; returns the subscription's id."""
        if kind not in ("newHeads", "logs", "syncing"):
            raise InvalidValue("subscription", shown(kind), '"newHeads", "logs" or "syncing"')
        wanted = EventFilter() if events is None else EventFilter.read(events)
        heights = wanted.heights_ahead(self._chain)
        if len(self) >= self._limits.subscriptions:
            text = f"{self._limits.subscriptions} subscriptions on this connection; end some"
            raise RpcError(Code.LIMIT_EXCEEDED, text)
        key = hex(secrets.randbits(127) | 1 << 127)
        if kind == "syncing":
            self._told_syncing[key] = None
        else:
            self._wanted[key] = _Wanted(wanted if kind == "logs" else None, heights)
        return key

    def unsubscribe(self, key: object) -> bool:
        """End a subscription; returns whether there was one."""
        known = isinstance(key, str) and (key in self._wanted or key in self._told_syncing)
        self._wanted.pop(str(key), None)
        self._told_syncing.pop(str(key), None)
        return known

    async def push(self, watcher: HeadWatcher, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Tell the peer of everything it subscribed to, until cancelled."""
        parts = [asyncio.create_task(part) for part in (self._push_blocks(watcher, send), self._push_syncing(send))]
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()

    async def _push_syncing(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            if self._told_syncing:
                state = await asyncio.to_thread(self._methods.syncing)
                for key in [key for key, told in self._told_syncing.items() if told != state]:
                    self._told_syncing[key] = state
                    await send(notification(key, state))
            await asyncio.sleep(SYNCING_POLL_SECONDS)

    async def _push_blocks(self, watcher: HeadWatcher, send: Callable[[bytes], Awaitable[None]]) -> None:
        async for height in self._heights(watcher):
            if self._wanted:
                for message in await asyncio.to_thread(self._messages, height):
                    await send(message)

    async def _heights(self, watcher: HeadWatcher) -> AsyncIterator[int]:
        height = (await asyncio.to_thread(self._chain.head)).height
        while True:
            head = await watcher.beyond(height)
            while height < head:
                height += 1
                yield height

    def _messages(self, height: int) -> list[bytes]:
        """What a block means to each subscription that is older than it."""
        messages = []
        for key, wanted in list(self._wanted.items()):
            if height in wanted.heights:
                messages += [notification(key, result) for result in self._results(wanted.events, height)]
        return messages

    def _results(self, events: EventFilter | None, height: int) -> list[Any]:
        if events is None:
            bloom = self._methods.places.at(height).bloom
            return [objects.header_object(self._chain.header(height), bloom)]
        return self._methods.log_objects(list(matching(self._chain, events, height, height)))
