"""The service under load: many who watch, many who place orders, and a kill at the end.

`python -m bench.load FOLDER` makes a region with 40 users, serves it with `gridbourse serve` in a process of its own,
lets 300 clients follow the event stream, most of them as the market page does, while 200 orders a second arrive, and
then kills the service, starts it again, and looks for every order that it had answered. The generator speaks HTTP/1.1
over plain sockets, to take as little as it can of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from uuid import uuid4

from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.database import Database
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import Role, Settings
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.layout import SERVICE_FILE
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth.credentials import Credentials
from gridbourse.service.rights import Kind, Principal, Scope

MASTERS = {"source": Role.SOURCE, "grid": Role.GRID, "aggregator": Role.AGGREGATOR, "user": Role.USER}
USERS_PER_MASTER = 10
DEPOSIT = 10**15
WARM_UP_SECONDS = 5.0
PERIODS = 40


@dataclass
class Measured:
    """What a run showed."""

    latencies: list[float] = field(default_factory=list)
    order_ids: list[str] = field(default_factory=list)
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    event_bytes: int = 0
    event_chunks: int = 0
    memory: list[tuple[float, int, dict[str, int]]] = field(default_factory=list)
    """Seconds since the start, orders placed, bytes in use by process."""
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict)
    """By process, since its start."""


class Connection:
    """One HTTP/1.1 connection that is kept."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        self._authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, bytes]:
        """Send a request; returns status and body. One under a key is sent again where the connection had ended."""
        try:
            return await self._request(method, path, body, key)
        except (OSError, asyncio.IncompleteReadError):
            self._streams = None
            if not key:
                raise
            return await self._request(method, path, body, key)

    async def _request(self, method: str, path: str, body: object, key: str) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = json.dumps(body).encode() if body is not None else b""
        named = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._authorization}{named}"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        header = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in header.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return int(header[9:12]), await reader.readexactly(length)

    async def watch(self, measured: Measured, query: str) -> None:
        """Follow the event stream."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET /api/v1/events?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        try:
            while chunk := await reader.read(65_536):
                measured.event_bytes += len(chunk)
                measured.event_chunks += 1
        finally:
            writer.close()


def watched(turn: int) -> str:
    """What one of many watches: eight of ten have a period's market page open, one the first page, one takes all."""
    if turn % 10 == 0:
        return ""
    if turn % 10 == 1:
        return "topics=trades&topics=blocks"
    return f"topics=book&topics=trades&period={tomorrow() + turn % PERIODS}"


