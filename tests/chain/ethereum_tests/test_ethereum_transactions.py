"""What is a transaction, who signed it, and what it takes before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ethereum_vectors import cases, data, number
from test_ethereum_states import BLOB, FORKS

from gridbourse import _native

CHAIN_ID = 1


def read(fork: str, raw: bytes) -> tuple[bytes, bytes, int] | None:
    """Sender, hash and intrinsic gas; none where it is no transaction that a block could hold."""
    try:
        return _native.read_transaction(fork, CHAIN_ID, raw)
    except ValueError:
        return None


@pytest.mark.files_of("TransactionTests")
def test_verdicts(file: Path):
    for name, case in cases(file).items():
        raw = data(case["txbytes"])
        for fork in FORKS:
            expected = case["result"].get(fork)
            if expected is None or raw[:1] == bytes([BLOB]):
                continue
            if "exception" in expected:
                assert read(fork, raw) is None, f"{name} {fork}: taken in spite of {expected['exception']}"
            else:
                judged = data(expected["sender"]), data(expected["hash"]), number(expected["intrinsicGas"])
                assert read(fork, raw) == judged, f"{name} {fork}"
