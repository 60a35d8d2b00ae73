"""Runs a node, sends without end, and prints the hash of every transaction that was acknowledged, until it is killed.

When its input ends it stops sending, and when it is terminated it stops in order.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from probe import signed, store

from gridbourse.chain.cometbft.node import Node
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.errors import ChainError


def main(folder: Path, probe: Address, key: SigningKey) -> None:
    with Node(folder) as node:
        node.wait_ready()
        say("ready", node.comet_pid)
        sending = threading.Event()
        sending.set()
        sender = threading.Thread(target=send, args=(node, probe, key, sending))
        sender.start()
        for line in sys.stdin:
            if line == "stop\n":
                sending.clear()
                sender.join()
                say("stopped")
            else:
                say("head", node.chain.head().height, node.chain.head().hash.hex())


def send(node: Node, probe: Address, key: SigningKey, sending: threading.Event) -> None:
    while sending.is_set():
        nonce = node.chain.next_nonce(key.address)
        try:
            receipts = node.chain.submit([signed(key, nonce + turn, probe, store(nonce, turn)) for turn in range(3)])
        except ChainError:
            continue  # not final in time, or displaced by what an earlier life of this node had sent
        for receipt in receipts:
            say("done", receipt.transaction_hash.hex())


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Address(bytes.fromhex(sys.argv[2])), SigningKey(bytes.fromhex(sys.argv[3])))
