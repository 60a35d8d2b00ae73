"""Which events and blocks somebody asks for, and filters that remember how far they were polled."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.values import data, read_address, read_hash, read_quantity
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue, RpcError

_NEWEST = frozenset({"latest", "pending", "safe", "finalized"})
_MAX_TOPICS = 4
_MAX_VALUES = 1_000


def read_block(chain: Chain, value: object, name: str = "block") -> int | None:
    """Height of the block that a parameter names (EIP-1898); None if there is no such block.

    Every block is final here, so ``finalized``, ``safe``, ``latest`` and ``pending`` all mean the newest one.

    Raises
    ------
    InvalidValue
        It names no block at all.
    """
    if isinstance(value, Mapping):
        return _read_block_object(chain, value, name)
    head = chain.head().height
    if isinstance(value, str) and value in _NEWEST:
        return head
    if value == "earliest":
        return 0
    height = read_quantity(value, name)
    return height if height <= head else None


def _read_block_object(chain: Chain, value: Mapping[str, object], name: str) -> int | None:
    unknown = value.keys() - {"blockNumber", "blockHash", "requireCanonical"}
    if unknown or ("blockNumber" in value) == ("blockHash" in value):
        raise InvalidValue(name, sorted(value), "either blockNumber or blockHash (EIP-1898)")
    if "blockHash" in value:
        return chain.height_of(read_hash(value["blockHash"], "blockHash"))
    return read_block(chain, value["blockNumber"], "blockNumber")


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which events: emitted by any of the addresses, or by anybody if there are none, with these topics."""

    addresses: frozenset[Address] = frozenset()
    topics: tuple[frozenset[bytes] | None, ...] = ()

    @classmethod
    def read(cls, value: object) -> Criteria:
        """Read `address` and `topics` of a filter object.

        Raises
        ------
        InvalidValue
            One of them is malformed.
        """
        if not isinstance(value, Mapping):
            raise InvalidValue("filter", value, "an object")
        wanted = value.get("address")
        addresses = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
        topics = value.get("topics") or []
        if not isinstance(topics, list) or len(topics) > _MAX_TOPICS:
            raise InvalidValue("topics", topics, f"a list of at most {_MAX_TOPICS} positions")
        if len(addresses) > _MAX_VALUES:
            raise InvalidValue("address", f"{len(addresses)} addresses", f"at most {_MAX_VALUES}")
        return cls(
            frozenset(read_address(address, "address") for address in addresses),
            tuple(_read_topic(topic) for topic in topics),
        )

    def logs(self, chain: Chain, first_block: int, last_block: int, most: int) -> list[Log]:
        """Events of a range of blocks.

        Raises
        ------
        RpcError
            There are more than `most`.
        """
        found = list(islice(self.matching(chain, first_block, last_block), most + 1))
        if len(found) > most:
            raise RpcError(Code.LIMIT_EXCEEDED, f"more than {most} events; ask for fewer blocks")
        return found

    def matching(self, chain: Chain, first_block: int, last_block: int) -> Iterator[Log]:
        """Events of a range of blocks, however many."""
        single = next(iter(self.addresses)) if len(self.addresses) == 1 else None
        logs = chain.logs(address=single, topics=self.topics, first_block=first_block, last_block=last_block)
        return (log for log in logs if not self.addresses or log.address in self.addresses)


def _read_topic(value: object) -> frozenset[bytes] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    if len(values) > _MAX_VALUES:
        raise InvalidValue("topics", f"{len(values)} values", f"at most {_MAX_VALUES} in one position")
    return frozenset(read_hash(topic, "topic") for topic in values) or None


def read_range(chain: Chain, value: Mapping[str, object], limits: Limits) -> tuple[int, int]:
    """Read the blocks that a filter object asks for: `blockHash`, or `fromBlock` and `toBlock`, both included.

    Raises
    ------
    InvalidValue, RpcError
        There are no such blocks, or too many.
    """
    if "blockHash" in value:
        if "fromBlock" in value or "toBlock" in value:
            raise InvalidValue("blockHash", "with fromBlock or toBlock", "one or the other")
        height = chain.height_of(read_hash(value["blockHash"], "blockHash"))
        if height is None:
            raise RpcError(Code.RESOURCE_NOT_FOUND, "unknown block")
        return height, height
    first = read_block(chain, value.get("fromBlock") or "latest", "fromBlock")
    last = read_block(chain, value.get("toBlock") or "latest", "toBlock")
    if first is None or last is None:
        remedy = f"blocks up to the newest, {chain.head().height}"
        raise InvalidValue("fromBlock and toBlock", "beyond the chain's head", remedy)
    if first > last:
        raise InvalidValue("fromBlock", first, f"a block not behind toBlock {last}")
    if last - first >= limits.log_blocks:
        raise RpcError(Code.LIMIT_EXCEEDED, f"{last - first + 1} blocks; ask for at most {limits.log_blocks} at once")
    return first, last


@dataclass(slots=True)
class _Filter:
    criteria: Criteria | None
    """Which events; None asks for the hashes of blocks."""
    asked: Mapping[str, object]
    next_height: int
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
        self._filters: dict[str, _Filter] = {}
        self._lock = Lock()

    def add(self, criteria: Criteria | None, asked: Mapping[str, object]) -> str:
        """Start a filter from the next block on; returns its id.

        Raises
        ------
        RpcError
            There are too many.
        """
        next_height = self._chain.head().height + 1
        with self._lock:
            oldest = self._clock() - self._limits.filter_idle_seconds
            self._filters = {key: entry for key, entry in self._filters.items() if entry.used_at >= oldest}
            if len(self._filters) >= self._limits.filters:
                raise RpcError(Code.LIMIT_EXCEEDED, f"{self._limits.filters} filters exist; uninstall some")
            key = "0x1" + secrets.token_hex(8)[1:]
            self._filters[key] = _Filter(criteria, asked, next_height, self._clock())
            return key

    def remove(self, key: object) -> bool:
        """End a filter; returns whether there was one."""
        with self._lock:
            return self._filters.pop(_read_key(key), None) is not None

    def asked(self, key: object) -> Mapping[str, object]:
        """What an event filter was made from.

        Raises
        ------
        RpcError
            There is no such filter, or it is one for blocks.
        """
        entry = self._find(key)
        if entry.criteria is None:
            raise RpcError(Code.INVALID_INPUT, "a block filter has no events; poll its changes")
        return entry.asked

    def changes(self, key: object) -> list[str] | list[Log]:
        """Hashes of blocks, or events, since the last poll; after a long time, of the next blocks in turn.

        Raises
        ------
        RpcError
            There is no such filter.
        """
        entry = self._find(key)
        with entry.lock:
            last = min(self._chain.head().height, entry.next_height + self._limits.log_blocks - 1)
            heights = range(entry.next_height, last + 1)
            if entry.criteria is None:
                found: list[str] | list[Log] = [data(self._chain.header(height).hash) for height in heights]
            elif heights:
                found = entry.criteria.logs(self._chain, heights[0], last, self._limits.logs)
            else:
                found = []
            entry.next_height = last + 1
        return found

    def _find(self, key: object) -> _Filter:
        with self._lock:
            entry = self._filters.get(_read_key(key))
            now = self._clock()
            if entry is None or now - entry.used_at > self._limits.filter_idle_seconds:
                raise RpcError(Code.RESOURCE_NOT_FOUND, "filter not found")
            entry.used_at = now
            return entry


def _read_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidValue("filter", key, "the id that the filter was given")
    return key
