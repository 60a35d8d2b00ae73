"""The networks that the conformance suite runs against: each is a `Chain`, and what runs behind it can be killed.

A new engine joins by one entry in `NETWORKS`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from foundry import program
from probe import CHAIN_ID, GENESIS, SEALER

from gridbourse.chain.cometbft.description import NetworkSpec, Organisation
from gridbourse.chain.cometbft.folder import found_network
from gridbourse.chain.cometbft.process import find_cometbft
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.interface import Chain
from gridbourse.errors import ChainError

GAS_LIMIT = GENESIS.gas_limit


@dataclass(frozen=True)
class Network:
    """A running network.

    Parameters
    ----------
    chain
        The engine under test, connected to it.
    kill, start
        End what runs behind the engine without warning, and start it again with all it had; None where that is this
        very process.
    is_durable
        Whether what it acknowledged survives an end at any moment.
    """

    chain: Chain
    kill: Callable[[], None] | None = None
    start: Callable[[], None] | None = None
    is_durable: bool = True


@contextmanager
def embedded(folder: Path) -> Iterator[Network]:
    with EmbeddedChain(folder / "conformance.chain", GENESIS, SEALER) as chain:
        yield Network(chain)


class Process:
    """A program that can be killed and started again."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, start_new_session=True)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, f"{self._command[0]} ended"
                assert time.monotonic() < deadline, f"{self._command[0]} does not listen"
                time.sleep(0.02)
            else:
                return

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait()


def free_ports(count: int) -> list[int]:
    """So many ports on which nobody listens, all of them different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in held]
    for server in held:
        server.close()
    return ports


def free_port() -> int:
    return free_ports(1)[0]


@contextmanager
def served(folder: Path) -> Iterator[Network]:
    """An embedded chain in another process, behind our JSON-RPC server."""
    port = free_port()
    program = Path(__file__).with_name("serve.py")
    server = Process([sys.executable, str(program), str(folder / "served.chain"), str(port)], port)
    server.start()
    try:
        with EthereumChain(f"http://127.0.0.1:{port}", chain_id=CHAIN_ID) as chain:
            yield Network(chain, server.kill, server.start)
    finally:
        server.kill()


@contextmanager
def anvil(folder: Path) -> Iterator[Network]:
    """Foundry's development node. Its state is in memory, and saved once, while it ends in order."""
    port = free_port()
    options = ["--port", str(port), "--chain-id", str(CHAIN_ID), "--gas-limit", str(GAS_LIMIT), "--quiet"]
    options += ["--gas-price", "0", "--base-fee", "0", "--hardfork", "cancun", "--order", "fifo", "--accounts", "1"]
    # It works on a batch in no fixed order, and now and then makes no block for what came before its nonce's turn:
    # the block of every second takes that along.
    options += ["--mixed-mining", "--block-time", "1", "--state", str(folder / "anvil.json")]
    node = Process([str(program("anvil")), *options], port)
    node.start()
    try:
        with EthereumChain(f"http://127.0.0.1:{port}", chain_id=CHAIN_ID) as chain:
            yield Network(chain, lambda: node.kill(signal.SIGTERM), node.start, is_durable=False)
    finally:
        node.kill()


@contextmanager
def consortium(folder: Path) -> Iterator[Network]:
    """Four nodes that CometBFT keeps equal; the engine asks the first one, which is the one that is killed."""
    try:
        find_cometbft()
    except ChainError as error:
        pytest.skip(str(error))
    names = ("hydro", "grid", "retailer", "industry")
    endpoints = iter([f"127.0.0.1:{port}" for port in free_ports(2 * len(names))])
    organisations = [Organisation(name, next(endpoints), next(endpoints), "", None, None) for name in names]
    found_network(NetworkSpec(CHAIN_ID, GAS_LIMIT, None, tuple(organisations)), folder / "consortium")
    nodes = [
        Process(
            [sys.executable, "-m", "gridbourse", "node", str(folder / "consortium" / organisation.name)],
            int(organisation.json_rpc.partition(":")[2]),
        )
        for organisation in organisations
    ]
    try:
        with ThreadPoolExecutor() as together:  # none answers before it has company
            list(together.map(Process.start, nodes))
        with EthereumChain(f"http://{organisations[0].json_rpc}", chain_id=CHAIN_ID) as chain:
            yield Network(chain, nodes[0].kill, nodes[0].start)
    finally:
        for node in nodes:
            node.kill(signal.SIGTERM)


NETWORKS: dict[str, Callable[[Path], AbstractContextManager[Network]]] = {
    "embedded": embedded,
    "json-rpc": served,
    "anvil": anvil,
    "consortium": consortium,
}