def tomorrow() -> int:
    """First delivery period of the next day."""
    return DeliveryCalendar().periods(int(time.time()) // 86_400 + 1).start


def prepare(folder: Path) -> dict[str, str]:
    """Make the region, with money for everybody; returns a token for each user."""
    settings = Settings(3_600, 0, 60_000, 60, 256)
    spec = RegionSpec(
        "load",
        9_100,
        settings,
        tuple(
            MasterSpec(
                name,
                role,
                tuple(NodeSpec(f"{name} {turn}", NodeKind.PV, "here") for turn in range(USERS_PER_MASTER)),
            )
            for name, role in MASTERS.items()
        ),
    )
    nodes = {node.node_id: master.name for master in spec.masters for node in master.nodes}
    today = int(time.time()) // 86_400
    with Region.create(folder, spec) as region:
        for day in (today, today + 1):
            region.open_day(day)
            region.deposit(dict.fromkeys(nodes, DEPOSIT), day, day.to_bytes(32, "big"))
    store, keys = ServiceStore(folder / SERVICE_FILE), RegionKeys(folder).nodes
    registry = ParticipantRegistry(Database.of(folder))
    credentials = Credentials(store, registry, {}, spec.chain_id, lambda: int(time.time()))
    tokens = {}
    for node_id, master in nodes.items():
        principal = Principal(Kind.NODE, node_id, master, keys=keys.load_node(node_id))
        _, tokens[node_id] = credentials.create_token(principal, "load", [Scope.READ, Scope.TRADE], 86_400)
    store.close()
    return tokens


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the service."""
    command = [str(Path(sys.executable).with_name("gridbourse")), "serve", str(folder), "--port", str(port)]
    with (folder.parent / "service.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


async def wait_until_ready(port: int, seconds: float = 300.0) -> float:
    """Wait for the service; returns how long it took."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            status, _ = await Connection(port).request("GET", "/ready")
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        if status == 200:
            return time.monotonic() - started
        await asyncio.sleep(0.1)
    raise SystemExit("the service did not get ready")


async def place_orders(port: int, tokens: dict[str, str], rate: float, seconds: float, measured: Measured) -> None:
    """Let orders arrive at random moments, whatever becomes of those before."""
    chance = random.Random(1)
    idle = {node_id: [Connection(port, token)] for node_id, token in tokens.items()}
    running: set[asyncio.Task[None]] = set()
    began, due = time.monotonic(), 0.0

    async def place(node_id: str, order: dict[str, object]) -> None:
        pool = idle[node_id]
        connection = pool.pop() if pool else Connection(port, tokens[node_id])
        sent = time.perf_counter()
        try:
            status, body = await connection.request("POST", "/api/v1/orders", order, uuid4().hex)
        except (OSError, asyncio.IncompleteReadError) as error:
            measured.failures.append(repr(error))
            return
        pool.append(connection)
        if time.monotonic() - began > WARM_UP_SECONDS:
            measured.latencies.append(time.perf_counter() - sent)
        if status != 201:
            measured.failures.append(f"{status} {body[:200]!r}")
        elif (order_id := json.loads(body)["order_id"]) is None:
            measured.refused += 1
        else:
            measured.order_ids.append(order_id)

    while due < seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        # Half of what is wanted and half of what is offered meets nobody: books grow, and deals are made.
        side = chance.choice(["ask", "bid"])
        order: dict[str, object] = {
            "side": side,
            "energy_types": ["pv"],
            "period": tomorrow() + chance.randrange(PERIODS),
            "energy_wh": chance.randrange(1, 50) * 1_000,
            "price_ticks": round(chance.gauss(4_100 if side == "ask" else 3_900, 150)),
        }
        task = asyncio.create_task(place(chance.choice(list(tokens)), order))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def sample(process: subprocess.Popen[bytes], measured: Measured) -> None:
    """Note once a second how much memory and time the web server and the region's process take."""
    started = time.monotonic()
    ticks = os.sysconf("SC_CLK_TCK")
    (region,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split()
    processes = {"web server": process.pid, "region": int(region)}
    while True:
        resident = dict.fromkeys(processes, 0)
        for name, pid in processes.items():
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
            (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            resident[name] = int(kilobytes) * 1024
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
            measured.cpu_seconds.setdefault(name, []).append((int(fields[11]) + int(fields[12])) / ticks)
        measured.memory.append((time.monotonic() - started, len(measured.order_ids), resident))
        await asyncio.sleep(1)


async def lost(port: int, tokens: dict[str, str], order_ids: list[str]) -> int:
    """How many of the answered orders the service does not know."""
    known: set[str] = set()
    for token in tokens.values():
        connection, cursor = Connection(port, token), ""
        while True:
            status, body = await connection.request("GET", f"/api/v1/orders?limit=500{cursor}")
            if status == 429:
                await asyncio.sleep(1)
                continue
            page = json.loads(body)
            known |= {order["order_id"] for order in page["items"]}
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    return len(set(order_ids) - known)


async def run(folder: Path, port: int, watchers: int, rate: float, seconds: float) -> dict[str, object]:
    """Run the whole of it; returns the report."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokens, measured = prepare(folder / "region"), Measured()
    process = start(folder / "region", port)
    await wait_until_ready(port)
    watching = []
    for turn in range(watchers):
        watching.append(asyncio.create_task(Connection(port).watch(measured, watched(turn))))
        await asyncio.sleep(0.025)  # one address may open so many a second
    sampling = asyncio.create_task(sample(process, measured))
    began = time.monotonic()
    await place_orders(port, tokens, rate, seconds, measured)
    took = time.monotonic() - began
    still_watching = sum(not task.done() for task in watching)
    for task in (sampling, *watching):
        task.cancel()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = start(folder / "region", port)
    restart_seconds = await wait_until_ready(port)
    missing = await lost(port, tokens, measured.order_ids)
    process.terminate()
    process.wait(60)
    return summary(measured, took, watchers, still_watching, missing, restart_seconds, rate, seconds)


def summary(
    measured: Measured,
    took: float,
    watchers: int,
    still_watching: int,
    missing: int,
    restart_seconds: float,
    rate: float,
    seconds: float,
) -> dict[str, object]:
    """What the run showed, as numbers."""
    parts = quantiles(measured.latencies, n=1_000)
    _, orders_first, memory_first = measured.memory[len(measured.memory) // 3]
    _, orders_last, memory_last = measured.memory[-1]
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load average of the machine": round(os.getloadavg()[1], 1),
        "watchers": watchers,
        "watchers to the end": still_watching,
        "orders wanted per second": rate,
        "seconds": seconds,
        "orders answered": len(measured.order_ids) + measured.refused,
        "orders per second": round((len(measured.order_ids) + measured.refused) / took, 1),
        "refused by the market": measured.refused,
        "failures": len(measured.failures),
        "examples of failures": measured.failures[:3],
        "placing, ms, median": round(parts[499] * 1e3, 1),
        "placing, ms, p90": round(parts[899] * 1e3, 1),
        "placing, ms, p99": round(parts[989] * 1e3, 1),
        "placing, ms, p99.9": round(parts[998] * 1e3, 1),
        "events to watchers, MB": round(measured.event_bytes / 1e6, 1),
        "CPU seconds per second": {
            name: round((seconds[-1] - seconds[0]) / took, 2) for name, seconds in measured.cpu_seconds.items()
        },
        "memory at a third, MB": {name: round(size / 1e6, 1) for name, size in memory_first.items()},
        "memory at the end, MB": {name: round(size / 1e6, 1) for name, size in memory_last.items()},
        "memory per further order, bytes": {
            name: round((memory_last[name] - memory_first[name]) / max(1, orders_last - orders_first))
            for name in memory_last
        },
        "orders lost by a kill": missing,
        "restart after the kill, s": round(restart_seconds, 1),
    }


def main() -> None:
    """Run, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the region and the report go")
    parser.add_argument("--watchers", type=int, default=300)
    parser.add_argument("--rate", type=float, default=200.0, help="orders a second")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--port", type=int, default=18_300)
    given = parser.parse_args()
    report = asyncio.run(run(given.folder, given.port, given.watchers, given.rate, given.seconds))
    text = json.dumps(report, indent=2)
    (given.folder / "load.json").write_text(text + "\n", "utf-8")
    print(text)
    shutil.rmtree(given.folder / "region")


if __name__ == "__main__":
    main()
