"""Measures how long a chain is busy with what it is given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from gridbourse.chain.block import Receipt
from gridbourse.chain.interface import Chain


class Stopwatch:
    """Adds up the time that chains take from a call of `submit` to its return.

    Inside that time lies all that makes signed transactions a sealed, durable block: decoding, recovering the
    signers, executing, hashing, sealing and the synchronous write. Signing, encrypting and reading are outside.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def observe(self, name: str, chain: Chain) -> Chain:
        """Put the watch before a chain; the result is the chain otherwise."""
        self.seconds[name] = 0.0
        return cast("Chain", _Timed(name, chain, self.seconds))

    def take(self) -> dict[str, float]:
        """Seconds by chain since the last call, and begin anew."""
        taken = dict(self.seconds)
        self.seconds.update(dict.fromkeys(taken, 0.0))
        return taken


class _Timed:
    def __init__(self, name: str, chain: Chain, seconds: dict[str, float]) -> None:
        self._name = name
        self._chain = chain
        self._seconds = seconds

    def submit(self, raw_transactions: Sequence[bytes]) -> list[Receipt]:
        begin = time.perf_counter()
        try:
            return self._chain.submit(raw_transactions)
        finally:
            self._seconds[self._name] += time.perf_counter() - begin

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._chain, attribute)
