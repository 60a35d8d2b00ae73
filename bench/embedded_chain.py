"""How many orders the embedded chain takes, how fast it opens again, and where the time goes.

Every order is signed beforehand. A round ends when the last receipt is there, so every block is executed, hashed,
sealed and synced to the disk of the output folder. The process is held to one core where the system can do that.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridbourse.chain.integrity import reexecute
from gridbourse.chain.store import Store

from bench.report import Report, Spread, output_folder
from bench.scene import Kind, Scene
from bench.stopwatch import Stopwatch
from gridbourse.chain.embedded import EmbeddedChain

GOAL_EACH_PER_S = 5_000
GOAL_TOGETHER_PER_S = 30_000
GOAL_OPEN_PER_S = 30_000

MANY_SENDERS = 64
ORDERS_PER_ROUND = 5_000
ROUNDS = 9
"""They follow each other on one chain. The first warms up, the last is split into parts; neither is counted."""

OPENINGS = 4

_TAKING_IN = {
    "recovering signers": ["gridbourse.chain.transaction.recover"],
    "decoding transactions": ["gridbourse.chain.transaction.SignedTransaction.decode"],
    "checking": ["gridbourse.chain.executor.Executor.check"],
    "EVM": ["gridbourse.chain.evm.Evm.execute"],
    "collecting changes": ["gridbourse.chain.evm.Evm.finish"],
    "encoding": ["gridbourse.chain.block.Receipt.encode", "gridbourse.chain.block.AccountChange.encode"],
    "tree hashes": ["gridbourse.chain.local.merkle_root"],
    "SQLite": ["gridbourse.chain.store.Store.append"],
    "applying changes": ["gridbourse.chain.evm.Evm.apply"],
}
_OPENING = {
    "page digests": ["gridbourse.chain.local.check_page_digests"],
    "integrity check": ["gridbourse.chain.store.Store.structural_damage"],
    "reading rows": ["gridbourse.chain.store.Store.block"],
    "transaction hashes": ["gridbourse.chain.integrity.keccak256"],
    "tree hashes": ["gridbourse.chain.integrity.merkle_root"],
    "decoding receipts": ["gridbourse.chain.store.StoredTransaction.decoded_receipt"],
    "decoding changes": ["gridbourse.chain.block.AccountChange.decode"],
    "state into the EVM": ["gridbourse.chain.evm.Evm.apply"],
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Orders and how they come.

    Parameters
    ----------
    kind
        What becomes of them.
    senders
        How many masters sign.
    per_transaction, per_block
        How many orders one transaction and one block carry.
    """

    kind: Kind
    senders: int
    per_transaction: int
    per_block: int

    def __str__(self) -> str:
        return f"{self.kind}, {self.senders} sender{'s' * (self.senders > 1)}, {self.per_block:,} per block"

    def sign_round(self, scene: Scene) -> list[list[bytes]]:
        """Transactions of one round, block by block."""
        if self.per_transaction == 1:
            raw_transactions = scene.sign_each(self.kind, ORDERS_PER_ROUND)
        else:
            raw_transactions = scene.sign_together(self.kind, ORDERS_PER_ROUND, self.per_transaction)
        size = self.per_block // self.per_transaction
        return [raw_transactions[start : start + size] for start in range(0, len(raw_transactions), size)]


