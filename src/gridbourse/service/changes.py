"""What happens in the exchange, as server-sent events.

Changes are gathered and told a few times a second, so that many who watch cost little. A message's id is the number of
the newest change that it tells of, as the index counts them; whoever comes back with the last id it saw, to this web
server or another, is told what changed since, or, where that is too long ago, to load anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gridbourse.errors import GridbourseError
from gridbourse.index.blocks import Head
from gridbourse.index.chains import AnchorEntry
from gridbourse.index.naming import side_name, type_name
from gridbourse.index.queries.reader import Change, IndexReader
from gridbourse.market.types import EnergyType, Side
from gridbourse.service.rights import NOBODY, Kind, Principal

logger = logging.getLogger(__name__)

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
    last
        Number of the newest change in it.
    change
        All that changed; None if that is too much, or not remembered: whoever watches loads anew.
    """

    last: int
    change: Change | None
    book: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    anchors: list[dict[str, Any]] = field(default_factory=list)
    own: dict[tuple[str, str, int], list[bytes]] | None = None
    """Messages by node, master and period, once somebody has asked for them."""
    encoded: dict[Filter, bytes] = field(default_factory=dict)


class Feed:
    """Gathers changes and tells them to everybody who watches.

    Parameters
    ----------
    index
        The index, which remembers what changed.
    interval_seconds
        How long changes are gathered.
    """

    def __init__(self, index: IndexReader, interval_seconds: float = 0.5) -> None:
        self._index = index
        self._interval_seconds = interval_seconds
        self._told = 0
        self._batches: dict[int, Batch] = {}
        """What is told up to `_told`, by the number of the change behind which it begins."""
        self._flush: asyncio.TimerHandle | None = None
        self._heart: asyncio.TimerHandle | None = None
        self._beats = 0
        self._news = asyncio.Event()
        self._is_closed = False
        self.watchers = 0

    # What happened

    def start(self) -> None:
        """Tell from now on."""
        self._told = self._index.sequence()

    def notify(self) -> None:
        """Take note that the index has something new, to tell it soon."""
        if self._flush is None and not self._is_closed:
            self._flush = asyncio.get_running_loop().call_later(self._interval_seconds, self._tell)

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        for timer in (self._flush, self._heart):
            if timer:
                timer.cancel()
        self._news.set()

    def _tell(self) -> None:
        self._flush = None
        try:
            last = self._index.sequence()
        except GridbourseError:
            logger.exception("what is new was not read from the index, and is told later")
            self.notify()
            return
        if last != self._told:
            self._told = last
            self._batches.clear()
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

    def _since(self, seen: int) -> Batch:
        """What changed behind a number; for nearly all who watch it is the same, and read once."""
        batch = self._batches.get(seen)
        if batch is None:
            batch = self._batches[seen] = self._read(seen)
        return batch

    def _read(self, seen: int) -> Batch:
        changes = self._index.changes(seen, self._told)
        if changes is None or any(change.is_too_much for change in changes):
            return Batch(self._told, None)
        change = _together(changes)
        chains = self._index.chains
        return Batch(
            self._told,
            change,
            book=[_level(*level, waiting) for level, waiting in self._index.orders.at_levels(change.levels).items()],
            trades=[_document(trade) for trade in self._index.trades.with_numbers(change.trades)],
            blocks=[_block(name, head) for name, head in chains.blocks_at(change.blocks)],
            anchors=[_anchor(entry) for entry in chains.anchors_at(change.anchors)],
        )

    def _own(self, batch: Batch) -> dict[tuple[str, str, int], list[bytes]]:
        """Messages about orders and deals, by node, master and period; made when somebody first watches them."""
        if batch.own is None:
            assert batch.change is not None, "there is something to tell"
            own: dict[tuple[str, str, int], list[bytes]] = {}
            for master, deal in self._index.trades.deals_with_numbers(batch.change.deals):
                place = deal.node_id, master, deal.period
                own.setdefault(place, []).append(_message("deal", _document(deal), batch.last))
            for entry in self._index.orders.with_numbers(batch.change.orders):
                if entry.order and entry.order_id:
                    place = entry.order.node_id, entry.chain, entry.order.period
                    own.setdefault(place, []).append(_message("order", _document(entry.order), batch.last))
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
        seen = self._seen(last_event_id)
        self.watchers += 1
        self._begin_beating()
        beats = self._beats
        try:
            yield b"retry: 2000\n\n"
            if seen is None:
                seen = self._told
                yield self._reset(seen)
            while not self._is_closed:
                news = self._news
                if seen < self._told:
                    chunk, seen = self._chunk(seen, wanted, principal), self._told
                    if chunk:
                        yield chunk
                if beats != self._beats:
                    beats = self._beats
                    yield b": still here\n\n"
                if news is self._news:
                    await news.wait()
        finally:
            self.watchers -= 1

    def _seen(self, last_event_id: str | None) -> int | None:
        """The change up to which somebody was told; None if that is not known, or of another index."""
        if last_event_id is None or not last_event_id.isascii() or not last_event_id.isdigit():
            return None
        seen = int(last_event_id)
        # Another web server may have told more than this one yet.
        return seen if seen <= self._told or seen <= self._index.sequence() else None

    def _reset(self, sequence: int) -> bytes:
        return _message("reset", {"height": self._index.chains.height()}, sequence)

    def _chunk(self, seen: int, wanted: Filter, principal: Principal) -> bytes:
        try:
            batch = self._since(seen)
            return self._reset(batch.last) if batch.change is None else self._encode(batch, wanted, principal)
        except GridbourseError:
            logger.exception("changes were not read from the index; who watches is to load anew")
            return _message("reset", {"height": 0}, self._told)

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


