"""How many questions a second our JSON-RPC server answers, beside anvil.

Both hold the same orders and deals. One caller asks one question after the other on one connection, by the same few
lines of Python; the server is a process of its own. Ours reads from a file, anvil from memory.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.engines import Anvil, Mining, Served
from bench.report import Report, Row, Spread, output_folder
from bench.scene import CHAIN_ID, Kind, Scene
from gridbourse.crypto.keys import keccak256

ORDERS, PER_BATCH = 2_000, 500
ROUNDS = 9
"""The first warms up and is not counted."""

_OURS, _ANVIL = "ours", "anvil"


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "rpc", "Questions to our JSON-RPC server and to anvil")
    with tempfile.TemporaryDirectory(dir=folder) as chains, ExitStack() as running:
        scene = Scene(Path(chains) / "author", masters=1)
        running.callback(scene.chain.close)
        servers: dict[str, Served | Anvil] = {
            _OURS: Served(Path(chains) / "served", scene.genesis, scene.sealer),
            _ANVIL: Anvil(CHAIN_ID, Mining.PER_BATCH),
        }
        for server in servers.values():
            running.callback(server.close)
        hashes = _fill(scene, servers)
        callers = {name: _Caller(server.url) for name, server in servers.items()}
        rows: list[Row] = []
        for what, times, request in _questions(scene, hashes):
            seconds: dict[str, list[float]] = {name: [] for name in callers}
            for _ in report.progress(range(ROUNDS), what):
                for name, caller in callers.items():
                    begin = time.perf_counter()
                    for _ in range(times):
                        caller.ask(request)
                    seconds[name].append((time.perf_counter() - begin) / times)
            rows.append(_row(what, {name: values[1:] for name, values in seconds.items()}))
    report.table(f"One caller, one connection, a chain of {ORDERS:,} orders", rows)
    report.write()


def _fill(scene: Scene, servers: Mapping[str, Served | Anvil]) -> list[bytes]:
    """Put the author's blocks and many orders on every chain; returns the orders' hashes."""
    heights = range(1, scene.chain.head().height + 1)
    batches: list[Sequence[bytes]] = [[raw] for height in heights for raw in scene.chain.block(height).transactions]
    raws = scene.sign_each(Kind.MATCHING, ORDERS)
    batches += [raws[start : start + PER_BATCH] for start in range(0, ORDERS, PER_BATCH)]
    for server in servers.values():
        effects = server.submit(batches)
        assert all(effect.succeeded for effect in effects), "an order is refused"
    return [keccak256(raw) for raw in raws]


def _questions(scene: Scene, hashes: Sequence[bytes]) -> list[tuple[str, int, Any]]:
    """What is asked, how often in a round, and the request."""
    market = "0x" + scene.market.address.hex()
    call = {"to": market, "data": "0x" + keccak256(b"dealCount()")[:4].hex()}
    receipts = [_request("eth_getTransactionReceipt", "0x" + each.hex()) for each in hashes[:PER_BATCH]]
    return [
        ("eth_blockNumber", 100, _request("eth_blockNumber")),
        ("eth_call", 100, _request("eth_call", call, "latest")),
        ("eth_getTransactionReceipt", 100, receipts[0]),
        (f"{PER_BATCH} receipts in a batch", 1, receipts),
        ("eth_getLogs, all events", 1, _request("eth_getLogs", {"address": market, "fromBlock": "0x1"})),
        ("a block with its transactions", 2, _request("eth_getBlockByNumber", "latest", True)),  # noqa: FBT003
    ]


def _row(what: str, seconds: Mapping[str, Sequence[float]]) -> Row:
    ratio = Spread.of([theirs / ours for ours, theirs in zip(seconds[_OURS], seconds[_ANVIL], strict=True)])
    milliseconds = {f"{name}, ms": Spread.of([value * 1_000 for value in values]) for name, values in seconds.items()}
    return {"question": what, **milliseconds, "anvil : ours": ratio}


class _Caller:
    """Asks and reads the answer."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, request: Any) -> None:
        self._connection.request("POST", "/", json.dumps(request), {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        answers = answer if isinstance(answer, list) else [answer]
        assert all(entry.get("result") is not None for entry in answers), answers[0]


def _request(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


if __name__ == "__main__":
    main(output_folder())
