"""JSON-RPC 2.0: from the bytes of a request to the bytes of its answer."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from gridbourse.chain.rpc.errors import Code, rpc_error
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.table import Method, Methods
from gridbourse.chain.rpc.values import read_data
from gridbourse.errors import ChainError, InvalidValue, RpcError

_SEND = "eth_sendRawTransaction"
_NO_ID = object()
_IDS = str | int | float | None
_MAX_DEPTH = 32
_SHOWN_CHARS = 80
_OPENING = frozenset(b"[{")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, or in `fault` why it is none."""

    id: Any
    method: str = ""
    params: Sequence[Any] = ()
    fault: RpcError | None = None

    @classmethod
    def read(cls, value: object) -> _Request:
        if not isinstance(value, Mapping):
            return cls(None, fault=RpcError(Code.INVALID_REQUEST, "a request is an object"))
        request_id = value.get("id", _NO_ID)
        if request_id is not _NO_ID and (isinstance(request_id, bool) or not isinstance(request_id, _IDS)):
            return cls(None, fault=RpcError(Code.INVALID_REQUEST, "id: give a string, a number or null"))
        method, params = value.get("method"), value.get("params")
        if value.get("jsonrpc") != "2.0" or not isinstance(method, str):
            fault = RpcError(Code.INVALID_REQUEST, 'give "jsonrpc": "2.0" and the name of a method')
            return cls(None if request_id is _NO_ID else request_id, fault=fault)
        if not isinstance(params, list | None):
            fault = RpcError(Code.INVALID_PARAMS, "params: give them in order, as a list")
            return cls(request_id, method, fault=fault)
        return cls(request_id, method, params or ())


class Dispatcher:
    """Answers requests over one chain.

    Parameters
    ----------
    methods
        What can be asked.
    limits
        How much one caller may ask for.
    """

    def __init__(self, methods: Methods, limits: Limits) -> None:
        self._methods = methods
        self._limits = limits

    @cached_property
    def _table(self) -> Mapping[str, Method]:
        return self._methods.table()

    @cached_property
    def _arities(self) -> Mapping[str, tuple[int, int]]:
        return {name: _arity(method) for name, method in self._table.items()}

    def answer(self, body: bytes, own: Mapping[str, Method] | None = None) -> bytes:
        """Answer a request or a batch; empty if nothing in it wants an answer.

        Parameters
        ----------
        body
            The request as it came.
        own
            Further methods of this connection.
        """
        if _depth(body) > _MAX_DEPTH:
            return failure(RpcError(Code.PARSE_ERROR, f"nested deeper than {_MAX_DEPTH}"))
        try:
            asked = json.loads(body, parse_constant=_no_number, parse_float=_finite)
        except ValueError:
            return failure(RpcError(Code.PARSE_ERROR, "this is no JSON"))
        table = {**self._table, **(own or {})}
        if not isinstance(asked, list):
            return next(self._answers([_Request.read(asked)], table), b"")
        if not asked:
            return failure(RpcError(Code.INVALID_REQUEST, "a batch has at least one request"))
        if len(asked) > self._limits.batch_requests:
            text = f"{len(asked)} requests in a batch; give at most {self._limits.batch_requests}"
            return failure(RpcError(Code.LIMIT_EXCEEDED, text))
        answers = list(self._answers([_Request.read(value) for value in asked], table))
        return b"[" + b",".join(answers) + b"]" if answers else b""

    def _answers(self, requests: Sequence[_Request], table: Mapping[str, Method]) -> Iterator[bytes]:
        """Answer in order. Transactions that stand next to each other go to the chain together."""
        size = 0
        for sends, group in groupby(requests, lambda request: request.method == _SEND and not request.fault):
            if sends:
                outcomes = self._send(list(group))
            else:
                outcomes = ((request, self._outcome(request, table, size)) for request in group)
            for request, outcome in outcomes:
                if request.id is _NO_ID:
                    continue
                answer = _answer(request.id, outcome)
                size += len(answer)
                yield answer

    def _outcome(self, request: _Request, table: Mapping[str, Method], size_before: int) -> Any:
        """Result of a method, or the error."""
        if request.fault:
            return request.fault
        if size_before > self._limits.answer_bytes:
            text = f"the answer is longer than {self._limits.answer_bytes} bytes; ask for less at once"
            return RpcError(Code.LIMIT_EXCEEDED, text)
        method = table.get(request.method)
        if method is None:
            return RpcError(
                Code.METHOD_NOT_FOUND, f"the method {_short(request.method)} does not exist/is not available"
            )
        try:
            self._require_arity(method, request)
            return method(*request.params)
        except Exception as error:  # noqa: BLE001
            return rpc_error(error)

    def _require_arity(self, method: Method, request: _Request) -> None:
        least, most = self._arities.get(request.method) or _arity(method)
        if len(request.params) > most:
            raise RpcError(Code.INVALID_PARAMS, f"too many arguments, want at most {most}")
        missing = next((turn for turn in range(least) if _is_missing(request.params, turn)), None)
        if missing is not None:
            raise RpcError(Code.INVALID_PARAMS, f"missing value for required argument {missing}")

    def _send(self, requests: Sequence[_Request]) -> Iterator[tuple[_Request, Any]]:
        raws: list[bytes | RpcError] = []
        for request in requests:
            try:
                [raw] = request.params
                raws.append(read_data(raw, "transaction"))
            except ValueError as error:
                text = str(error) if isinstance(error, InvalidValue) else f"{_SEND} takes one transaction"
                raws.append(RpcError(Code.INVALID_PARAMS, text))
        outcomes: Iterator[Any]
        try:
            outcomes = iter(self._methods.send_each([raw for raw in raws if isinstance(raw, bytes)]))
        except Exception as error:  # noqa: BLE001
            fault = rpc_error(error)
            outcomes = iter([fault] * len(raws))
        for request, raw in zip(requests, raws, strict=True):
            outcome = next(outcomes) if isinstance(raw, bytes) else raw
            yield request, rpc_error(outcome) if isinstance(outcome, ChainError) else outcome


def _is_missing(params: Sequence[Any], turn: int) -> bool:
    return turn >= len(params) or params[turn] is None


def _short(name: str) -> str:
    return name[:_SHOWN_CHARS] + "..." if len(name) > _SHOWN_CHARS else name


def _no_number(name: str) -> float:
    """``NaN`` and the infinities are Python's, not JSON's."""
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _arity(method: Method) -> tuple[int, int]:
    """Least and most parameters of a method."""
    parameters = inspect.signature(method).parameters.values()
    return sum(parameter.default is parameter.empty for parameter in parameters), len(parameters)


def _depth(body: bytes) -> int:
    """How deep JSON is nested, at most. The parser recurses, and Python may let it until its stack is gone."""
    depth = deepest = 0
    for bracket in body.translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest


def notification(subscription: str, result: Any) -> bytes:
    """What a subscriber is told."""
    params = {"subscription": subscription, "result": result}
    return _encode({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


def failure(error: RpcError, request_id: Any = None) -> bytes:
    """Answer that something went wrong; without an id where the request could not even be read."""
    shown: dict[str, Any] = {"code": int(error.code), "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    return _encode({"jsonrpc": "2.0", "id": request_id, "error": shown})


def _answer(request_id: Any, outcome: Any) -> bytes:
    if isinstance(outcome, RpcError):
        return failure(outcome, request_id)
    return _encode({"jsonrpc": "2.0", "id": request_id, "result": outcome})


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
