"""What the index costs: taking blocks in, full ones and small ones, answering, and starting again.

Blocks are made beforehand; time is processor time, because the index waits for no disk: what a power cut takes of it is
read from the chains again. The start is that of a region with real chains, records and keys.
"""

from __future__ import annotations

import gc
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.report import Report, Row, Spread, output_folder
from bench.stopwatch import Stopwatch
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.crypto.keys import Address
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.blocks import Block, Head, MainBlock, SlaveBlock
from gridbourse.index.database import Database
from gridbourse.index.index import Index
from gridbourse.index.queries.reader import IndexReader
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.events import Deposited, Event, IntentRecorded, OrderPlaced, TraderRegistered
from gridbourse.market.types import EnergyType, Offer, OrderId, Role, Settings, Side
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

GOAL_PER_S = 30_000
GOAL_START_S = 5.0

ORDERS = 60_000
PER_BLOCK = 1_000
USERS = 300
PERIODS = 96
FIRST_PERIOD = 2_000_000
ROUNDS = 9
SMALL_STEPS = 300
QUESTIONS = 50
ORDERS_AT_ONCE = 500
MASTER = Address(bytes(range(20)))


class Chains:
    """Makes blocks of a main chain and a slave chain.

    Parameters
    ----------
    is_matching
        Whether every second order meets the one before.
    """

    def __init__(self, *, is_matching: bool) -> None:
        self._is_matching = is_matching
        self._turns: Counter[tuple[int, Side, int]] = Counter()
        self._height = self._orders = self._deals = 0

    def begin(self) -> list[Block]:
        """Who trades, with money."""
        traders = range(1, USERS + 1)
        events: list[Event] = [TraderRegistered(trader, 1, _digest("pseudonym", trader)) for trader in traders]
        events += [Deposited(trader, 10**18, bytes(32)) for trader in traders]
        return self._blocks(events, [])

    def orders(self, count: int) -> list[Block]:
        """A block of each chain with so many orders."""
        events: list[Event] = []
        details: list[OrderDetails] = []
        asked = OrderId(FIRST_PERIOD, Side.ASK, 0, 0)
        for turn in range(count):
            side, period = Side(turn & 1), FIRST_PERIOD + (turn >> 1) % PERIODS
            ask_ticks = 3_600 + (turn >> 1) * 7 % 50
            ticks = ask_ticks if side is Side.ASK or self._is_matching else 3_500 - turn % 50
            place = period, side, ticks
            order_id = OrderId(*place, self._turns[place])
            self._turns[place] += 1
            types = EnergyType.PV if side is Side.ASK else EnergyType.any()
            trader, leaf = 1 + self._orders % USERS, _digest("leaf", self._orders)
            events.append(OrderPlaced(order_id, trader, types, 1_000, leaf))
            details.append(OrderDetails(f"node {trader}", "Roof 1", 1_000, side, types, period, 1_000, ticks))
            if self._is_matching and side is Side.BID:
                self._deals += 1
                events.append(IntentRecorded(self._deals, asked, order_id, 1_000, ticks, 2**31))
            asked = order_id
            self._orders += 1
        return self._blocks(events, details)

    def _blocks(self, events: Sequence[Event], details: Sequence[OrderDetails]) -> list[Block]:
        self._height += 1
        first = self._orders - len(details)
        records = [
            SlaveRecord(
                RecordHead(number, MASTER, 1, _digest("leaf", number), self._height, _digest("hash", number)), stated
            )
            for number, stated in enumerate(details, start=first)
        ]
        return [
            MainBlock(self._head("main"), tuple(events), (), (), ()),
            SlaveBlock("roofs", self._head("roofs"), tuple(records), MASTER),
        ]

    def _head(self, chain: str) -> Head:
        this, before = (_digest(chain, height) for height in (self._height, self._height - 1))
        return Head(self._height, self._height, this, before, 4)


def _digest(what: str, number: int) -> bytes:
    return hashlib.sha256(f"{what} {number}".encode()).digest()


def _index(folder: Path) -> Index:
    return Index(Database.of(folder), "bench", {1: "roofs"}, ["roofs"], DeliveryCalendar())