def _together(changes: Sequence[Change]) -> Change:
    """All that some changes changed: what several of them changed, once."""
    return Change(
        levels=sorted({level for change in changes for level in change.levels}),
        orders=sorted({number for change in changes for number in change.orders}),
        deals=sorted({deal_id for change in changes for deal_id in change.deals}),
        trades=sorted({deal_id for change in changes for deal_id in change.trades}),
        blocks=[block for change in changes for block in change.blocks],
        anchors=[anchor for change in changes for anchor in change.anchors],
    )


def _level(period: int, side: int, price_ticks: int, waiting: Sequence[tuple[int, int]]) -> dict[str, Any]:
    by_type = {
        name: energy_wh
        for bit, name in _TYPES
        if (energy_wh := sum([open_wh for types, open_wh in waiting if types & bit]))
    }
    return {
        "period": period,
        "side": side_name(Side(side)),
        "price_ticks": price_ticks,
        "energy_wh": sum([open_wh for _, open_wh in waiting]),
        "order_count": len(waiting),
        "energy_wh_by_type": by_type,
    }


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
                yield _message(topic, fitting, batch.last)


def _document(view: Any) -> dict[str, Any]:
    """Fields of a flat value: `asdict` would copy each of them."""
    return {name: getattr(view, name) for name in view.__slots__}


def _message(event: str, content: object, sequence: int) -> bytes:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\nid: {sequence}\ndata: {data}\n\n".encode()


def _block(chain: str, head: Head) -> dict[str, Any]:
    return {
        "chain": chain,
        "height": head.height,
        "timestamp": head.timestamp,
        "hash": f"0x{head.hash.hex()}",
        "parent_hash": f"0x{head.parent_hash.hex()}",
        "transaction_count": head.transaction_count,
    }


def _anchor(entry: AnchorEntry) -> dict[str, Any]:
    anchor = entry.anchor
    return {
        "master": entry.chain,
        "first_block": anchor.first_block,
        "last_block": anchor.last_block,
        "leaf_count": anchor.leaf_count,
        "root": f"0x{anchor.root.hex()}",
        "height": entry.height,
    }
