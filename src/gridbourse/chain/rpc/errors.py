"""Error codes, and which of them each of our own errors is.

Sources: JSON-RPC 2.0, section 5.1 (-32700 to -32603); EIP-1474 (-32000 to -32006); the execution-apis specification
(3, -32015, -38010 to -38026); EIP-7966 (4). Words and codes of refused transactions and failed executions are geth's:
viem, ethers and web3.js tell by them what happened.
"""

from __future__ import annotations

import logging
import re
from enum import IntEnum

from gridbourse.chain.revert import contract_error
from gridbourse.chain.rpc.values import data
from gridbourse.errors import (
    ChainError,
    ContractReverted,
    InvalidValue,
    Rejection,
    RpcError,
    StateNotKept,
    TransactionRejected,
)

_log = logging.getLogger(__name__)


class Code(IntEnum):
    """What went wrong."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    SERVER_ERROR = -32000
    """What geth answers with unless there is a better one; tools go by its words, or by this code."""
    RESOURCE_UNAVAILABLE = -32002
    LIMIT_EXCEEDED = -32005
    EXECUTION_REVERTED = 3
    SYNC_TIMEOUT = 4
    # Those of eth_simulateV1.
    EXECUTION_HALTED = -32015
    NONCE_TOO_LOW = -38010
    NONCE_TOO_HIGH = -38011
    INTRINSIC_GAS = -38013
    INSUFFICIENT_FUNDS = -38014
    BLOCK_GAS = -38015
    BLOCK_NUMBER = -38020
    BLOCK_TIME = -38021
    MOVED_TO_ITSELF = -38022
    MOVED_TWICE = -38023
    SENDER_IS_CONTRACT = -38024
    INIT_CODE = -38025
    TOO_MANY_BLOCKS = -38026


# What stopped an execution: revm's names, and geth's words for them.
_HALTS = {
    "OutOfGas": "out of gas",
    "MemoryOOG": "out of gas",
    "MemoryLimitOOG": "out of gas",
    "PrecompileOOG": "out of gas",
    "InvalidOperandOOG": "out of gas",
    "ReentrancySentryOOG": "out of gas",
    "Revert": "execution reverted",
    "InvalidFEOpcode": "invalid opcode: INVALID",
    "OpcodeNotFound": "invalid opcode",
    "NotActivated": "invalid opcode",
    "InvalidJump": "invalid jump destination",
    "StackUnderflow": "stack underflow",
    "StackOverflow": "stack limit reached",
    "StateChangeDuringStaticCall": "write protection",
    "CallNotAllowedInsideStatic": "write protection",
    "OutOfOffset": "return data out of bounds",
    "CreateCollision": "contract address collision",
    "CreateContractSizeLimit": "max code size exceeded",
    "CreateInitCodeSizeLimit": "max initcode size exceeded",
    "CreateContractStartingWithEF": "invalid code: must not begin with 0xef",
    "CallTooDeep": "max call depth exceeded",
    "OutOfFunds": "insufficient balance for transfer",
    "NonceOverflow": "nonce uint64 overflow",
}
# Ours and geth's words, Besu's and anvil's; revm counts several ways to run out of gas.
_OUT_OF_GAS = re.compile(r"out ?of ?gas|gas required exceeds|\w+OOG\b", re.IGNORECASE)
_EXECUTION_HALT = re.compile(r"(?:EVM error|vm execution error):? (\w+)", re.IGNORECASE)


def halt_words(name: str) -> str:
    """What stopped an execution, in geth's words."""
    return _HALTS.get(name, f"vm execution error: {name}")


def rpc_error(error: Exception) -> RpcError:
    """The error to answer with."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, InvalidValue):
        return RpcError(Code.INVALID_PARAMS, str(error))
    if isinstance(error, TransactionRejected):
        return RpcError(Code.SERVER_ERROR, _rejection_text(error))
    if isinstance(error, ContractReverted):
        return _execution_error(error)
    if isinstance(error, StateNotKept):
        return RpcError(Code.RESOURCE_UNAVAILABLE, str(error))
    if isinstance(error, ChainError):
        return RpcError(Code.INTERNAL_ERROR, str(error))
    _log.error("a request failed", exc_info=error)
    return RpcError(Code.INTERNAL_ERROR, "internal error; the server's log says more")


def rejection(error: RpcError) -> TransactionRejected:
    """Read what a node says of a transaction that it turns away: the codes of nodes differ, the words do not."""
    words = error.message.lower()
    reason = next((reason for reason in Rejection if reason.value in words), Rejection.NOT_TAKEN_HERE)
    return TransactionRejected(error.message, reason)


def execution_error(error: RpcError) -> ContractReverted | None:
    """Read what a node says of an execution that failed; None if it says something else."""
    words = error.message.lower()
    if isinstance(error.data, str) and re.fullmatch("0x(?:[0-9a-fA-F]{2})*", error.data):
        return contract_error(bytes.fromhex(error.data[2:]))
    if _OUT_OF_GAS.search(error.message):
        return contract_error(b"", "OutOfGas")
    if named := _EXECUTION_HALT.search(error.message):
        return contract_error(b"", named[1])
    if halt := next((name for name, said in _HALTS.items() if said.lower() in words), None):
        return contract_error(b"", halt)
    return contract_error(b"") if "revert" in words or error.code == Code.EXECUTION_REVERTED else None


def _rejection_text(error: TransactionRejected) -> str:
    """Tools tell by the words at the start what happened."""
    text = str(error)
    return text if text.startswith(error.reason) else f"{error.reason}: {text}"


def _execution_error(error: ContractReverted) -> RpcError:
    if not error.reverted:
        return RpcError(Code.SERVER_ERROR, halt_words(error.error))
    said = f": {error.arguments[0]}" if error.error == "Error" else ""
    return RpcError(Code.EXECUTION_REVERTED, f"execution reverted{said}", data(error.data))