def full_blocks(report: Report, folder: Path, *, is_matching: bool) -> Row:
    """Microseconds an order in full blocks, round by round into a growing index."""
    index, chains = _index(folder), Chains(is_matching=is_matching)
    index.apply(chains.begin())
    rounds = []
    for _ in report.progress(range(ROUNDS), "matching" if is_matching else "resting"):
        blocks = [chains.orders(PER_BLOCK) for _ in range(ORDERS // PER_BLOCK // ROUNDS + 1)]
        gc.freeze()  # what is made for the measurement is not to be looked through in it
        begin = time.process_time()
        for step in blocks:
            index.apply(step)
        rounds.append((time.process_time() - begin) / PER_BLOCK / len(blocks) * 1e6)
    cost = Spread.of(rounds)
    return {
        "orders": "every second matches" if is_matching else "all rest",
        "µs an order": cost,
        "orders/s": 1e6 / cost.median,
    }


def small_steps(folder: Path) -> Iterator[Row]:
    """Microseconds an order where few come at a time, as in a service that is not busy."""
    index, chains = _index(folder), Chains(is_matching=False)
    index.apply(chains.begin())
    for count in (1, 4, 16):
        rounds = []
        for _ in range(ROUNDS):
            steps = [chains.orders(count) for _ in range(SMALL_STEPS // count)]
            begin = time.process_time()
            for step in steps:
                index.apply(step)
            rounds.append((time.process_time() - begin) / count / len(steps) * 1e6)
        yield {"orders a step": count, "µs an order": Spread.of(rounds)}


def questions(folder: Path) -> Iterator[Row]:
    """Milliseconds an answer takes from an index of many orders, every second of which matched."""
    index, chains = _index(folder), Chains(is_matching=True)
    index.apply(chains.begin())
    for _ in range(ORDERS // PER_BLOCK):
        index.apply(chains.orders(PER_BLOCK))
    for _ in range(4):
        index.apply(chains.orders(1))
    reader, periods = IndexReader(index.database), range(FIRST_PERIOD, FIRST_PERIOD + PERIODS)
    asked: dict[str, Callable[[], object]] = {
        "one order, by its record": lambda: reader.orders.with_leaf("roofs", _digest("leaf", 30_000)),
        "a side of a book": lambda: reader.orders.levels(FIRST_PERIOD, Side.ASK, EnergyType.any(), 50),
        "a page of a node's orders": lambda: reader.orders.newest(node_id="node 7", limit=50),
        "a page of a master's orders": lambda: reader.orders.newest(master="roofs", limit=50),
        "a page of the tape": lambda: reader.trades.tape(limit=50),
        "a day's prices": lambda: reader.trades.prices(periods, EnergyType.any()),
        "what waits in a day": lambda: reader.orders.waiting(periods),
        "the proof of a record": lambda: reader.records.inclusion_proof("roofs", 30_000, ORDERS),
    }
    for question, ask in asked.items():
        ask()
        times = []
        for _ in range(QUESTIONS):
            begin = time.process_time()
            ask()
            times.append((time.process_time() - begin) * 1e3)
        yield {"question": question, "ms": Spread.of(times)}


def starts(report: Report, folder: Path) -> Row:
    """Seconds until a region with many orders is open and its index up to date."""
    today = int(time.time()) // 86_400
    names = [f"Roof {number}" for number in range(USERS // 2)]
    nodes = tuple(NodeSpec(name, NodeKind.PV, "here") for name in names)
    house = NodeSpec("House", NodeKind.RESIDENTIAL, "here")
    masters = (MasterSpec("roofs", Role.AGGREGATOR, nodes), MasterSpec("grid", Role.GRID, (house,)))
    spec = RegionSpec("bench", 9_200, Settings(3_600, 0, 60_000, 60, 256), masters)
    with Region.create(folder, spec) as region:
        region.open_day(today + 1)
        first = region.calendar.periods(today + 1).start
        for turn in report.progress(range(ORDERS // ORDERS_AT_ONCE), "orders of a region"):
            numbers = range(turn * ORDERS_AT_ONCE, (turn + 1) * ORDERS_AT_ONCE)
            region.offer(
                [
                    (names[number % len(names)], Offer(Side.ASK, EnergyType.PV, first + number % PERIODS, 1_000, 3_600))
                    for number in numbers
                ],
                energy_quota_wh=2**40,
            )
    with (
        Stopwatch({"chains": ["gridbourse.node.folder.chains.ChainSet._embedded"]}) as watch,
        Region.open(folder) as region,
    ):
        opened = IndexReader(region.database).orders.placed_count()
    with Region.open(folder) as region:
        region.forget_index()
        begin = time.perf_counter()
        region.catch_up()
        rebuilt = time.perf_counter() - begin
    return {
        "orders": opened,
        "the chains' own opening, s": watch.seconds["chains"],
        "all else, s": watch.seconds["rest"],
        "building the index again, s": rebuilt,
    }


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "index", "The index, on one core")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        folders = [Path(scratch) / name for name in ("resting", "matching", "small", "asked")]
        for own in folders:
            own.mkdir()
        full = [
            full_blocks(report, own, is_matching=is_matching)
            for own, is_matching in zip(folders, (False, True), strict=False)
        ]
        report.table(f"Full blocks, {PER_BLOCK:,} orders and their records each", full)
        for row in full:
            rate = row["orders/s"]
            assert isinstance(rate, float), "it is a median"
            report.goal(f"Taken in, {row['orders']}", rate, "orders/s", at_least=GOAL_PER_S)
        report.table("Few orders at a time", list(small_steps(folders[2])))
        report.table(f"Answers from {ORDERS:,} orders", list(questions(folders[3])))
        start = starts(report, Path(scratch) / "region")
        report.table("A region that is opened again", [start])
        rest = start["all else, s"]
        assert isinstance(rest, float), "it is a time"
        report.goal("Ready beyond the chains' own opening", rest, "s", below=GOAL_START_S)
    report.write()


if __name__ == "__main__":
    main(output_folder())
