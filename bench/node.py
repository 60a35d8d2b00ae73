"""What an order costs the node: from a signed record to its place in the index, and what a round costs without orders.

A region of four masters with ten users each, all of it real: chains, seals, index, idempotency keys. Users have signed
beforehand, as their browsers or the web server do. Orders come in batches, as those do that arrive while the batch
before is written. Time is processor time of this process, all threads.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import Report, Row, Spread, output_folder
from bench.stopwatch import Stopwatch
from gridbourse.market.types import EnergyType, Offer, Role, Settings, Side
from gridbourse.node.commands.requests import IdempotencyKey, Submit
from gridbourse.node.folder.store import NodeStore
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region
from gridbourse.node.submission import RecordWriter
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.layout import NODE_FILE

GOAL_SHARE = 0.1

USERS_PER_MASTER = 10
DEPOSIT = 10**15
ROUNDS = 8
BATCHES = 20
IDLE_STEPS = 40
PERIODS = 40
PARTS = {
    "chains": ["gridbourse.chain.local.LocalChain.submit"],
    "records opened": ["gridbourse.ledger.encryption_node.EncryptionNode.open"],
    "index written": ["gridbourse.index.index.Index.apply"],
    "index asked": [f"gridbourse.index.database.Database.{name}" for name in ("rows", "first", "value")],
}


class Users:
    """Users of a region who sign orders: half of what is wanted and half of what is offered meets nobody."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._chance = random.Random(1)
        self._first = region.calendar.periods(region.calendar.day_at(region.clock()) + 1).start
        self._nodes = [node_id for master in region.masters.values() for node_id in master.nodes]

    def batch(self, count: int) -> list[Submit]:
        """Signed orders of so many users."""
        return [self._order(node_id) for node_id in self._chance.sample(self._nodes, count)]

    def _order(self, node_id: str) -> Submit:
        side = self._chance.choice(list(Side))
        price_ticks = round(self._chance.gauss(4_100 if side is Side.ASK else 3_900, 150))
        period, energy_wh = self._first + self._chance.randrange(PERIODS), self._chance.randrange(1, 50) * 1_000
        offer = Offer(side, EnergyType.PV, period, energy_wh, price_ticks)
        node = self._region.master_of(node_id).nodes[node_id]
        raw = node.offer(offer, energy_quota_wh=2**40)
        key = IdempotencyKey(node_id, self._chance.randbytes(16).hex(), self._chance.randbytes(32))
        return Submit(node_id, raw, key)


def region(folder: Path) -> Region:
    """A region whose users have money."""
    roles = {"source": Role.SOURCE, "grid": Role.GRID, "aggregator": Role.AGGREGATOR, "user": Role.USER}
    masters = tuple(
        MasterSpec(
            name,
            role,
            tuple(NodeSpec(f"{name} {turn}", NodeKind.PV, "here") for turn in range(USERS_PER_MASTER)),
        )
        for name, role in roles.items()
    )
    made = Region.create(folder, RegionSpec("bench", 9_300, Settings(600, 0, 60_000, 60, 256), masters))
    today = made.calendar.day_at(made.clock())
    nodes = [node_id for master in made.masters.values() for node_id in master.nodes]
    for day in (today, today + 1):
        made.open_day(day)
        made.deposit(dict.fromkeys(nodes, DEPOSIT), day, day.to_bytes(32, "big"))
    return made


def orders(opened: Region, store: NodeStore, users: Users, count: int) -> tuple[Row, float]:
    """Milliseconds an order in batches of a size; and what part of them goes to the index."""
    writer, rounds, seconds = RecordWriter(opened, store), list[float](), dict.fromkeys([*PARTS, "rest"], 0.0)
    for turn in range(ROUNDS):
        batches = [users.batch(count) for _ in range(BATCHES)]
        gc.freeze()
        watched = Stopwatch(PARTS, time.process_time)
        begin = time.process_time()
        with watched:
            for batch in batches:
                take_up(opened, writer, batch)
        if turn:  # the first one warms up
            rounds.append((time.process_time() - begin) / count / BATCHES * 1e3)
            seconds = {part: seconds[part] + taken for part, taken in watched.seconds.items()}
    together = sum(seconds.values())
    share = (seconds["index written"] + seconds["index asked"]) / together
    shares = {f"{part}, %": round(taken / together * 100, 1) for part, taken in seconds.items()}
    return {"orders a batch": count, "ms an order": Spread.of(rounds), **shares}, share


def take_up(opened: Region, writer: RecordWriter, batch: Sequence[Submit]) -> None:
    """What the thread that owns the region does with a batch."""
    for written in writer.write(batch):
        if isinstance(written, Exception):
            raise written
    opened.catch_up()
    opened.take_notice()


def rounds_without_orders(loop: RegionLoop) -> Row:
    """Milliseconds of a round in which nothing is to be done."""
    for _ in range(3):
        loop.step()
    times = []
    for _ in range(IDLE_STEPS):
        begin = time.process_time()
        loop.step()
        times.append((time.process_time() - begin) * 1e3)
    return {"a round without orders, ms": Spread.of(times)}


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "node", "An order in the node")
    with tempfile.TemporaryDirectory(dir=folder) as scratch, region(Path(scratch) / "region") as opened:
        store, users = NodeStore(opened.folder / NODE_FILE, opened.clock()), Users(opened)
        rows = []
        for count in (1, 8, 32):
            row, share = orders(opened, store, users, count)
            rows.append(row)
            if count == 8:
                told = share
        report.table(f"Orders, load average {os.getloadavg()[0]:.1f}", rows)
        report.table("Rounds", [rounds_without_orders(RegionLoop(opened))])
        report.goal("The index in an order's time, batches of 8", told, "", below=GOAL_SHARE)
        store.close()
    report.write()


if __name__ == "__main__":
    main(output_folder())
