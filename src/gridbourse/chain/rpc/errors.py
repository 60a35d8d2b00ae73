"""Error codes, and which of them each of our own errors is.

Sources: JSON-RPC 2.0, section 5.1 (-32700 to -32603); EIP-1474 (-32000 to -32006); the error groups of the Ethereum
execution-apis specification (3, -32015, -38010 to -38025); EIP-7966 (4).
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
    INVALID_INPUT = -32000
    RESOURCE_NOT_FOUND = -32001
    RESOURCE_UNAVAILABLE = -32002
    TRANSACTION_REJECTED = -32003
    LIMIT_EXCEEDED = -32005
    EXECUTION_REVERTED = 3
    SYNC_TIMEOUT = 4
    EXECUTION_HALTED = -32015
    NONCE_TOO_LOW = -38010
    NONCE_TOO_HIGH = -38011
    INTRINSIC_GAS = -38013
    INSUFFICIENT_FUNDS = -38014
    BLOCK_GAS = -38015
    SENDER_NOT_EOA = -38024
    INIT_CODE = -38025


_CODE_OF = {
    Rejection.MALFORMED: Code.INVALID_INPUT,
    Rejection.NONCE_TOO_LOW: Code.NONCE_TOO_LOW,
    Rejection.NONCE_TOO_HIGH: Code.NONCE_TOO_HIGH,
    Rejection.INTRINSIC_GAS: Code.INTRINSIC_GAS,
    Rejection.BLOCK_GAS: Code.BLOCK_GAS,
    Rejection.INIT_CODE: Code.INIT_CODE,
    Rejection.FUNDS: Code.INSUFFICIENT_FUNDS,
    Rejection.SENDER_IS_CONTRACT: Code.SENDER_NOT_EOA,
    Rejection.NOT_TAKEN_HERE: Code.TRANSACTION_REJECTED,
}


_REASON_OF = {int(code): reason for reason, code in _CODE_OF.items()}
# Ours and geth's words, Besu's and anvil's; revm counts several ways to run out of gas.
_OUT_OF_GAS = re.compile(r"out ?of ?gas|gas required exceeds|\w+OOG\b", re.IGNORECASE)
_EXECUTION_HALT = re.compile(r"(?:EVM error|VM execution error):? (\w+)")


def rpc_error(error: Exception) -> RpcError:
    """The error to answer with."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, InvalidValue):
        return RpcError(Code.INVALID_PARAMS, str(error))
    if isinstance(error, TransactionRejected):
        return RpcError(_CODE_OF[error.reason], _rejection_text(error))
    if isinstance(error, ContractReverted):
        return _execution_error(error)
    if isinstance(error, ChainError):
        return RpcError(Code.INTERNAL_ERROR, str(error))
    _log.error("a request failed", exc_info=error)
    return RpcError(Code.INTERNAL_ERROR, "internal error; the server's log says more")


def rejection(error: RpcError) -> TransactionRejected:
    """Read what a node says of a transaction that it turns away; other software has no codes, but the same words."""
    by_words = next((reason for reason in Rejection if reason.value in error.message.lower()), None)
    return TransactionRejected(error.message, by_words or _REASON_OF.get(error.code, Rejection.NOT_TAKEN_HERE))


def execution_error(error: RpcError) -> ContractReverted | None:
    """Read what a node says of an execution that failed; None if it says something else."""
    words = error.message.lower()
    if isinstance(error.data, str) and re.fullmatch("0x(?:[0-9a-fA-F]{2})*", error.data):
        return contract_error(bytes.fromhex(error.data[2:]))
    if _OUT_OF_GAS.search(error.message):
        return contract_error(b"", "OutOfGas")
    if halt := _EXECUTION_HALT.search(error.message):
        return contract_error(b"", halt[1])
    return contract_error(b"") if "revert" in words or error.code == Code.EXECUTION_REVERTED else None


def _rejection_text(error: TransactionRejected) -> str:
    """Tools tell by the words at the start what happened."""
    text = str(error)
    return text if text.startswith(error.reason) else f"{error.reason}: {text}"


def _execution_error(error: ContractReverted) -> RpcError:
    if not error.reverted:
        return RpcError(Code.EXECUTION_HALTED, f"VM execution error: {error.error}")
    said = f": {error.arguments[0]}" if error.error == "Error" else ""
    return RpcError(Code.EXECUTION_REVERTED, f"execution reverted{said}", data(error.data))
