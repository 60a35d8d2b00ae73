"""What happens in the exchange, as server-sent events.

Changes are gathered and told a few times a second, so that many who watch cost little. A message's id is the height of
the main chain up to which it tells; whoever comes back with the last id it saw is told what changed since, or, where
that is too long ago, to load anew.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.index.news import Head, MainBlock, SlaveBlock
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import EnergyType, Side
from gridbourse.service.market_state import Changes, MarketState
from gridbourse.service.rights import NOBODY, Kind, Principal
from gridbourse.service.views import deal_view, order_view, side_name, trade_view, type_name

KEPT_BATCHES = 120
HEARTBEAT_SECONDS = 15.0
_TYPES = tuple((int(one), type_name(one)) for one in EnergyType)


class Topic(StrEnum):
    """What one may watch."""

    BOOK = "book"
    TRADES = "trades"
    DEALS = "deals"
    BLOCKS = "blocks"
    ANCHORS = "anchors"


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants to be told.

    Parameters
    ----------
    topics
        Which topics.
    period
        Only what is about this delivery period; None for all. Blocks and anchors are about none and always told.
    """

    topics: frozenset[Topic]
    period: int | None = None


@dataclass(slots=True)
class Batch:
    """What is told together.

    Parameters
    ----------
    first_height, height
        Main-chain blocks that it tells about.
    """

    first_height: int
    height: int
    book: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    anchors: list[dict[str, Any]] = field(default_factory=list)
    own: dict[tuple[str, str, int], list[bytes]] | None = None
    """Messages by node, master and period, once somebody has asked for them."""
    changes: Changes = field(default_factory=Changes)
    encoded: dict[Filter, bytes] = field(default_factory=dict)


