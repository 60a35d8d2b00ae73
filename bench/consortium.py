"""Four validators with CometBFT on this machine: orders per second, latency, memory, and the loss of a proposer.

Every node is a process of its own with a CometBFT of its own, and is asked over its JSON-RPC by one client that
signs for one master. All of it, clients included, shares the cores of this machine. Beside it the same signed
transactions go to one embedded chain and to anvil.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread

from bench.engines import Anvil, Embedded, Engine, Mining
from bench.report import Report, Row, Spread, output_folder
from bench.scene import CHAIN_ID, Kind, Scene
from gridbourse.chain.cometbft.description import NetworkSpec, Organisation
from gridbourse.chain.cometbft.folder import NodeFolder, found_network
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.node.folder.chains import BLOCK_GAS_LIMIT

NODES = 4
ROUNDS = 5
"""The first warms up and is not counted."""
SINGLE_ORDERS = {Kind.RESTING: 2_000, Kind.MATCHING: 2_000}
BATCHED_ORDERS = {Kind.RESTING: 60_000, Kind.MATCHING: 20_000}
PER_TRANSACTION, PER_REQUEST = 250, 250
LATENCY_ORDERS, LOST_PROPOSERS = 100, 12
LOAD_PER_REQUEST, LOAD_SECONDS = 50, 0.25
"""The steady load beside which latency is measured."""
_PATIENCE_SECONDS = 300.0
_CONSORTIUM = "consortium"


class Consortium:
    """A running network whose genesis names the scene's masters.

    Parameters
    ----------
    folder
        Where the nodes keep their files.
    scene
        Whose transactions it will run.
    """

    def __init__(self, folder: Path, scene: Scene) -> None:
        accounts = [wallet.address for wallet in scene.wallets]
        endpoints = iter(_endpoints(3 * len(accounts)))
        organisations = tuple(
            Organisation(f"node{number}", next(endpoints), next(endpoints), next(endpoints), account, None)
            for number, account in enumerate(accounts)
        )
        self.folders = found_network(NetworkSpec(CHAIN_ID, BLOCK_GAS_LIMIT, accounts[0], organisations), folder)
        self._owner = {account: number for number, account in enumerate(accounts)}
        command = [sys.executable, "-m", "gridbourse", "node"]
        # Four CometBFTs share the cores: with one Go thread each they spend less on waking threads.
        environment = {**os.environ, "GOMAXPROCS": "1"}
        self._nodes = [
            subprocess.Popen([*command, str(own.path)], stdout=subprocess.DEVNULL, env=environment)
            for own in self.folders
        ]
        with ThreadPoolExecutor(NODES) as together:
            self.clients = list(together.map(_connect, self.folders))

    def shares(self, raw_transactions: Sequence[bytes]) -> list[list[bytes]]:
        """What each master's client sends to its own node."""
        shares: list[list[bytes]] = [[] for _ in self.clients]
        for raw in raw_transactions:
            shares[self._owner[SignedTransaction.decode(raw).sender]].append(raw)
        return shares

    def submit(self, shares: Sequence[Sequence[bytes]]) -> None:
        """Send all shares at once; returns when all are final, each on the node it was sent to."""
        with ThreadPoolExecutor(NODES) as together:
            list(together.map(_submit, self.clients, shares))

    def cpu_seconds(self) -> tuple[float, float]:
        """What all nodes and all their CometBFTs have computed so far."""
        pids = [self._pids(number) for number in range(NODES)]
        return sum(_cpu_seconds(node) for node, _ in pids), sum(_cpu_seconds(comet) for _, comet in pids)

    def proposer(self) -> int:
        """Number of the node whose turn it is."""
        url = f"http://{self.folders[0].settings().light_client}/consensus_state"
        with urllib.request.urlopen(url, timeout=10) as answer:
            address = json.load(answer)["result"]["round_state"]["proposer"]["address"]
        addresses = [own.public_keys().address.hex().upper() for own in self.folders]
        return addresses.index(address)

    @contextmanager
    def cut_off(self, number: int) -> Iterator[None]:
        """A node stands still: it neither answers nor hangs up."""
        for pid in self._pids(number):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in self._pids(number):
                os.kill(pid, signal.SIGCONT)

    def memory_mb(self, number: int) -> tuple[float, float]:
        """Resident memory of a node and of its CometBFT."""
        node, comet = self._pids(number)
        return _resident_mb(node), _resident_mb(comet)

    def wait_equal(self) -> None:
        """Wait until all nodes have the same newest block."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len({client.head().hash for client in self.clients}) > 1:
            assert time.monotonic() < deadline, "the nodes do not become equal"
            time.sleep(0.05)

    def close(self) -> None:
        """End all nodes."""
        for client in self.clients:
            client.close()
        for node in self._nodes:
            node.terminate()
        for node in self._nodes:
            node.wait()

    def _pids(self, number: int) -> tuple[int, int]:
        pid = self._nodes[number].pid
        children = [Path(task, "children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
        [comet] = [int(child) for found in children for child in found]
        return pid, comet


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "consortium", f"{NODES} validators with CometBFT")
    with tempfile.TemporaryDirectory(dir=folder) as chains, ExitStack() as running:
        scene = Scene(Path(chains) / "author", masters=NODES)
        running.callback(scene.chain.close)
        network = Consortium(Path(chains) / "network", scene)
        running.callback(network.close)
        embedded = Embedded(Path(chains) / "embedded", scene.genesis, scene.sealer)
        running.callback(embedded.close)
        anvil = Anvil(CHAIN_ID, Mining.EVERY_SECOND)
        running.callback(anvil.close)
        for height in range(1, scene.chain.head().height + 1):
            for raw in scene.chain.block(height).transactions:
                for engine in (embedded, anvil):
                    engine.submit([[raw]])
                network.submit(network.shares([raw]))
        engines: dict[str, Engine] = {"embedded": embedded, "anvil, a block per second": anvil}
        single = _throughput(report, scene, network, engines, SINGLE_ORDERS, 1)
        batched = _throughput(report, scene, network, engines, BATCHED_ORDERS, PER_TRANSACTION)
        finality = _latency(report, scene, network)
        lost = _lost_proposers(report, scene, network)
        _memory(report, network)
        network.wait_equal()
    report.goal("Orders signed one by one, above Besu's QBFT", single, "/s", at_least=645)
    report.goal(f"Orders, {PER_TRANSACTION} per transaction", batched, "/s", at_least=10_000)
    report.goal("Finality within 2 s: 2 s / the 99th percentile", 2 / finality, "times", at_least=1)
    report.goal("Finality within 6 s without the proposer: 6 s / the longest", 6 / lost, "times", at_least=1)
    report.write()


def _throughput(
    report: Report,
    scene: Scene,
    network: Consortium,
    others: Mapping[str, Engine],
    counts: Mapping[Kind, int],
    together: int,
) -> float:
    """Orders per second of each engine; returns the consortium's median for resting orders."""
    rates: dict[tuple[str, Kind], list[float]] = {}
    cpu: dict[Kind, list[tuple[float, float]]] = {kind: [] for kind in Kind}
    for turn in report.progress(range(ROUNDS), f"{together} orders per transaction"):
        for kind, orders in counts.items():
            raws = scene.sign_each(kind, orders) if together == 1 else scene.sign_together(kind, orders, together)
            shares = network.shares(raws)
            node, comet = network.cpu_seconds()
            seconds = {_CONSORTIUM: _elapsed(partial(network.submit, shares))}
            network.wait_equal()
            node_after, comet_after = network.cpu_seconds()
            cpu[kind].append((1e6 * (node_after - node) / orders, 1e6 * (comet_after - comet) / orders))
            for name, engine in others.items():
                seconds[name] = _elapsed(partial(engine.submit, _requests(raws)))
            if turn:
                for name, value in seconds.items():
                    rates.setdefault((name, kind), []).append(orders / value)
    rows: list[Row] = [
        {"engine": name, **{f"{kind}, orders/s": Spread.of(rates[name, kind]) for kind in Kind}}
        for name in (_CONSORTIUM, *others)
    ]
    amounts = ", ".join(f"{orders:,} {kind}" for kind, orders in counts.items())
    report.table(f"Orders, {amounts}; {together} per transaction, {NODES} senders", rows)
    report.table(
        f"CPU time per order of all {NODES} nodes together, µs, {together} per transaction",
        [
            {
                "orders": kind,
                "executors and JSON-RPC": Spread.of(node for node, _ in cpu[kind][1:]),
                "CometBFT": Spread.of(comet for _, comet in cpu[kind][1:]),
            }
            for kind in Kind
        ],
    )
    return Spread.of(rates[_CONSORTIUM, Kind.RESTING]).median


