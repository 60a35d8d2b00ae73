"""Every error gridbourse raises on purpose.

::

    GridbourseError
    ├── InvalidValue            an input is wrong; names the field and the remedy
    ├── ChainError
    │   ├── TransactionRejected a signed transaction may not enter a block
    │   ├── ContractReverted    a contract refused a call; carries its error's name and arguments
    │   ├── ChainCorrupted      stored bytes do not hash to what was sealed; names file and place
    │   └── ChainLocked         another process has the chain open
    ├── MarketError             the market's rules forbid a call; carries the rule's name and arguments
    │   └── OrderRefused        the market does not take an order; carries the reason
    ├── EnvelopeError           an envelope does not open for this key in this place
    └── ProofError              an inclusion or consistency proof does not hold
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from pathlib import Path

__all__ = [
    "ChainCorrupted",
    "ChainError",
    "ChainLocked",
    "ContractReverted",
    "EnvelopeError",
    "GridbourseError",
    "InvalidValue",
    "MarketError",
    "OrderRefused",
    "ProofError",
    "Rejection",
    "TransactionRejected",
]


class GridbourseError(Exception):
    """Root of the tree: catch this to catch everything gridbourse raises on purpose."""


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


class ChainError(GridbourseError):
    """Something between a caller and a chain went wrong."""


class Rejection(StrEnum):
    """Which rule keeps a transaction out of a block."""

    MALFORMED = "malformed transaction"
    NONCE_TOO_LOW = "nonce too low"
    NONCE_TOO_HIGH = "nonce too high"
    INTRINSIC_GAS = "intrinsic gas too low"
    BLOCK_GAS = "block gas limit exceeded"
    INIT_CODE = "max init code size exceeded"
    NOT_TAKEN_HERE = "transaction rejected"
    """Another chain's transaction, or one with a fee, value, type or access list that this chain does not take."""


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
