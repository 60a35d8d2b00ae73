"""A process that submits without end and tells every transaction's hash once it is acknowledged, until it is killed."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from probe import BOB, GENESIS, SEALER, deploy, signed, store

from gridbourse.chain.embedded import EmbeddedChain

# Each is forked from one process that has loaded what they need.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["gridbourse.chain.embedded"])


def write(path: Path, acknowledged: Connection) -> None:
    chain = EmbeddedChain(path, GENESIS, SEALER)
    probe = next((log.address for log in chain.logs()), None) or deploy(chain)
    nonce = chain.next_nonce(BOB.address)
    acknowledged.send_bytes(b"ready")
    while True:
        batch = [signed(BOB, nonce + index, probe, store(nonce + index, 1)) for index in range(3)]
        for receipt in chain.submit(batch):
            acknowledged.send_bytes(receipt.transaction_hash)
        nonce += len(batch)
