"""Nodes under load are killed at random, application, CometBFT or both; nothing acknowledged is lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from networks import NAMES, Network, eventually, require_cometbft
from probe import deployment

from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.genesis import read_genesis
from gridbourse.crypto.keys import SigningKey

SCRIPT = Path(__file__).with_name("loaded_node.py")
LIBRARY = os.pathsep.join(str(SCRIPT.parents[level]) for level in (0, 1))
NODE, COMET, BOTH = "the node", "its CometBFT", "both"


class LoadedNode:
    """A node in a process of its own that sends all the time; it can be killed and started again."""

    def __init__(self, folder: Path, probe: bytes, seed: int) -> None:
        self._command = [sys.executable, str(SCRIPT), str(folder), probe.hex(), (bytes([seed]) * 32).hex()]
        self.acknowledged: list[bytes] = []
        self.start()

    def start(self) -> None:
        self.heads: list[str] = []
        self.stopped = False
        self.comet_pid: int | None = None
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": LIBRARY},
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def kill(self, what: str) -> None:
        if what != COMET:
            self.process.kill()
        if what != NODE and self.comet_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.comet_pid, signal.SIGKILL)
        if what != COMET:
            self.process.wait()
            self._reader.join()
            self.start()

    def end(self) -> None:
        """Kill what is left of it."""
        self.process.kill()
        if self.comet_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.comet_pid, signal.SIGKILL)

    def ask(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._reader.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            word, *values = line.split()
            if word == "done" and line.endswith("\n"):
                self.acknowledged.append(bytes.fromhex(values[0]))
            elif word == "ready":
                self.comet_pid = int(values[0])
            elif word == "head":
                self.heads.append(line)
            elif word == "stopped":
                self.stopped = True


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.nightly)])
def test_killed_at_random_nothing_acknowledged_is_lost_and_all_nodes_are_equal(tmp_path, kills):
    require_cometbft()
    network = Network(tmp_path)
    network.start()
    [receipt] = network["hydro"].chain.submit([deployment()])
    network.wait_equal()
    network.stop()
    nodes = {
        name: LoadedNode(tmp_path / name, receipt.contract_address, seed) for seed, name in enumerate(NAMES, start=0x41)
    }
    with ExitStack() as cleaning:
        for node in nodes.values():
            cleaning.callback(node.end)
        _kill_at_random(nodes, kills)
        _come_to_rest(nodes)
        for node in nodes.values():
            node.close()
        cleaning.pop_all()
    _check_files(tmp_path, nodes)


def _kill_at_random(nodes, kills):
    chosen = random.Random(kills)
    eventually(lambda: all(node.acknowledged for node in nodes.values()))
    for turn in range(kills):
        time.sleep(chosen.uniform(0.2, 2.0))
        victim = chosen.choice(list(nodes.values()))
        eventually(lambda victim=victim: victim.comet_pid is not None)
        victim.kill((NODE, COMET, BOTH)[turn % 3])
    # Everybody is back and goes on.
    before = {name: len(node.acknowledged) for name, node in nodes.items()}
    eventually(lambda: all(len(node.acknowledged) > before[name] for name, node in nodes.items()), seconds=120)


def _come_to_rest(nodes):
    for node in nodes.values():
        node.ask("stop")
    eventually(lambda: all(node.stopped for node in nodes.values()), seconds=120)

    def at_rest() -> bool:
        for node in nodes.values():
            node.heads.clear()
            node.ask("head")
        eventually(lambda: all(node.heads for node in nodes.values()))
        return len({node.heads[-1] for node in nodes.values()}) == 1

    eventually(at_rest)


def _check_files(folder, nodes):
    heads = set()
    for name in nodes:
        own = NodeFolder(folder / name)
        genesis, membership = read_genesis(own.genesis)
        chain = CometChain(own.chain, genesis, membership, lambda _: None)
        chain.verify()
        heads.add(chain.head().hash)
        sealed = [
            receipt.transaction_hash
            for height in range(1, chain.head().height + 1)
            for receipt in chain.block(height).receipts
        ]
        assert len(set(sealed)) == len(sealed)
        for seed, node in enumerate(nodes.values(), start=0x41):
            assert set(node.acknowledged) <= set(sealed)
            assert len(set(node.acknowledged)) == len(node.acknowledged)
            assert chain.next_nonce(SigningKey(bytes([seed]) * 32).address) >= len(node.acknowledged)
        chain.close()
    assert len(heads) == 1
