from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from crash_writer import PROCESSES, write
from probe import BOB, GENESIS, SEALER

from gridbourse.chain.embedded import EmbeddedChain

ROUNDS = 100


def run_and_kill(path: Path, seconds: float) -> list[bytes]:
    """Let a writer run for a while and kill it; returns the hashes it acknowledged."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    with receiver:
        writer = PROCESSES.Process(target=write, args=(path, sender))
        writer.start()
        sender.close()
        assert receiver.recv_bytes() == b"ready"
        time.sleep(seconds)
        writer.kill()
        writer.join()
        return list(whole_messages(receiver))


def whole_messages(receiver: Connection) -> Iterator[bytes]:
    """What was sent; the last message may have been cut off by the kill."""
    with suppress(EOFError, OSError):
        while True:
            yield receiver.recv_bytes()


def test_killed_a_hundred_times_nothing_acknowledged_is_missing_and_nothing_is_there_twice(path):
    chosen = random.Random(100)
    acknowledged: list[bytes] = []
    for _ in range(ROUNDS):
        acknowledged += run_and_kill(path, chosen.uniform(0.0, 0.06))
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        chain.verify()
        blocks = [chain.block(height) for height in range(1, chain.head().height + 1)]
        sealed = [receipt.transaction_hash for block in blocks for receipt in block.receipts]
        sent = chain.next_nonce(BOB.address)
    assert len(acknowledged) > ROUNDS
    assert len(set(sealed)) == len(sealed) == sent + 1, "and the probe's deployment"
    assert set(acknowledged) <= set(sealed)
