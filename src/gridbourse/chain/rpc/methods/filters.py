"""Events that match a filter, and filters that remember how far they were polled."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.parameters import EventFilter
from gridbourse.chain.rpc.values import data, read_quantity
from gridbourse.errors import InvalidValue, RpcError


def logs_of(chain: Chain, wanted: EventFilter, limits: Limits) -> list[Log]:
    """All events that a filter asks for.

    Raises
    ------
    InvalidValue, RpcError
        Its blocks do not exist, or are too many, or have too many events.
    """
    first, last = wanted.heights(chain)
    head = chain.head().height
    if last > head:
        raise InvalidValue("toBlock", last, f"blocks up to the newest, {head}: the range extends beyond the head")
    if last - first >= limits.log_blocks:
        raise RpcError(Code.LIMIT_EXCEEDED, f"{last - first + 1} blocks; ask for at most {limits.log_blocks} at once")
    found = list(islice(matching(chain, wanted, first, last), limits.logs + 1))
    if len(found) > limits.logs:
        raise RpcError(Code.LIMIT_EXCEEDED, f"more than {limits.logs} events; ask for fewer blocks")
    return found


def matching(chain: Chain, wanted: EventFilter, first: int, last: int) -> Iterator[Log]:
    """Events in a range of blocks, whatever range the filter has, and however many."""
    single = next(iter(wanted.addresses)) if len(wanted.addresses) == 1 else None
    logs = chain.logs(address=single, topics=wanted.topics, first_block=first, last_block=last)
    return (log for log in logs if not wanted.addresses or log.address in wanted.addresses)


@dataclass(slots=True)
class _Filter:
    events: EventFilter | None
    """Which events; None asks for the hashes of blocks."""
    heights: range
    """What is still to be told of."""
    used_at: float
    lock: Lock = field(default_factory=Lock)


class Filters:
    """The filters of all callers of a server.

    Parameters
    ----------
    chain
        What they look at.
    limits
        How many, and for how long unused.
    clock
        Seconds that only go forward.
    """

    def __init__(self, chain: Chain, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._chain = chain
        self._limits = limits
        self._clock = clock
        self._filters: dict[int, _Filter] = {}
        self._lock = Lock()

    def add(self, events: EventFilter | None) -> str:
        """Start a filter for the blocks from the next one on, as far as they are in its range; returns its id.

        Raises
        ------
        InvalidValue
            Its range runs backwards.
        RpcError
            There are too many filters, or there is no block with the hash that it names.
        """
        heights = (events or EventFilter()).heights_ahead(self._chain)
        with self._lock:
            oldest = self._clock() - self._limits.filter_idle_seconds
            self._filters = {key: entry for key, entry in self._filters.items() if entry.used_at >= oldest}
            if len(self._filters) >= self._limits.filters:
                raise RpcError(Code.LIMIT_EXCEEDED, f"{self._limits.filters} filters exist; uninstall some")
            key = secrets.randbits(127) | 1 << 127  # all ids are of one length
            self._filters[key] = _Filter(events, heights, self._clock())
            return hex(key)

    def remove(self, key: object) -> bool:
        """End a filter; returns whether there was one."""
        wanted = read_quantity(key, "filter")
        with self._lock:
            return self._filters.pop(wanted, None) is not None

    def logs(self, key: object) -> list[Log]:
        """All events that an event filter asks for, also of blocks before it.

        Raises
        ------
        RpcError
            There is no such filter, or it is one for blocks.
        """
        events = self._find(key).events
        if events is None:
            raise RpcError(Code.SERVER_ERROR, "filter not found: a block filter has no events; poll its changes")
        return logs_of(self._chain, events, self._limits)

    def changes(self, key: object) -> list[str] | list[Log]:
        """Hashes of blocks, or events, since the last poll; after a long time, of the next blocks in turn.

        Raises
        ------
        RpcError
            There is no such filter, or a single block has too many events.
        """
        entry = self._find(key)
        with entry.lock:
            head = self._chain.head().height
            heights = range(entry.heights.start, min(head + 1, entry.heights.stop))[: self._limits.log_blocks]
            if not heights:
                return []
            found, following = self._changes(entry.events, heights)
            entry.heights = range(following, entry.heights.stop)
        return found

    def _changes(self, events: EventFilter | None, heights: range) -> tuple[list[str] | list[Log], int]:
        """What blocks mean to a filter, and from where on it has to be told the next time."""
        if events is None:
            return [data(self._chain.header(height).hash) for height in heights], heights.stop
        found = list(islice(matching(self._chain, events, heights[0], heights[-1]), self._limits.logs + 1))
        if len(found) <= self._limits.logs:
            return found, heights.stop
        cut = found[-1].height  # its events may go on
        whole = [log for log in found if log.height < cut]
        if not whole:
            raise RpcError(Code.LIMIT_EXCEEDED, f"block {cut} has more than {self._limits.logs} events; filter them")
        return whole, cut

    def _find(self, key: object) -> _Filter:
        wanted = read_quantity(key, "filter")
        with self._lock:
            entry = self._filters.get(wanted)
            now = self._clock()
            if entry is None or now - entry.used_at > self._limits.filter_idle_seconds:
                raise RpcError(Code.SERVER_ERROR, "filter not found")
            entry.used_at = now
            return entry