def _latency(report: Report, scene: Scene, network: Consortium) -> float:
    """From send to final, one order after the other, alone and beside others; returns the idle 99th percentile."""
    rows: list[Row] = []
    worst = []
    for name, background in (("alone", False), (f"beside {LOAD_PER_REQUEST / LOAD_SECONDS:.0f} orders/s", True)):
        with _steady_load(scene, network) if background else ExitStack():
            waits = [_time(network, raw) for raw in scene.sign_each(Kind.RESTING, LATENCY_ORDERS, masters=[0])]
        cuts = quantiles(waits, n=100, method="inclusive")
        rows.append({"load": name, "p50, s": cuts[49], "p99, s": cuts[98]})
        worst.append(cuts[98])
    report.table("From send to final, one order at a time, over JSON-RPC", rows)
    return worst[0]


def _lost_proposers(report: Report, scene: Scene, network: Consortium) -> float:
    """From send to final when the node whose turn it is stands still; returns the longest."""
    waits: list[float] = []
    while len(waits) < LOST_PROPOSERS:
        time.sleep(1.5)
        victim = network.proposer()
        if victim == 0:  # the client of node 0 sends
            network.submit([scene.sign_each(Kind.RESTING, 1, masters=[0])])
            continue
        with network.cut_off(victim):
            waits.append(_time(network, scene.sign_each(Kind.RESTING, 1, masters=[0])[0]))
    report.table("From send to final without the proposer", [{"s": Spread.of(waits), "longest, s": max(waits)}])
    return max(waits)


