"""Submits without end and prints the hash of every transaction that was acknowledged, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from probe import BOB, GENESIS, SEALER, deploy, signed, store

from gridbourse.chain.embedded import EmbeddedChain


def main(path: Path) -> None:
    chain = EmbeddedChain(path, GENESIS, SEALER)
    probe = next((log.address for log in chain.logs()), None) or deploy(chain)
    nonce = chain.next_nonce(BOB.address)
    print("ready", flush=True)  # noqa: T201
    while True:
        batch = [signed(BOB, nonce + index, probe, store(nonce + index, 1)) for index in range(3)]
        for receipt in chain.submit(batch):
            print(receipt.transaction_hash.hex(), flush=True)  # noqa: T201
        nonce += len(batch)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
