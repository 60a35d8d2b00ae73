"""Every error gridbourse raises on purpose.

::

    GridbourseError
    ├── InvalidValue            an input is wrong; names the field and the remedy
    ├── ExtraMissing            a library that only some need is not installed; names the extra that brings it
    ├── ChainError
    │   ├── TransactionRejected a signed transaction may not enter a block
    │   ├── ContractReverted    a contract refused a call; carries its error's name and arguments
    │   ├── ChainCorrupted      stored bytes do not hash to what was sealed; names file and place
    │   ├── ChainLocked         another process has the chain open
    │   ├── ChainReorganised    a network took back a block that counted as final
    │   ├── ClockWrong          the machine's clock is not to be believed: nothing is sealed meanwhile
    │   ├── StateNotKept        the state behind an older block is not there any more
    │   └── RpcError            an error of Ethereum's JSON-RPC, answered or received
    ├── MarketError             the market's rules forbid a call; carries the rule's name and arguments
    │   └── OrderRefused        the market does not take an order; carries the reason
    ├── EnvelopeError           an envelope does not open for this key in this place
    ├── ProofError              an inclusion or consistency proof does not hold
    └── ServiceError            the service does not do what was asked
        ├── NotSignedIn         it is for those who have signed in
        ├── SignInRefused       what was given signs nobody in
        ├── Forbidden           who asks may not do this
        ├── KeysNotKept         the service has no keys to sign for this node with
        ├── NotFound            there is no such thing, or who asks may not know of it
        ├── Conflict            something else was faster
        ├── KeyReused           an idempotency key came with another request before
        ├── NodeUnreachable     the node of the region is not reached, or is stopping
        ├── ReadingsRefused     meter readings are not taken; says which and why
        ├── ReadingsNotKept     meter readings cannot be made durable
        └── ServiceProblem      what a service answered; carries its problem details
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

__all__ = [
    "ChainCorrupted",
    "ChainError",
    "ChainLocked",
    "ChainReorganised",
    "ClockWrong",
    "Conflict",
    "ContractReverted",
    "EnvelopeError",
    "ExtraMissing",
    "Forbidden",
    "GridbourseError",
    "InvalidValue",
    "KeyReused",
    "KeysNotKept",
    "MarketError",
    "NodeUnreachable",
    "NotFound",
    "NotSignedIn",
    "OrderRefused",
    "ProofError",
    "ReadingsNotKept",
    "ReadingsRefused",
    "Rejection",
    "RpcError",
    "ServiceError",
    "ServiceProblem",
    "SignInRefused",
    "StateNotKept",
    "TransactionRejected",
]


class GridbourseError(Exception):
    """Root of the tree: catch this to catch everything gridbourse raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error go from one process to another as it is: it is not made anew from its message alone."""
        return _unpickled, (type(self), self.args), self.__dict__


def _unpickled(kind: type[GridbourseError], args: tuple[Any, ...]) -> GridbourseError:
    return kind.__new__(kind, *args)


class InvalidValue(GridbourseError, ValueError):
    """An input is outside what its field accepts.

    Parameters
    ----------
    field
        Name of the field as the user wrote it, e.g. ``"energy_wh"``.
    value
        What was given.
    remedy
        What to give instead, as a phrase that follows "give".
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(f"{field}: {value!r} is not valid; give {remedy}")
        self.field = field
        self.value = value
        self.remedy = remedy


class ExtraMissing(GridbourseError):
    """What was asked for needs a library that is not installed.

    Parameters
    ----------
    library
        As it is imported.
    extra
        The extra of the package `gridbourse` that brings it.
    """

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"this needs {library}, which is not installed: pip install 'gridbourse[{extra}]'")
        self.library = library
        self.extra = extra


class ChainError(GridbourseError):
    """Something between a caller and a chain went wrong."""


class Rejection(StrEnum):
    """Which rule keeps a transaction out of a block."""

    MALFORMED = "malformed transaction"
    NONCE_TOO_LOW = "nonce too low"
    NONCE_TOO_HIGH = "nonce too high"
    INTRINSIC_GAS = "intrinsic gas too low"
    BLOCK_GAS = "exceeds block gas limit"
    INIT_CODE = "max initcode size exceeded"
    FUNDS = "insufficient funds for gas * price + value"
    SENDER_IS_CONTRACT = "sender not an eoa"
    NOT_TAKEN_HERE = "transaction rejected"
    """Another chain's transaction, or one of a type or with fields that this chain does not take."""


class TransactionRejected(ChainError):
    """A transaction was turned away before it reached a block; nothing was changed.

    Parameters
    ----------
    message
        Which transaction, field and value, and the remedy.
    reason
        The rule.
    """

    def __init__(self, message: str, reason: Rejection = Rejection.NOT_TAKEN_HERE) -> None:
        super().__init__(message)
        self.reason = reason


