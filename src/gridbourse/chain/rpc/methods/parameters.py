"""What callers pass: blocks, ranges of events, calls, percentiles. Read here and nowhere else.

Everywhere ``null`` is the same as leaving a field out, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gridbourse.chain.interface import ZERO_ADDRESS, Chain
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.values import (
    read_address,
    read_data,
    read_flag,
    read_hash,
    read_list,
    read_number,
    read_object,
    read_quantity,
    shown,
)
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue, RpcError

Tag = Literal["earliest", "finalized", "safe", "latest", "pending"]
BlockNumber = int | Tag
BlockName = BlockNumber | bytes
"""A block's number, tag or hash."""

MAX_TOPICS = 4
MAX_HEIGHT = 2**63
MAX_VALUES = 1_000
MAX_PERCENTILES = 100
_TAGS: Mapping[object, Tag] = {tag: tag for tag in get_args(Tag)}
_HASH_CHARS = 66


def read_block_number(value: object, field: str = "block") -> BlockNumber:
    """Read a block's number or tag.

    Raises
    ------
    InvalidValue
        It is neither.
    """
    if isinstance(value, str) and value in _TAGS:
        return _TAGS[value]
    return read_quantity(value, field, bits=64)


def read_block(value: object, field: str = "block") -> BlockName:
    """Read a block's number, tag or hash, or an object with a number or hash (EIP-1898); null is the newest block.

    Raises
    ------
    InvalidValue
        It is none of these.
    """
    if value is None:
        return "latest"
    if isinstance(value, Mapping):
        return _read_block_object(value, field)
    if isinstance(value, str) and len(value) == _HASH_CHARS:
        return read_hash(value, field)
    return read_block_number(value, field)


def _read_block_object(value: Mapping[str, object], field: str) -> BlockName:
    number, block_hash, canonical = (value.get(name) for name in ("blockNumber", "blockHash", "requireCanonical"))
    unknown = value.keys() - {"blockNumber", "blockHash", "requireCanonical"}
    if unknown or (number is None) == (block_hash is None):
        raise InvalidValue(field, shown(value), "either blockNumber or blockHash (EIP-1898)")
    if canonical is not None:
        read_flag(canonical, "requireCanonical")
    return read_hash(block_hash, "blockHash") if number is None else read_block_number(number, "blockNumber")


