"""Asks an Ethereum node over HTTP: in batches, with a time limit, and again when the connection fails."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import httpx

from gridbourse.errors import ChainError, InvalidValue, RpcError

EVENTS_METHOD = "gridbourse_getLogs"
"""`eth_getLogs`, with each event's number within its transaction: nodes of ours only."""
FAILURE_METHOD = "gridbourse_getFailure"
"""What a failed transaction's contract said, or what stopped it: nodes of ours only."""
BATCH_REQUESTS = 1_000
"""What common nodes take at most."""
BATCH_BYTES = 4 * 2**20
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_UNAUTHORISED = frozenset({401, 403})
_BUSY = frozenset({429, 500, 502, 503, 504})


class Call(NamedTuple):
    """A method and its parameters."""

    method: str
    params: Sequence[Any]


class RpcClient:
    """A node, asked over HTTP. Several threads may share it.

    A request that gets no answer is sent again until the patience ends, also when the node may have acted on it: that
    is harmless for every method that is used here. In particular, a signed transaction takes effect once.

    Parameters
    ----------
    url
        Where the node listens.
    token
        What the node wants to be shown as ``Authorization: Bearer TOKEN``.
    timeout_seconds
        How long one request may take.
    patience_seconds
        How long to try in all.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout_seconds: float = 30.0, patience_seconds: float = 30.0
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self._patience_seconds = patience_seconds
        self._http = httpx.Client(headers=headers, timeout=timeout_seconds, trust_env=False)
        self._ids = count(1)

    def ask(self, method: str, *params: Any) -> Any:
        """Ask one thing.

        Raises
        ------
        RpcError
            The node answers with an error.
        ChainError
            There is no answer in time.
        """
        [answer] = self.ask_all([Call(method, params)])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    def ask_all(self, calls: Sequence[Call]) -> list[Any]:
        """Ask many things in as few requests as possible; returns results, or the RpcError, in the same order.

        Raises
        ------
        ChainError
            There is no answer in time.
        """
        answers: list[Any] = []
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": call.method, "params": list(call.params)}
            for call in calls
        ]
        for portion in _portions(requests):
            found = self._post(portion if len(portion) > 1 else portion[0])
            entries = found if isinstance(found, list) else [found]
            by_id = {entry.get("id"): entry for entry in entries}
            if isinstance(found, dict) and found.get("id") is None:  # the node refuses the whole request
                answers += [_result(found)] * len(portion)
            elif len(entries) == len(portion) and all(request["id"] in by_id for request in portion):
                answers += [_result(by_id[request["id"]]) for request in portion]
            else:
                raise ChainError(f"{self.url}: the answers are not those to what was asked; is this an Ethereum node?")
        return answers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, body: object) -> Any:
        deadline = time.monotonic() + self._patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._http.post(self.url, json=body)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise InvalidValue("url", self.url, f"the node's URL, as http://127.0.0.1:8545 ({error})") from error
            except httpx.TransportError as error:
                failure = str(error) or type(error).__name__
            else:
                if response.status_code in _UNAUTHORISED:
                    raise ChainError(f"{self.url}: HTTP status {response.status_code}; give the node's token")
                if response.status_code not in _BUSY:
                    return self._read(response)
                failure = f"HTTP status {response.status_code}"
            if time.monotonic() + pause > deadline:
                raise ChainError(f"{self.url}: no answer within {self._patience_seconds:g} s: {failure}")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _read(self, response: httpx.Response) -> Any:
        try:
            found = response.json()
        except ValueError as error:
            text = f"HTTP status {response.status_code} and no JSON; is this an Ethereum node?"
            raise ChainError(f"{self.url}: {text}") from error
        entries = found if isinstance(found, list) else [found]
        if not all(isinstance(entry, dict) for entry in entries):
            raise ChainError(f"{self.url}: an answer of another shape; is this an Ethereum node?")
        return found


def _result(answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        return RpcError(0, str(error))
    return RpcError(error.get("code", 0), str(error.get("message")), error.get("data"))


def _portions(requests: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    """Cut requests into batches that a node takes; a batch is as long as what its transactions make it."""
    first, size = 0, 0
    for turn, request in enumerate(requests):
        own = sum(len(param) for param in request["params"] if isinstance(param, str))
        if turn > first and (turn - first == BATCH_REQUESTS or size + own > BATCH_BYTES):
            yield requests[first:turn]
            first, size = turn, 0
        size += own
    if requests:
        yield requests[first:]
