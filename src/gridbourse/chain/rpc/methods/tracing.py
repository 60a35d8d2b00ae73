"""What a transaction did, or a call would do: geth's ``debug_trace…`` with its tracers for calls, state and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridbourse.chain.interface import Chain
from gridbourse.chain.revert import contract_error
from gridbourse.chain.rpc.errors import Code, halt_words
from gridbourse.chain.rpc.methods.overrides import BlockOverride, read_state_overrides
from gridbourse.chain.rpc.methods.parameters import height_of, read_block, read_block_number
from gridbourse.chain.rpc.methods.state import StateMethods
from gridbourse.chain.rpc.values import data, read_flag, read_hash, read_object, read_whole, shown
from gridbourse.chain.simulation import Simulation
from gridbourse.errors import InvalidValue, RpcError

_FLAGS: Mapping[str, tuple[str, ...]] = {
    "callTracer": ("onlyTopCall", "withLog"),
    "prestateTracer": ("diffMode", "disableCode", "disableStorage", "includeEmpty"),
    "": ("enableMemory", "enableReturnData", "disableStack", "disableStorage"),
}
_MAX_STEPS = 2**31


class TracingMethods:
    """The methods that trace.

    Parameters
    ----------
    chain
        The chain.
    state
        How calls are read.
    """

    def __init__(self, chain: Chain, state: StateMethods) -> None:
        self._chain = chain
        self._state = state

    def transaction(self, tx_hash: object, config: object = None) -> Any:
        """Run a transaction of a block again, behind those before it."""
        wanted = read_hash(tx_hash, "transactionHash")
        tracer, options = _read_config(config)
        receipt = self._chain.receipt(wanted)
        if receipt is None:
            raise RpcError(Code.SERVER_ERROR, "transaction not found")
        simulation, raws = self._begun(receipt.height)
        for raw in raws[: receipt.position]:
            simulation.apply(raw)
        return _worded(simulation.trace(raws[receipt.position], tracer, options))

    def block_by_number(self, block: object, config: object = None) -> Any:
        """Run all transactions of a block again."""
        return self._block(height_of(self._chain, read_block_number(block)), config)

    def block_by_hash(self, block_hash: object, config: object = None) -> Any:
        """Run all transactions of a block again."""
        return self._block(self._chain.height_of(read_hash(block_hash, "blockHash")), config)

    def call(self, message: object, block: object, config: object = None) -> Any:
        """Run a call on the state behind a block, and forget it."""
        call, named = self._state.read_call(message), read_block(block)
        tracer, options = _read_config(config)
        fields = {} if config is None else read_object(config, "config")
        accounts = read_state_overrides(fields.get("stateOverrides"))
        other = BlockOverride.read(fields.get("blockOverrides"))
        simulation = self._state.simulation(named, accounts, other)
        return _worded(simulation.trace(self._state.message(simulation, call), tracer, options))

    def _block(self, height: int | None, config: object) -> list[Any]:
        tracer, options = _read_config(config)
        if height is None:
            raise RpcError(Code.SERVER_ERROR, "block not found")
        if height == 0:
            raise RpcError(Code.SERVER_ERROR, "genesis is not traceable")
        simulation, raws = self._begun(height)
        hashes = [receipt.transaction_hash for receipt in self._chain.block(height).receipts]
        return [
            {"txHash": data(tx_hash), "result": _worded(simulation.trace(raw, tracer, options))}
            for tx_hash, raw in zip(hashes, raws, strict=True)
        ]

    def _begun(self, height: int) -> tuple[Simulation, tuple[bytes, ...]]:
        """A block of the chain before its first transaction, and its transactions."""
        block = self._chain.block(height)
        simulation = self._chain.simulate(height - 1)
        simulation.begin()
        return simulation, block.transactions


def _read_config(value: object) -> tuple[str, dict[str, int]]:
    """Read a tracer's name, empty for steps, and its options.

    Raises
    ------
    InvalidValue
        There is no such tracer, or an option is malformed.
    """
    fields = {} if value is None else read_object(value, "config")
    named = fields.get("tracer")
    tracer = "" if named is None else named
    if not isinstance(tracer, str) or tracer not in _FLAGS:
        raise InvalidValue("tracer", shown(named), "callTracer, prestateTracer, or none for every step")
    given = fields.get("tracerConfig") if tracer else fields
    settings = {} if given is None else read_object(given, "tracerConfig")
    present = {name: settings[name] for name in _FLAGS[tracer] if settings.get(name) is not None}
    options = {name: int(read_flag(flag, name)) for name, flag in present.items()}
    if not tracer and settings.get("limit") is not None:
        options["limit"] = read_whole(settings["limit"], "limit", _MAX_STEPS)
    return tracer, options


def _worded(trace: Any) -> Any:
    """A trace whose errors are in geth's words, and in those of the contract where it said some."""
    if isinstance(trace, dict) and "structLogs" in trace:
        for step in trace["structLogs"]:
            if "error" in step:
                step["error"] = halt_words(step["error"])
    elif isinstance(trace, dict) and "type" in trace:
        _word_frame(trace)
    return trace


def _word_frame(frame: dict[str, Any]) -> None:
    if "error" in frame:
        frame["error"] = halt_words(frame["error"])
        said = contract_error(bytes.fromhex(frame.get("output", "0x")[2:]))
        if said.error == "Error":
            frame["revertReason"] = said.arguments[0]
    for inner in frame.get("calls", ()):
        _word_frame(inner)