EACH = [Workload(kind, senders, 1, 1_000) for kind in Kind for senders in (1, MANY_SENDERS)]
EACH += [Workload(Kind.RESTING, MANY_SENDERS, 1, per_block) for per_block in (100, 10)]
TOGETHER = [Workload(kind, 1, 250, 5_000) for kind in Kind]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one workload gave.

    Parameters
    ----------
    workload
        Which.
    orders
        Orders per second.
    processor
        Processor time in microseconds per order; the rest of the time the chain waited, mostly for the disk.
    taking_in
        Where the time goes, in microseconds per order.
    opened
        Transactions per second verified on opening.
    opening
        Where that time goes, in microseconds per transaction.
    executed
        Transactions per second when all blocks are run again.
    """

    workload: Workload
    orders: Spread
    processor: Spread
    taking_in: Mapping[str, float]
    opened: Spread
    opening: Mapping[str, float]
    executed: float


def main(folder: Path) -> None:
    """Measure and report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    report = Report(folder, "embedded_chain", "The embedded chain, durable, on one core")
    for title, workloads, goal in (
        ("One order per transaction", EACH, GOAL_EACH_PER_S),
        ("250 orders per transaction", TOGETHER, GOAL_TOGETHER_PER_S),
    ):
        with tempfile.TemporaryDirectory(dir=folder) as chains:
            found = [_measure(report, Path(chains), workload) for workload in workloads]
        _tabulate(report, title, found)
        for measured in found:
            if measured.workload.per_block >= 1_000:
                report.goal(f"{title}, {measured.workload}", measured.orders.median, "orders/s", at_least=goal)
        if workloads is EACH:
            opened = found[0].opened.median
            report.goal("Opening a chain", opened, "transactions/s", at_least=GOAL_OPEN_PER_S)
    report.write()


def _measure(report: Report, chains: Path, workload: Workload) -> Measured:
    path = chains / str(workload)
    scene = Scene(path, masters=workload.senders)
    rates, processor = [], []
    with scene.chain:
        for _ in report.progress(range(ROUNDS - 1), str(workload)):
            blocks = workload.sign_round(scene)
            begin = time.process_time()
            rates.append(ORDERS_PER_ROUND / _take_in(scene.chain, blocks))
            processor.append((time.process_time() - begin) / ORDERS_PER_ROUND * 1e6)
        blocks = workload.sign_round(scene)
        with Stopwatch(_TAKING_IN) as taking_in:
            _take_in(scene.chain, blocks)
    transactions = ROUNDS * ORDERS_PER_ROUND // workload.per_transaction
    openings = []
    for _ in report.progress(range(OPENINGS), "opening it again"):
        begin = time.perf_counter()
        chain = EmbeddedChain(path, scene.genesis, scene.sealer)
        openings.append(transactions / (time.perf_counter() - begin))
        chain.close()
    with Stopwatch(_OPENING) as opening:
        chain = EmbeddedChain(path, scene.genesis, scene.sealer)
    chain.close()
    return Measured(
        workload,
        Spread.of(rates[1:]),
        Spread.of(processor[1:]),
        _microseconds(taking_in, ORDERS_PER_ROUND),
        Spread.of(openings),
        _microseconds(opening, transactions),
        transactions / _execute(scene, path),
    )


def _take_in(chain: EmbeddedChain, blocks: Sequence[Sequence[bytes]]) -> float:
    begin = time.perf_counter()
    for raw_transactions in blocks:
        for receipt in chain.submit(raw_transactions):
            assert receipt.succeeded, receipt
    return time.perf_counter() - begin


def _execute(scene: Scene, path: Path) -> float:
    store = Store(path)
    begin = time.perf_counter()
    reexecute(store, scene.genesis)
    elapsed = time.perf_counter() - begin
    store.close()
    return elapsed


def _microseconds(stopwatch: Stopwatch, count: int) -> dict[str, float]:
    parts = {part: seconds / count * 1e6 for part, seconds in stopwatch.seconds.items()}
    return parts | {"together": sum(parts.values())}


def _tabulate(report: Report, title: str, found: Sequence[Measured]) -> None:
    names = {str(measured.workload): measured for measured in found}
    report.table(
        title,
        [
            {"orders": name, "orders/s": measured.orders, "processor µs per order": measured.processor}
            for name, measured in names.items()
        ],
    )
    report.table(
        f"{title}: where the time goes, in µs per order",
        [{"orders": name, **measured.taking_in} for name, measured in names.items()],
    )
    report.table(
        f"{title}: opening the chain again",
        [
            {
                "orders": name,
                "transactions/s verified": measured.opened,
                "transactions/s executed again": measured.executed,
            }
            for name, measured in names.items()
        ],
    )
    report.table(
        f"{title}: where the time of opening goes, in µs per transaction",
        [{"orders": name, **measured.opening} for name, measured in names.items()],
    )


if __name__ == "__main__":
    main(output_folder())
