"""``eth_simulateV1``: blocks that are supposed one behind the other, and calls in them that build on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridbourse.chain import rlp
from gridbourse.chain.interface import Chain
from gridbourse.chain.revert import contract_error
from gridbourse.chain.rpc.errors import Code, halt_words, rpc_error
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.objects import EMPTY_UNCLES_HASH, access_list_object, bloom_of
from gridbourse.chain.rpc.methods.overrides import BlockOverride, read_state_overrides
from gridbourse.chain.rpc.methods.parameters import Call, read_block
from gridbourse.chain.rpc.methods.state import StateMethods
from gridbourse.chain.rpc.values import data, quantity, read_flag, read_list, read_object
from gridbourse.chain.simulation import AccountOverride, Message, Outcome, Placed, Simulation
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import Rejection, RpcError, TransactionRejected

MAX_BLOCKS = 256
MAX_CALLS = 1_000
_TYPE = b"\x02"
_CODES = {
    Rejection.NONCE_TOO_LOW: Code.NONCE_TOO_LOW,
    Rejection.NONCE_TOO_HIGH: Code.NONCE_TOO_HIGH,
    Rejection.INTRINSIC_GAS: Code.INTRINSIC_GAS,
    Rejection.INIT_CODE: Code.INIT_CODE,
    Rejection.FUNDS: Code.INSUFFICIENT_FUNDS,
    Rejection.SENDER_IS_CONTRACT: Code.SENDER_IS_CONTRACT,
}


@dataclass(frozen=True, slots=True)
class _Wish:
    """A block as the caller wants it."""

    other: BlockOverride
    accounts: Mapping[Address, AccountOverride]
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class _Options:
    traces_transfers: bool
    validates: bool
    shows_transactions: bool


@dataclass(slots=True)
class _Block:
    """A block while its calls are run."""

    placed: Placed
    gas_used: int = 0
    raws: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def hash(self) -> bytes:
        """Hash of what the block is; no block of the chain will ever have it."""
        placed = self.placed
        numbers = [placed.number, placed.timestamp, placed.gas_limit, self.gas_used, placed.base_fee]
        hashes: list[rlp.Item] = [keccak256(raw) for raw in self.raws]
        return keccak256(rlp.encode([placed.parent_hash, *numbers, placed.fee_recipient, placed.prev_randao, hashes]))


class SimulationMethods:
    """The method that simulates.

    Parameters
    ----------
    chain
        The chain.
    limits
        How much one caller may ask for.
    state
        How calls are read and run.
    """

    def __init__(self, chain: Chain, limits: Limits, state: StateMethods) -> None:
        self._chain = chain
        self._limits = limits
        self._state = state

    def simulate(self, payload: object, block: object = None) -> list[Any]:
        """Run blocks of calls on the state behind a block, and forget them."""
        fields = read_object(payload, "payload")
        flags = ("traceTransfers", "validation", "returnFullTransactions")
        options = _Options(*(fields.get(name) is not None and read_flag(fields[name], name) for name in flags))
        entries = read_list(fields.get("blockStateCalls"), "blockStateCalls", MAX_BLOCKS)
        wishes = [self._read_wish(entry) for entry in entries]
        if sum(len(wish.calls) for wish in wishes) > MAX_CALLS:
            raise RpcError(Code.TOO_MANY_BLOCKS, f"more than {MAX_CALLS} calls")
        simulation = self._state.simulation(read_block(block), {}, BlockOverride())
        shown, gas_left = [], self._limits.call_gas
        earliest = self._chain.header(simulation.placed.number - 1).timestamp
        for wish in _without_gaps(wishes, simulation.placed.number - 1):
            placed = wish.other.over(simulation.placed)
            if placed.timestamp < earliest:
                text = f"block timestamps must be in order: {placed.timestamp} < {earliest}"
                raise RpcError(Code.BLOCK_TIME, text)
            simulation.place(placed)
            done = self._run(simulation, wish, options, gas_left)
            gas_left -= done.gas_used
            shown.append(self._shown(done, options))
            simulation.know_hash(placed.number, done.hash)
            simulation.place(Placed(placed.number + 1, placed.timestamp + 1, done.hash, placed.gas_limit))
            earliest = placed.timestamp
        return shown

    def _read_wish(self, value: object) -> _Wish:
        fields = read_object(value, "blockStateCalls")
        given = fields.get("calls")
        calls = () if given is None else read_list(given, "calls", MAX_CALLS)
        return _Wish(
            BlockOverride.read(fields.get("blockOverrides")),
            read_state_overrides(fields.get("stateOverrides")),
            [Call.read(call, self._chain.chain_id) for call in calls],
        )

    def _run(self, simulation: Simulation, wish: _Wish, options: _Options, gas_left: int) -> _Block:
        done = _Block(simulation.placed)
        simulation.begin()
        simulation.suppose(wish.accounts)
        for call in wish.calls:
            nonce, _ = simulation.account(call.sender)
            if options.validates and call.nonce is not None and call.nonce != nonce:
                code = Code.NONCE_TOO_LOW if call.nonce < nonce else Code.NONCE_TOO_HIGH
                raise RpcError(code, f"nonce {call.nonce}: the sender's next is {nonce}")
            most = done.placed.gas_limit - done.gas_used
            if call.gas is not None and call.gas > most:
                raise RpcError(Code.BLOCK_GAS, f"block gas limit reached: {call.gas} > {most}")
            gas = min(most if call.gas is None else call.gas, gas_left - done.gas_used)
            message = Message(
                gas,
                call.sender,
                call.to,
                call.data,
                call.value,
                nonce if call.nonce is None else call.nonce,
                call.access_list,
            )
            try:
                outcome = simulation.call(message, traces_transfers=options.traces_transfers, lasts=True)
            except TransactionRejected as error:
                raise RpcError(_CODES.get(error.reason, Code.SERVER_ERROR), str(error)) from error
            done.gas_used += outcome.gas_used
            done.raws.append(_encoded(message, self._chain.chain_id))
            done.messages.append(message)
            done.outcomes.append(outcome)
        return done

    def _shown(self, block: _Block, options: _Options) -> dict[str, Any]:
        placed, block_hash = block.placed, data(block.hash)
        hashes = [data(keccak256(raw)) for raw in block.raws]
        logs = [log for outcome in block.outcomes for log in outcome.logs if outcome.succeeded]
        receipts: list[rlp.Item] = [[int(each.succeeded), each.gas_used] for each in block.outcomes]
        transactions: list[Any] = list(hashes)
        if options.shows_transactions:
            transactions = [
                _transaction_object(message, self._chain.chain_id, tx_hash, block_hash, placed, position)
                for position, (message, tx_hash) in enumerate(zip(block.messages, hashes, strict=True))
            ]
        return {
            "number": quantity(placed.number),
            "hash": block_hash,
            "parentHash": data(placed.parent_hash),
            "timestamp": quantity(placed.timestamp),
            "miner": data(placed.fee_recipient),
            "gasUsed": quantity(block.gas_used),
            "gasLimit": quantity(placed.gas_limit),
            "baseFeePerGas": quantity(placed.base_fee),
            "mixHash": data(placed.prev_randao),
            "transactionsRoot": data(keccak256(rlp.encode(list(block.raws)))),
            "receiptsRoot": data(keccak256(rlp.encode(receipts))),
            "stateRoot": data(bytes(32)),
            "logsBloom": data(bloom_of(logs)),
            "sha3Uncles": EMPTY_UNCLES_HASH,
            "difficulty": "0x0",
            "nonce": "0x0000000000000000",
            "extraData": "0x",
            "size": quantity(sum(map(len, block.raws))),
            "uncles": [],
            "transactions": transactions,
            "calls": _call_objects(block, hashes, block_hash),
        }


def _without_gaps(wishes: Sequence[_Wish], number: int) -> list[_Wish]:
    """Blocks whose numbers follow each other behind a block: those that the caller leaves out are empty.

    Raises
    ------
    RpcError
        Numbers run backwards, or there are too many blocks.
    """
    filled: list[_Wish] = []
    for wish in wishes:
        wanted = number + 1 if wish.other.number is None else wish.other.number
        if wanted <= number:
            raise RpcError(Code.BLOCK_NUMBER, f"block numbers must be in order: {wanted} <= {number}")
        if wanted - number - 1 + len(filled) >= MAX_BLOCKS:
            raise RpcError(Code.TOO_MANY_BLOCKS, f"more than {MAX_BLOCKS} blocks")
        filled += [_Wish(BlockOverride(), {}, ())] * (wanted - number - 1)
        filled.append(wish)
        number = wanted
    return filled


def _encoded(message: Message, chain_id: int) -> bytes:
    """A message as a transaction of type 2 that nobody signed."""
    accessed: list[rlp.Item] = [[address, list(slots)] for address, slots in message.access_list]
    to = message.to or b""
    fields: list[rlp.Item] = [chain_id, message.nonce, 0, 0, message.gas, to, message.value, message.data, accessed]
    return _TYPE + rlp.encode([*fields, 0, 0, 0])


def _transaction_object(
    message: Message, chain_id: int, tx_hash: str, block_hash: str, placed: Placed, position: int
) -> dict[str, Any]:
    return {
        "hash": tx_hash,
        "type": "0x2",
        "chainId": quantity(chain_id),
        "nonce": quantity(message.nonce),
        "from": data(message.sender),
        "to": data(message.to) if message.to else None,
        "value": quantity(message.value),
        "gas": quantity(message.gas),
        "gasPrice": "0x0",
        "maxFeePerGas": "0x0",
        "maxPriorityFeePerGas": "0x0",
        "input": data(message.data),
        "accessList": access_list_object(message.access_list),
        "yParity": "0x0",
        "v": "0x0",
        "r": "0x0",
        "s": "0x0",
        "blockHash": block_hash,
        "blockNumber": quantity(placed.number),
        "blockTimestamp": quantity(placed.timestamp),
        "transactionIndex": quantity(position),
    }


def _call_objects(block: _Block, hashes: Sequence[str], block_hash: str) -> list[dict[str, Any]]:
    shown, log_index = [], 0
    for position, (outcome, tx_hash) in enumerate(zip(block.outcomes, hashes, strict=True)):
        found: dict[str, Any] = {
            "status": quantity(int(outcome.succeeded)),
            "returnData": data(outcome.output),
            "gasUsed": quantity(outcome.gas_used),
            "maxUsedGas": quantity(outcome.max_gas_used),
        }
        if outcome.succeeded:
            found["logs"] = [
                {
                    "address": data(address),
                    "topics": [data(topic) for topic in topics],
                    "data": data(logged),
                    "blockNumber": quantity(block.placed.number),
                    "blockHash": block_hash,
                    "blockTimestamp": quantity(block.placed.timestamp),
                    "transactionHash": tx_hash,
                    "transactionIndex": quantity(position),
                    "logIndex": quantity(log_index + index),
                    "removed": False,
                }
                for index, (address, topics, logged) in enumerate(outcome.logs)
            ]
            log_index += len(outcome.logs)
        else:
            found["logs"] = []
            found["error"] = _error_object(outcome)
        shown.append(found)
    return shown


def _error_object(outcome: Outcome) -> dict[str, Any]:
    if outcome.halt:
        words = halt_words(outcome.halt)
        text = words if words.startswith("vm execution error") else f"vm execution error: {words}"
        return {"code": int(Code.EXECUTION_HALTED), "message": text}
    error = rpc_error(contract_error(outcome.output))
    return {"code": int(error.code), "message": error.message, "data": error.data}
