from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from probe import BOB, GENESIS, SEALER

from gridbourse.chain.embedded import EmbeddedChain

ROUNDS = 100
WRITER = Path(__file__).with_name("crash_writer.py")


def run_and_kill(path: Path, seconds: float) -> list[str]:
    """Let a writer run for a while and kill it; returns the hashes it acknowledged."""
    command = [sys.executable, str(WRITER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        time.sleep(seconds)
        writer.kill()
        *whole_lines, _ = writer.stdout.read().split("\n")
        return whole_lines


def test_killed_a_hundred_times_nothing_acknowledged_is_missing_and_nothing_is_there_twice(path):
    chosen = random.Random(100)
    acknowledged: list[str] = []
    for _ in range(ROUNDS):
        acknowledged += run_and_kill(path, chosen.uniform(0.0, 0.06))
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        chain.verify()
        blocks = [chain.block(height) for height in range(1, chain.head().height + 1)]
        sealed = [receipt.transaction_hash.hex() for block in blocks for receipt in block.receipts]
        sent = chain.next_nonce(BOB.address)
    assert len(acknowledged) > ROUNDS
    assert len(set(sealed)) == len(sealed) == sent + 1, "and the probe's deployment"
    assert set(acknowledged) <= set(sealed)
