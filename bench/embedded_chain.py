"""How many orders the embedded chain takes, how fast it opens again, and where the time goes.

Every order is signed beforehand. A round ends when the last receipt is there, so every block is executed, hashed,
sealed and synced to the disk of the output folder. The process is held to one core where the system can do that.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Report, Spread, output_folder
from bench.scene import Kind, Scene
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.transaction import SignedTransaction

GOAL_EACH_PER_S = {Kind.RESTING: 14_000, Kind.MATCHING: 11_000}
GOAL_TOGETHER_PER_S = {Kind.RESTING: 80_000, Kind.MATCHING: 50_000}
GOAL_OPEN_SECONDS = 2

MANY_SENDERS = 64
ORDERS_PER_ROUND = 5_000
ROUNDS = 9
"""They follow each other on one chain. The first warms up and is not counted."""

OPENINGS = 4


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
    recovering
        Microseconds per transaction for decoding it and recovering its signer, alone.
    opened
        Seconds until the chain is open again.
    verified
        Transactions per second when every page is read and every block run again.
    """

    workload: Workload
    orders: Spread
    processor: Spread
    recovering: float
    opened: Spread
    verified: float


def main(folder: Path) -> None:
    """Measure and report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    report = Report(folder, "embedded_chain", "The embedded chain, durable, on one core")
    for title, workloads, goals in (
        ("One order per transaction", EACH, GOAL_EACH_PER_S),
        ("250 orders per transaction", TOGETHER, GOAL_TOGETHER_PER_S),
    ):
        with tempfile.TemporaryDirectory(dir=folder) as chains:
            found = [_measure(report, Path(chains), workload) for workload in workloads]
        _tabulate(report, title, found)
        for measured in found:
            if measured.workload.per_block >= 1_000:
                goal = goals[measured.workload.kind]
                report.goal(f"{title}, {measured.workload}", measured.orders.median, "orders/s", at_least=goal)
        if workloads is EACH:
            report.goal("Opening a chain", found[0].opened.median, "s", below=GOAL_OPEN_SECONDS)
    report.write()


def _measure(report: Report, chains: Path, workload: Workload) -> Measured:
    path = chains / str(workload)
    scene = Scene(path, masters=workload.senders)
    rates, processor = [], []
    with scene.chain:
        for _ in report.progress(range(ROUNDS), str(workload)):
            blocks = workload.sign_round(scene)
            begin = time.process_time()
            rates.append(ORDERS_PER_ROUND / _take_in(scene.chain, blocks))
            processor.append((time.process_time() - begin) / ORDERS_PER_ROUND * 1e6)
    raw_transactions = [raw for block in blocks for raw in block]
    begin = time.perf_counter()
    SignedTransaction.decode_all(raw_transactions)
    recovering = (time.perf_counter() - begin) / len(raw_transactions) * 1e6
    openings = []
    for _ in report.progress(range(OPENINGS), "opening it again"):
        begin = time.perf_counter()
        chain = EmbeddedChain(path, scene.genesis, scene.sealer)
        openings.append(time.perf_counter() - begin)
        chain.close()
    transactions = ROUNDS * ORDERS_PER_ROUND // workload.per_transaction
    with EmbeddedChain(path, scene.genesis, scene.sealer) as chain:
        begin = time.perf_counter()
        chain.verify()
        verified = transactions / (time.perf_counter() - begin)
    return Measured(workload, Spread.of(rates[1:]), Spread.of(processor[1:]), recovering, Spread.of(openings), verified)


def _take_in(chain: EmbeddedChain, blocks: Sequence[Sequence[bytes]]) -> float:
    begin = time.perf_counter()
    for raw_transactions in blocks:
        for receipt in chain.submit(raw_transactions):
            assert receipt.succeeded, receipt
    return time.perf_counter() - begin


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
        f"{title}: decoding and recovering signers, opening again, running all blocks again",
        [
            {
                "orders": name,
                "recovering, µs per transaction": measured.recovering,
                "opening, s": measured.opened,
                "verified, transactions/s": measured.verified,
            }
            for name, measured in names.items()
        ],
    )


if __name__ == "__main__":
    main(output_folder())
