"""Encoding and decoding by a contract's ABI, with `eth_abi` codecs that are prepared once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.encoding import TupleEncoder
from eth_abi.registry import registry

from gridbourse.chain.block import Log
from gridbourse.chain.interface import ZERO_ADDRESS, Chain
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ContractReverted, OrderRefused
from gridbourse.market.types import Reason

_REASON_ERROR = "Refused"
_ASKED_BY_ALL = "Consortium"

_Encoder = Callable[[tuple[object, ...]], bytes]


class _AbiEntry(Protocol):
    def __getitem__(self, key: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call, or a contract creation where `to` is None, ready to be signed."""

    to: Address | None
    data: bytes
    contract: str
    """Name of the contract, whose errors explain a revert."""


@dataclass(frozen=True, slots=True)
class _Function:
    selector: bytes
    encode: _Encoder
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    fields: tuple[str, ...]
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """A log read by its contract's ABI."""

    name: str
    values: dict[str, Any]
    log: Log


class ContractAbi:
    """A contract's functions, events and errors.

    Parameters
    ----------
    name
        Name of one of the committed artifacts, e.g. ``"EnergyMarket"``.
    """

    def __init__(self, name: str) -> None:
        text = resources.files("gridbourse.contracts").joinpath("artifacts", f"{name}.json").read_text("utf-8")
        artifact = json.loads(text)
        self.name = name
        self.bytecode = bytes.fromhex(artifact["bytecode"][2:])
        self._functions: dict[str, _Function] = {}
        self._events: dict[bytes, _Event] = {}
        self._errors: dict[bytes, tuple[str, tuple[str, ...]]] = {}
        self._constructor: tuple[str, ...] = ()
        for entry in artifact["abi"]:
            self._read(entry)

    def encode(self, function: str, *args: object) -> bytes:
        """Encode the call data of `function`."""
        known = self._functions[function]
        return known.selector + known.encode(args)

    def decode(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Decode what `function` returned."""
        return abi_decode(self._functions[function].outputs, data)

    def read_call(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """Read call data: the function's name and its arguments; None if it calls no function of this contract."""
        for name, function in self._functions.items():
            if function.selector == data[:4]:
                return name, abi_decode(function.inputs, data[4:])
        return None

    def creation(self, *args: object) -> Call:
        """Encode the creation of the contract with constructor arguments `args`."""
        return Call(None, self.bytecode + abi_encode(self._constructor, args), self.name)

    def topic(self, event: str) -> bytes:
        """First topic of an event's logs."""
        return next(topic for topic, known in self._events.items() if known.name == event)

    def event(self, log: Log) -> DecodedEvent | None:
        """Decode a log; None if it is no event of this contract."""
        known = self._events.get(log.topics[0]) if log.topics else None
        if known is None:
            return None
        values: dict[str, Any] = {}
        for (name, kind), topic in zip(known.indexed, log.topics[1:], strict=True):
            values[name] = _value(kind, topic)
        kinds = [kind for _, kind in known.plain]
        values.update(zip((name for name, _ in known.plain), _read_fields(kinds, log.data), strict=True))
        return DecodedEvent(known.name, {name: values[name] for name in known.fields}, log)

    def explain(self, reverted: ContractReverted) -> ContractReverted | OrderRefused:
        """Turn raw revert data into the contract's own error; `OrderRefused` for a refused order.

        The market, the anchors and the balancing ask the consortium who calls, and hand on what it says.
        """
        known = self._errors.get(reverted.data[:4])
        if known is None:
            return reverted if self.name == _ASKED_BY_ALL else contract_abi(_ASKED_BY_ALL).explain(reverted)
        name, kinds = known
        args = abi_decode(kinds, reverted.data[4:])
        if name == _REASON_ERROR:
            return OrderRefused(Reason(args[0]))
        return ContractReverted(name, args, reverted.data)

    def _read(self, entry: _AbiEntry) -> None:
        kinds = tuple(_kind(field) for field in entry["inputs"])
        if entry["type"] == "constructor":
            self._constructor = kinds
            return
        digest = keccak256(f"{entry['name']}({','.join(kinds)})".encode())
        if entry["type"] == "function":
            encoder: _Encoder = TupleEncoder(  # type: ignore[no-untyped-call]
                encoders=[registry.get_encoder(kind) for kind in kinds]
            )
            outputs = tuple(_kind(field) for field in entry["outputs"])
            self._functions[entry["name"]] = _Function(digest[:4], encoder, kinds, outputs)
        elif entry["type"] == "event":
            fields = [(field["name"], _kind(field), field["indexed"]) for field in entry["inputs"]]
            self._events[digest] = _Event(
                name=entry["name"],
                fields=tuple(name for name, _, _ in fields),
                indexed=tuple((name, kind) for name, kind, indexed in fields if indexed),
                plain=tuple((name, kind) for name, kind, indexed in fields if not indexed),
            )
        else:
            self._errors[digest[:4]] = (entry["name"], kinds)


def _read_fields(kinds: Sequence[str], data: bytes) -> Sequence[Any]:
    """Read an event's data. Events are read by the hundred thousand, and `eth_abi` takes twenty times as long."""
    if any(kind.startswith("(") for kind in kinds):
        return abi_decode(kinds, data)
    words = (data[start : start + 32] for start in range(0, 32 * len(kinds), 32))
    return [
        _tail(data, word) if kind == "bytes" else _value(kind, word) for kind, word in zip(kinds, words, strict=True)
    ]


def _value(kind: str, word: bytes) -> int | bytes | Address | bool:
    if kind.startswith("uint"):
        return int.from_bytes(word, "big")
    if kind.startswith("int"):
        return int.from_bytes(word, "big", signed=True)
    if kind == "address":
        return Address(word[12:])
    if kind == "bool":
        return word != bytes(32)
    if kind == "bytes20":
        return word[:20]
    assert kind == "bytes32", f"no event of ours has a field of type {kind}"
    return word


def _tail(data: bytes, word: bytes) -> bytes:
    """Read a byte string, whose word says where in `data` its length and content lie."""
    start = int.from_bytes(word, "big") + 32
    return data[start : start + int.from_bytes(data[start - 32 : start], "big")]


def _kind(field: _AbiEntry) -> str:
    kind: str = field["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_kind(part) for part in field['components'])}){kind[len('tuple') :]}"


@cache
def contract_abi(name: str) -> ContractAbi:
    """The ABI of a committed artifact, read once."""
    return ContractAbi(name)


class Contract:
    """A deployed contract: base of the typed faces.

    Parameters
    ----------
    chain
        The chain it lives on.
    address
        Where it lives.
    """

    NAME: str

    def __init__(self, chain: Chain, address: Address) -> None:
        self.chain = chain
        self.address = address
        self.abi = contract_abi(self.NAME)

    @property
    def chain_id(self) -> int:
        """Id of the chain it lives on."""
        return self.chain.chain_id

    def _call(self, function: str, *args: object) -> Call:
        return Call(self.address, self.abi.encode(function, *args), self.NAME)

    def _view(self, function: str, *args: object, sender: Address = ZERO_ADDRESS) -> tuple[Any, ...]:
        try:
            answer = self.chain.call(self.address, self.abi.encode(function, *args), sender=sender)
        except ContractReverted as reverted:
            raise self.abi.explain(reverted) from reverted
        return self.abi.decode(function, answer)