def height_of(chain: Chain, block: BlockName) -> int | None:
    """Height of a block; None if there is no such block.

    Every block is final here, so ``finalized``, ``safe``, ``latest`` and ``pending`` all mean the newest one.
    """
    if isinstance(block, bytes):
        return chain.height_of(block)
    if block == "earliest":
        return 0
    head = chain.head().height
    if isinstance(block, str):
        return head
    return block if block <= head else None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are asked for.

    Parameters
    ----------
    addresses
        The emitting contracts; any if there are none.
    topics
        For each position the accepted values, or None for any.
    block_hash
        The only block that counts.
    first, last
        Otherwise, the range of blocks, both included.
    """

    addresses: frozenset[Address] = frozenset()
    topics: tuple[frozenset[bytes] | None, ...] = ()
    block_hash: bytes | None = None
    first: BlockNumber = "latest"
    last: BlockNumber = "latest"

    @classmethod
    def read(cls, value: object) -> EventFilter:
        """Read a filter object.

        Raises
        ------
        InvalidValue
            A field is malformed, or two contradict each other.
        """
        fields = read_object(value, "filter")
        block_hash = fields.get("blockHash")
        first, last = fields.get("fromBlock"), fields.get("toBlock")
        if block_hash is not None and not (first is None and last is None):
            raise InvalidValue("blockHash", "with fromBlock or toBlock", "one or the other")
        topics = fields.get("topics")
        return cls(
            _read_addresses(fields.get("address")),
            () if topics is None else tuple(map(_read_topic, read_list(topics, "topics", MAX_TOPICS))),
            None if block_hash is None else read_hash(block_hash, "blockHash"),
            _read_range_end(first, "fromBlock"),
            _read_range_end(last, "toBlock"),
        )

    def heights(self, chain: Chain) -> tuple[int, int]:
        """First and last height of the range, which may lie ahead of the chain's head.

        Raises
        ------
        InvalidValue, RpcError
            There is no such block, or the range runs backwards.
        """
        if self.block_hash is not None:
            height = chain.height_of(self.block_hash)
            if height is None:
                raise RpcError(Code.SERVER_ERROR, "unknown block")
            return height, height
        first, last = _height(chain, self.first), _height(chain, self.last)
        if first > last:
            raise InvalidValue("fromBlock", first, f"a block not behind toBlock, {last}")
        return first, last

    def heights_ahead(self, chain: Chain) -> range:
        """Heights above the chain's head that belong to the range, without end where it ends with the newest block.

        Raises
        ------
        InvalidValue, RpcError
            As for `heights`.
        """
        next_height = chain.head().height + 1
        if self.block_hash is None and isinstance(self.last, str) and self.last != "earliest":
            return range(max(_height(chain, self.first), next_height), MAX_HEIGHT)
        first, last = self.heights(chain)
        return range(max(first, next_height), last + 1)


def _height(chain: Chain, block: BlockNumber) -> int:
    """Height of a block, or that of a block to come."""
    return block if isinstance(block, int) else (height_of(chain, block) or 0)


def _read_range_end(value: object, field: str) -> BlockNumber:
    if value is None:
        return "latest"
    block = read_block_number(value, field)
    if block == "pending":
        raise InvalidValue(field, block, "a block or another tag: pending logs are not supported")
    return block


def _read_addresses(value: object) -> frozenset[Address]:
    if value is None:
        return frozenset()
    entries = read_list(value, "address", MAX_VALUES) if isinstance(value, list) else [value]
    return frozenset(read_address(entry, "address") for entry in entries)


def _read_topic(value: object) -> frozenset[bytes] | None:
    if value is None:
        return None
    entries = read_list(value, "topics", MAX_VALUES) if isinstance(value, list) else [value]
    if None in entries:  # any of these, or whatever: geth, too, takes it as whatever
        return None
    return frozenset(read_hash(entry, "topic") for entry in entries) or None


@dataclass(frozen=True, slots=True)
class Call:
    """A message to run.

    Parameters
    ----------
    to
        The contract; None creates one from `data`.
    sender, data, value
        Who calls, with what, and how many coins.
    gas
        The gas it may use; None is as much as one may.
    nonce, max_fee_per_gas, max_priority_fee_per_gas
        What a transaction would say; None where the caller does not.
    access_list
        Addresses and slots that are warm from the beginning (EIP-2930).
    """

    to: Address | None = None
    sender: Address = ZERO_ADDRESS
    data: bytes = b""
    value: int = 0
    gas: int | None = None
    nonce: int | None = None
    max_fee_per_gas: int | None = None
    max_priority_fee_per_gas: int | None = None
    access_list: Sequence[tuple[Address, Sequence[bytes]]] = ()

    @classmethod
    def read(cls, value: object, chain_id: int) -> Call:
        """Read a transaction object. Fields that mean nothing here are passed over, as geth does.

        Raises
        ------
        InvalidValue
            A field is malformed, contradicts another, or is of another chain.
        """
        fields = read_object(value, "transaction")
        gas_price = _optional(fields, "gasPrice", 256)
        most, tip = _optional(fields, "maxFeePerGas", 256), _optional(fields, "maxPriorityFeePerGas", 256)
        if gas_price is not None and not (most is None and tip is None):
            raise InvalidValue("gasPrice", "with maxFeePerGas or maxPriorityFeePerGas", "one or the other")
        if (named := _optional(fields, "chainId", 256)) not in {None, chain_id}:
            raise InvalidValue("chainId", named, f"that of this chain, {chain_id}")
        if (given := fields.get("authorizationList")) is not None and read_list(given, "authorizationList", MAX_VALUES):
            raise InvalidValue("authorizationList", shown(given), "none: a call authorizes nobody")
        to, sender = fields.get("to"), fields.get("from")
        return cls(
            to=None if to is None else read_address(to, "to"),
            sender=ZERO_ADDRESS if sender is None else read_address(sender, "from"),
            data=_read_call_data(fields),
            value=_optional(fields, "value", 256) or 0,
            gas=_optional(fields, "gas", 64),
            nonce=_optional(fields, "nonce", 64),
            max_fee_per_gas=most if gas_price is None else gas_price,
            max_priority_fee_per_gas=tip if gas_price is None else gas_price,
            access_list=_read_access_list(fields.get("accessList")),
        )


def _read_access_list(value: object) -> Sequence[tuple[Address, Sequence[bytes]]]:
    if value is None:
        return ()
    entries = [read_object(entry, "accessList") for entry in read_list(value, "accessList", MAX_VALUES)]
    return [
        (
            read_address(entry.get("address"), "address"),
            [read_hash(slot, "storageKeys") for slot in read_list(entry.get("storageKeys"), "storageKeys", MAX_VALUES)],
        )
        for entry in entries
    ]


def _optional(fields: Mapping[str, object], name: str, bits: int) -> int | None:
    value = fields.get(name)
    return None if value is None else read_quantity(value, name, bits=bits)


def _read_call_data(fields: Mapping[str, object]) -> bytes:
    """Read ``input``, which older tools call ``data``."""
    given = [read_data(fields[name], name) for name in ("input", "data") if fields.get(name) is not None]
    if len(given) > 1 and given[0] != given[1]:
        raise InvalidValue("input", "other than data", "one of them, or both alike")
    return given[0] if given else b""


def read_percentiles(value: object) -> Sequence[float]:
    """Read percentiles of what transactions paid; null is the same as none.

    Raises
    ------
    InvalidValue
        They are not rising numbers from 0 to 100.
    """
    if value is None:
        return ()
    entries = read_list(value, "rewardPercentiles", MAX_PERCENTILES)
    percentiles = [read_number(entry, f"rewardPercentiles[{turn}]") for turn, entry in enumerate(entries)]
    for turn, percentile in enumerate(percentiles):
        if not 0 <= percentile <= 100 or (turn and percentile <= percentiles[turn - 1]):
            raise InvalidValue(f"rewardPercentiles[{turn}]", percentile, "rising numbers from 0 to 100")
    return percentiles