def _memory(report: Report, network: Consortium) -> None:
    rows: list[Row] = []
    for number in range(NODES):
        node, comet = network.memory_mb(number)
        rows.append({"node": number, "executor and JSON-RPC, MB": node, "CometBFT, MB": comet})
    report.table("Resident memory at the end", rows)


@contextmanager
def _steady_load(scene: Scene, network: Consortium) -> Iterator[None]:
    """Another master sends all the time."""
    raws = scene.sign_each(Kind.RESTING, 12_000, masters=[1])
    ending = Event()

    def send() -> None:
        for request in _requests(raws, LOAD_PER_REQUEST):
            network.clients[1].send(request)
            if ending.wait(LOAD_SECONDS):
                return

    sender = Thread(target=send)
    sender.start()
    yield
    ending.set()
    sender.join()


def _time(network: Consortium, raw: bytes) -> float:
    return _elapsed(lambda: network.clients[0].submit([raw]))


def _elapsed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _submit(client: EthereumChain, raws: Sequence[bytes]) -> None:
    """Send one master's transactions; its nonces put them in order, so the last one tells for all."""
    hashes = [tx_hash for request in _requests(raws) for tx_hash in client.send(request)]
    for receipt in client.wait(hashes[-1:], timeout_seconds=_PATIENCE_SECONDS):
        assert receipt.succeeded, "an order was refused"


def _requests(raws: Sequence[bytes], size: int = PER_REQUEST) -> list[Sequence[bytes]]:
    return [raws[start : start + size] for start in range(0, len(raws), size)]


def _connect(own: NodeFolder) -> EthereumChain:
    return EthereumChain(f"http://{own.settings().json_rpc}", patience_seconds=_PATIENCE_SECONDS)


def _endpoints(count: int) -> list[str]:
    """Free ports, all different: each is held until the last is found."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{found.getsockname()[1]}" for found in sockets]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    [kilobytes] = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line]
    return int(kilobytes) / 1_000


if __name__ == "__main__":
    main(output_folder())