class ContractReverted(ChainError):
    """A contract refused a call.

    Parameters
    ----------
    error
        Name of the Solidity error, ``"Error"`` for a plain message, ``"Panic"``, ``"OutOfGas"`` or
        ``"Unknown"``.
    args
        The error's arguments.
    data
        The raw revert data.
    """

    def __init__(self, error: str, args: tuple[object, ...] = (), data: bytes = b"") -> None:
        super().__init__(f"{error}({', '.join(map(repr, args))})")
        self.error = error
        self.arguments = args
        self.data = data

    @property
    def reverted(self) -> bool:
        """Whether the contract itself refused; otherwise the EVM stopped it, and `error` says why."""
        return bool(self.data) or self.error == "Unknown"


class ChainCorrupted(ChainError):
    """Stored bytes are not what was sealed.

    Parameters
    ----------
    path
        The chain's file.
    place
        Which row or field, e.g. ``"block 12, transaction 3"``.
    finding
        What does not fit.
    """

    def __init__(self, path: Path, place: str, finding: str) -> None:
        super().__init__(f"{path}: {place}: {finding}")
        self.path = path
        self.place = place
        self.finding = finding


class ChainLocked(ChainError):
    """Another process has this chain open for writing."""


class ChainReorganised(ChainError):
    """A network took back a block that counted as final; what was read since that block may be void."""


class ClockWrong(ChainError):
    """The machine's clock is not to be believed: nothing is sealed, and nothing was taken, until it is right."""


class StateNotKept(ChainError):
    """The state behind an older block is not there any more; the blocks themselves are."""


class RpcError(ChainError):
    """An error of Ethereum's JSON-RPC.

    Parameters
    ----------
    code
        The error's code.
    message
        What happened.
    data
        What came along; for reverted executions the revert data in hexadecimal.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} (JSON-RPC error {code})")
        self.code = code
        self.message = message
        self.data = data


class MarketError(GridbourseError):
    """The rules of the market forbid a call; nothing was changed.

    Parameters
    ----------
    rule
        Name of the rule: that of the contract's error (``IEnergyMarket``, ``IAccounts``, ``IConsortium``).
    arguments
        The error's arguments.
    """

    def __init__(self, rule: str, *arguments: object) -> None:
        super().__init__(f"{rule}({', '.join(map(repr, arguments))})")
        self.rule = rule
        self.arguments = arguments


class OrderRefused(MarketError):
    """The market did not take an order, or does not match it further; nothing was changed.

    Parameters
    ----------
    reason
        The market's ``Reason``.
    """

    def __init__(self, reason: IntEnum) -> None:
        super().__init__("Refused", reason)
        self.reason = reason


class EnvelopeError(GridbourseError):
    """An envelope does not open: wrong key, wrong place, or changed bytes."""


class ProofError(GridbourseError):
    """A Merkle proof does not hold."""


class ServiceError(GridbourseError):
    """The service does not do what was asked; nothing was changed."""


class NotSignedIn(ServiceError):
    """It is for those who have signed in."""


class SignInRefused(ServiceError):
    """What was given signs nobody in."""


class TooManyAttempts(ServiceError):
    """An account was tried too often.

    Parameters
    ----------
    message
        What to do.
    wait_seconds
        After which the next attempt is heard.
    """

    def __init__(self, message: str, wait_seconds: int) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Forbidden(ServiceError):
    """Who asks may not do this."""


class KeysNotKept(ServiceError):
    """The service has no keys to sign for this node with."""


class NotFound(ServiceError):
    """There is no such thing, or who asks may not know of it."""


class Conflict(ServiceError):
    """Something else was faster: what was asked for can no longer be done."""


class KeyReused(ServiceError):
    """An idempotency key came with another request than the first time."""


class NodeUnreachable(ServiceError):
    """The node of the region is not reached, or is stopping; what was asked for may be done or not."""


class ReadingsRefused(ServiceError):
    """Meter readings that were handed in are not taken; the others of them are.

    Parameters
    ----------
    message
        What happened.
    faults
        The readings by their place in the request, and what is wrong with each.
    """

    def __init__(self, message: str, faults: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.faults = faults


class ReadingsNotKept(ServiceError):
    """Meter readings cannot be made durable, and so are not taken."""


class IndexMismatch(GridbourseError):
    """The index does not follow from the chains: it is to be built again."""


class IndexUnavailable(ServiceError):
    """The index cannot be read or written: its database is not reached, or has no room."""


class ServiceProblem(ServiceError):
    """What a service answered instead of doing what was asked (RFC 9457).

    Parameters
    ----------
    status
        HTTP status.
    kind
        What kind of problem, e.g. ``"not-found"``.
    detail
        What was wrong, in words.
    faults
        Field and remedy of each wrong field.
    """

    def __init__(self, status: int, kind: str, detail: str, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.faults = faults
