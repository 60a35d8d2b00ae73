"""Measures how much work a chain has with what it is given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from gridbourse.chain.block import Receipt
from gridbourse.chain.interface import Chain


class Stopwatch:
    """Adds up the time that chains take from a call of `submit` to its return, and what they are given.

    Inside that time lies all that makes signed transactions a sealed, durable block: decoding, recovering the
    signers, executing, hashing, sealing and the synchronous write. Signing, encrypting and reading are outside.

    Attributes
    ----------
    seconds, gas, transaction_bytes
        By chain, since `take` was called the last time.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.gas: dict[str, int] = {}
        self.transaction_bytes: dict[str, int] = {}

    def observe(self, name: str, chain: Chain) -> Chain:
        """Put the watch before a chain; the result is the chain otherwise."""
        self.seconds[name] = 0.0
        self.gas[name] = self.transaction_bytes[name] = 0
        return cast("Chain", _Timed(name, chain, self))

    def take(self) -> dict[str, float]:
        """Seconds by chain since the last call, and begin anew."""
        taken = dict(self.seconds)
        self.seconds.update(dict.fromkeys(taken, 0.0))
        self.gas.update(dict.fromkeys(taken, 0))
        self.transaction_bytes.update(dict.fromkeys(taken, 0))
        return taken


class _Timed:
    def __init__(self, name: str, chain: Chain, watch: Stopwatch) -> None:
        self._name = name
        self._chain = chain
        self._watch = watch

    def submit(self, raw_transactions: Sequence[bytes]) -> list[Receipt]:
        begin = time.perf_counter()
        try:
            receipts = self._chain.submit(raw_transactions)
        finally:
            self._watch.seconds[self._name] += time.perf_counter() - begin
        self._watch.gas[self._name] += sum(receipt.gas_used for receipt in receipts)
        self._watch.transaction_bytes[self._name] += sum(map(len, raw_transactions))
        return receipts

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._chain, attribute)
