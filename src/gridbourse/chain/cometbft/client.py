"""What we ask of our CometBFT: its JSON-RPC, over HTTP on a Unix socket."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx

from gridbourse.errors import ChainError, TransactionRejected

TIMEOUT_SECONDS = 30.0
_KNOWN = "tx already exists in cache"


class CometClient:
    """A CometBFT node's RPC.

    Parameters
    ----------
    socket
        The Unix socket on which it listens.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=TIMEOUT_SECONDS)

    def broadcast(self, bundle: bytes) -> None:
        """Hand a bundle to the mempool; returns when it was checked and taken.

        Raises
        ------
        TransactionRejected
            The application refuses it.
        ChainError
            CometBFT is not there, or its mempool is full.
        """
        try:
            result = self.ask("broadcast_tx_sync", tx=base64.b64encode(bundle).decode())
        except ChainError as error:
            if _KNOWN in str(error):
                return
            raise
        if result["code"]:
            raise TransactionRejected(result["log"])

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Result of a method.

        Raises
        ------
        ChainError
            CometBFT is not there, or answers with an error.
        """
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = self._http.post("http://cometbft/", json=question).json()
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            raise ChainError(f"CometBFT does not answer on {self._socket}: {error}; is it running?") from error
        if "error" in answer:
            detail = answer["error"]
            raise ChainError(f"CometBFT: {method}: {detail.get('message')}: {detail.get('data')}")
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()
