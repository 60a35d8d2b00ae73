"""Errors on the wire: each by its name in the tree of `gridbourse.errors`, with its text, field and remedy."""

from __future__ import annotations

from typing import Any

from gridbourse import errors
from gridbourse.errors import GridbourseError, OrderRefused, Rejection, TransactionRejected
from gridbourse.market.types import Reason
from gridbourse.node.commands.codec import codec

_TEXT = codec(str)


def encode_error(error: BaseException) -> dict[str, Any]:
    """Write an error. What nobody expects is told by its type; of such errors the node's log says more."""
    if not isinstance(error, GridbourseError):
        return {"name": "RuntimeError", "message": repr(error)[:500], "fields": {}}
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    # Slots of `Exception` are no fields; what remains is what the constructor noted.
    fields = {name: _encode(value) for name, value in vars(error).items()}
    return {"name": type(error).__name__, "message": _TEXT.encode(message), "fields": fields}


def decode_error(stated: dict[str, Any]) -> Exception:
    """Read an error; of the same type, with the same text, and with its fields as far as JSON can hold them."""
    message = _TEXT.decode(stated["message"], "message")
    kind = getattr(errors, stated["name"], None) if stated["name"] in errors.__all__ else None
    if kind is None:
        return RuntimeError(message)
    error: GridbourseError = kind.__new__(kind)
    error.args = (message,)
    vars(error).update({name: _decode(value) for name, value in stated["fields"].items()})
    if isinstance(error, TransactionRejected):
        error.reason = Rejection(error.reason)
    if isinstance(error, OrderRefused):
        error.reason = Reason(error.reason)
    return error


def _encode(value: object) -> Any:
    if isinstance(value, str):
        return _TEXT.encode(value)
    if isinstance(value, tuple | list):
        return [_encode(entry) for entry in value]
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return value if isinstance(value, int | float | None) else str(value)


def _decode(value: object) -> Any:
    if isinstance(value, list):
        return tuple(_decode(entry) for entry in value)
    return _TEXT.decode(value, "fields") if isinstance(value, dict) else value