class Feed:
    """Gathers changes and tells them to everybody who watches.

    Parameters
    ----------
    state, directory
        The market and who is who.
    master_names
        Masters' names by number.
    interval_seconds
        How long changes are gathered.
    """

    def __init__(
        self,
        state: MarketState,
        directory: ParticipantRegistry,
        master_names: Mapping[int, str],
        interval_seconds: float = 0.5,
    ) -> None:
        self._state = state
        self._directory = directory
        self._master_names = master_names
        self._interval_seconds = interval_seconds
        self._batches: deque[Batch] = deque(maxlen=KEPT_BATCHES)
        self._told = 0
        self._changes = Changes()
        self._blocks: list[dict[str, Any]] = []
        self._anchors: list[dict[str, Any]] = []
        self._first_height = 1
        self._flush: asyncio.TimerHandle | None = None
        self._heart: asyncio.TimerHandle | None = None
        self._beats = 0
        self._news = asyncio.Event()
        self._is_closed = False
        self.watchers = 0

    # What happened

    def note_main_block(self, block: MainBlock, changes: Changes) -> None:
        """Take in a block of the main chain and what it changed."""
        self._changes.levels |= changes.levels
        self._changes.deals.update(changes.deals)
        self._changes.orders.update(changes.orders)
        self._changes.trades += changes.trades
        self._blocks.append(_block("main", block.head))
        for master_id, anchor in block.anchors:
            self._anchors.append(_anchor(self._master_names[master_id], anchor, block.head.height))
        self._schedule()

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in a block of a slave chain."""
        self._blocks.append(_block(block.master, block.head))
        self._schedule()

    def forget(self) -> None:
        """Tell nobody what was gathered: it is what the chains held before the service began."""
        self._changes, self._blocks, self._anchors = Changes(), [], []
        self._first_height = self._state.height + 1
        if self._flush:
            self._flush.cancel()
            self._flush = None

    def latest_height(self) -> int:
        """Main-chain block up to which everybody has been told."""
        return self._first_height - 1

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        for timer in (self._flush, self._heart):
            if timer:
                timer.cancel()
        self._news.set()

    def _schedule(self) -> None:
        if self._flush is None and not self._is_closed:
            self._flush = asyncio.get_running_loop().call_later(self._interval_seconds, self._tell)

    def _tell(self) -> None:
        self._flush = None
        changes, self._changes = self._changes, Changes()
        batch = Batch(self._first_height, self._state.height, changes=changes)
        batch.book = [self._level(*level) for level in sorted(changes.levels)]
        batch.trades = [_document(trade_view(self._state.deals[deal_id])) for deal_id in changes.trades]
        batch.blocks, self._blocks = self._blocks, []
        batch.anchors, self._anchors = self._anchors, []
        self._first_height = self._state.height + 1
        self._batches.append(batch)
        self._told += 1
        self._wake()

    def _begin_beating(self) -> None:
        """Let everybody who watches hear something now and then: what is silent for long is cut off on the way."""
        if self._heart is None and not self._is_closed:
            self._heart = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        self._heart = None
        self._beats += 1
        self._wake()
        if self.watchers:
            self._begin_beating()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _level(self, period: int, side: Side, price_ticks: int) -> dict[str, Any]:
        orders = self._state.level(period, side, price_ticks)
        waiting = [(int(order.energy_types), order.open_wh) for order in orders]
        by_type = {
            name: energy_wh
            for bit, name in _TYPES
            if (energy_wh := sum([open_wh for types, open_wh in waiting if types & bit]))
        }
        return {
            "period": period,
            "side": side_name(side),
            "price_ticks": price_ticks,
            "energy_wh": sum([open_wh for _, open_wh in waiting]),
            "order_count": len(orders),
            "energy_wh_by_type": by_type,
        }

    def _own(self, batch: Batch) -> dict[tuple[str, str, int], list[bytes]]:
        """Messages about orders and deals, by node, master and period; made when somebody first watches them."""
        if batch.own is None:
            own: dict[tuple[str, str, int], list[bytes]] = {}
            for deal_id in batch.changes.deals:
                deal = self._state.deals[deal_id]
                for side in Side:
                    if owner := self._directory.owners.get(deal.trader(side)):
                        view = deal_view(self._state, owner.node_id, deal_id, side)
                        place = owner.node_id, owner.master, view.period
                        own.setdefault(place, []).append(_message("deal", _document(view), batch.height))
            for order_id in batch.changes.orders:
                order = self._state.orders.with_id(order_id)
                placed = order.placed if order and order.details else None
                if order and placed and (owner := self._directory.owners.get(placed.trader)):
                    view_of_order = order_view(order)
                    place = owner.node_id, owner.master, view_of_order.period
                    own.setdefault(place, []).append(_message("order", _document(view_of_order), batch.height))
            batch.own = own
        return batch.own

    # Who watches

    async def follow(
        self, wanted: Filter, principal: Principal = NOBODY, last_event_id: str | None = None
    ) -> AsyncIterator[bytes]:
        """Tell what happens, as an event stream, until the service stops.

        Parameters
        ----------
        wanted
            What to tell.
        principal
            Who watches: its own orders and deals are told to nobody else.
        last_event_id
            Where it stopped watching before.
        """
        turn, missed = self._told, self._missed(last_event_id)
        self.watchers += 1
        self._begin_beating()
        beats = self._beats
        try:
            yield b"retry: 2000\n\n"
            if missed is None:
                yield _message("reset", {"height": self._state.height}, self._state.height)
            else:
                for batch in missed:
                    yield self._encode(batch, wanted, principal)
            while not self._is_closed:
                news = self._news
                while turn < self._told:
                    turn = max(turn, self._told - len(self._batches))
                    batch = self._batches[turn - self._told]
                    turn += 1
                    if chunk := self._encode(batch, wanted, principal):
                        yield chunk
                if beats != self._beats:
                    beats = self._beats
                    yield b": still here\n\n"
                await news.wait()
        finally:
            self.watchers -= 1

    def _missed(self, last_event_id: str | None) -> list[Batch] | None:
        """What was told after an id; None if it is not known any more, or there is no id."""
        if last_event_id is None or not last_event_id.isascii() or not last_event_id.isdigit():
            return None
        seen = int(last_event_id)
        if self.latest_height() <= seen <= self._state.height:
            return []  # what came after is still being gathered
        missed = [batch for batch in self._batches if batch.height > seen]
        return missed if missed and missed[0].first_height <= seen + 1 else None

    def _encode(self, batch: Batch, wanted: Filter, principal: Principal) -> bytes:
        chunk = batch.encoded.get(wanted)
        if chunk is None:
            chunk = batch.encoded[wanted] = b"".join(_messages(batch, wanted))
        if Topic.DEALS in wanted.topics and principal.kind is not Kind.NOBODY:
            chunk += b"".join(
                message
                for (node_id, master, period), messages in self._own(batch).items()
                if principal.reaches(node_id, master) and wanted.period in {None, period}
                for message in messages
            )
        return chunk


def _messages(batch: Batch, wanted: Filter) -> Iterator[bytes]:
    told: tuple[tuple[Topic, Iterable[dict[str, Any]]], ...] = (
        (Topic.BOOK, batch.book),
        (Topic.TRADES, batch.trades),
        (Topic.BLOCKS, batch.blocks),
        (Topic.ANCHORS, batch.anchors),
    )
    for topic, entries in told:
        if topic in wanted.topics:
            fitting = [
                entry
                for entry in entries
                if wanted.period is None or entry.get("period", wanted.period) == wanted.period
            ]
            if fitting:
                yield _message(topic, fitting, batch.height)


def _document(view: Any) -> dict[str, Any]:
    """Fields of a flat value: `asdict` would copy each of them."""
    return {name: getattr(view, name) for name in view.__slots__}


def _message(event: str, content: object, height: int) -> bytes:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\nid: {height}\ndata: {data}\n\n".encode()


def _block(chain: str, head: Head) -> dict[str, Any]:
    return {
        "chain": chain,
        "height": head.height,
        "timestamp": head.timestamp,
        "hash": f"0x{head.hash.hex()}",
        "parent_hash": f"0x{head.parent_hash.hex()}",
        "transaction_count": head.transaction_count,
    }


def _anchor(master: str, anchor: Anchor, height: int) -> dict[str, Any]:
    return {
        "master": master,
        "first_block": anchor.first_block,
        "last_block": anchor.last_block,
        "leaf_count": anchor.leaf_count,
        "root": f"0x{anchor.root.hex()}",
        "height": height,
    }
