"""Other Ethereum engines behind one face: give them signed transactions, get what became of each."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Protocol

from eth.vm.forks.cancun import CancunVM
from eth_tester import EthereumTester, PyEVMBackend

from gridbourse.chain.block import Genesis, Receipt
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.crypto.keys import SigningKey, keccak256
from gridbourse.node.folder.chains import BLOCK_GAS_LIMIT

ANVIL = Path(__file__).parents[1] / "contracts" / "node_modules" / ".bin" / "anvil"

_START_SECONDS = 30.0
_POLL_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of a transaction: address, topics and data of each event."""

    succeeded: bool
    gas_used: int
    logs: tuple[tuple[bytes, tuple[bytes, ...], bytes], ...]


class Engine(Protocol):
    """A running chain."""

    def submit(self, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
        """Hand in signed transactions batch after batch, and wait for all receipts."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Embedded:
    """Our chain: in this process, in a file; each batch is a block, synced before the next one."""

    def __init__(self, path: Path, genesis: Genesis, sealer: SigningKey) -> None:
        self._chain = EmbeddedChain(path, genesis, sealer)

    def submit(self, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
        """Seal a block of each batch."""
        return [_effect_of(receipt) for batch in batches for receipt in self._chain.submit(batch)]

    def close(self) -> None:
        """Close its file."""
        self._chain.close()


class Served:
    """Our chain behind our JSON-RPC server, in a process of its own; asked by our own engine for that."""

    def __init__(self, path: Path, genesis: Genesis, sealer: SigningKey) -> None:
        port = _free_port()
        self._stop = multiprocessing.get_context("spawn").Event()
        arguments = (path, genesis, sealer.secret, port, self._stop)
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments)
        self._process.start()
        self.url = f"http://127.0.0.1:{port}"
        self._chain = EthereumChain(self.url, chain_id=genesis.chain_id)

    def submit(self, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
        """Send each batch in one request, and ask for its receipts in another."""
        return [_effect_of(receipt) for batch in batches for receipt in self._chain.submit(batch)]

    def close(self) -> None:
        """End the server and its chain."""
        self._chain.close()
        self._stop.set()
        self._process.join()


def _serve(path: Path, genesis: Genesis, secret: bytes, port: int, stop: Event) -> None:
    with EmbeddedChain(path, genesis, SigningKey(secret)) as chain, RpcServer(chain, port=port):
        stop.wait()


class Mining(Enum):
    """When anvil makes blocks."""

    AT_ONCE = ()
    EVERY_SECOND = ("--block-time", "1")
    PER_BATCH = ("--no-mining",)


class Anvil:
    """Foundry's development node, over JSON-RPC on one persistent connection; its state is in memory.

    It makes blocks by the clock only while it is asked for something: an empty block costs it more the more state it
    has (together half of a core after 300,000 orders), which the engine being timed would miss.
    """

    def __init__(self, chain_id: int, mining: Mining) -> None:
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        options = ["--port", str(self._port), "--chain-id", str(chain_id), "--gas-limit", str(BLOCK_GAS_LIMIT)]
        options += ["--gas-price", "0", "--base-fee", "0", "--hardfork", "cancun", "--order", "fifo", "--accounts", "1"]
        options += ["--quiet", "--no-request-size-limit", "--prune-history", *mining.value]
        self._mining = mining
        self._process = subprocess.Popen([ANVIL, *options], start_new_session=True)
        self._connection = self._connect()
        self._let_the_clock_mine(on=False)

    def submit(self, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
        """Send each batch in one request; when the last transaction is in a block, ask for the receipts likewise."""
        self._let_the_clock_mine(on=True)
        for batch in batches:
            self._ask("eth_sendRawTransaction", [["0x" + raw.hex()] for raw in batch])
            if self._mining is Mining.PER_BATCH:
                self._ask("evm_mine", [[]])
        hashes = [[["0x" + keccak256(raw).hex()] for raw in batch] for batch in batches]
        while self._ask("eth_getTransactionReceipt", hashes[-1][-1:]) == [None]:
            time.sleep(_POLL_SECONDS)
        self._let_the_clock_mine(on=False)
        receipts = [receipt for batch in hashes for receipt in self._ask("eth_getTransactionReceipt", batch)]
        return [
            _effect(receipt["status"] == "0x1", int(receipt["gasUsed"], 16), receipt["logs"]) for receipt in receipts
        ]

    def close(self) -> None:
        """End the node and its wrapper, which are a process group of their own."""
        self._connection.close()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()

    def _let_the_clock_mine(self, *, on: bool) -> None:
        if self._mining is Mining.EVERY_SECOND:
            self._ask("evm_setIntervalMining", [[int(on)]])

    def _ask(self, method: str, calls: Sequence[Sequence[object]]) -> list[Any]:
        requests = [
            {"jsonrpc": "2.0", "id": turn, "method": method, "params": params} for turn, params in enumerate(calls)
        ]
        body = json.dumps(requests if len(requests) > 1 else requests[0])
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        found = json.loads(self._connection.getresponse().read())
        answers = found if len(requests) > 1 else [found]
        errors = [answer["error"] for answer in answers if "error" in answer]
        assert not errors, f"anvil: {method}: {errors[0]}"
        return [answer["result"] for answer in sorted(answers, key=lambda answer: int(answer["id"]))]

    def _connect(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            try:
                connection.connect()
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return connection


class EthTester:
    """eth-tester on py-evm: in this process, in memory, a block for each transaction."""

    def __init__(self) -> None:
        genesis = PyEVMBackend.generate_genesis_params()
        genesis |= {"gas_limit": BLOCK_GAS_LIMIT, "base_fee_per_gas": 0}
        self._tester = EthereumTester(PyEVMBackend(genesis, vm_configuration=((0, CancunVM),)))

    def submit(self, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
        """Send each and ask for its receipt."""
        effects = []
        for raw in chain.from_iterable(batches):
            tx_hash = self._tester.send_raw_transaction("0x" + raw.hex())
            receipt = self._tester.get_transaction_receipt(tx_hash)
            effects.append(_effect(receipt["status"] == 1, receipt["gas_used"], receipt["logs"]))
        return effects

    def close(self) -> None:
        """Leave it to the garbage collector."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _effect_of(receipt: Receipt) -> Effect:
    logs = tuple((log.address, log.topics, log.data) for log in receipt.logs)
    return Effect(receipt.succeeded, receipt.gas_used, logs)


def _effect(succeeded: bool, gas_used: int, logs: Sequence[dict[str, Any]]) -> Effect:  # noqa: FBT001
    return Effect(
        succeeded,
        gas_used,
        tuple((_bytes(log["address"]), tuple(map(_bytes, log["topics"])), _bytes(log["data"])) for log in logs),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
