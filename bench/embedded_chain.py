"""How many orders the embedded chain takes, how fast it opens again, and where the time goes.

Every order is signed beforehand. A round ends when the last receipt is there, so every block is executed, hashed,
sealed and synced to the disk of the output folder. The process is held to one core where the system can do that.
Processor time stands beside it: on a machine that others use, it is what the chain itself takes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Report, Spread, output_folder
from bench.scene import Kind, Scene
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.transaction import SignedTransaction

GOALS_PER_S = {
    (1, Kind.RESTING): 14_000,
    (1, Kind.MATCHING): 11_000,
    (250, Kind.RESTING): 80_000,
    (250, Kind.MATCHING): 50_000,
}
GOAL_OPEN_S = 2.0

MANY_SENDERS = 64
ORDERS_PER_ROUND = 5_000
ROUNDS = 9
"""They follow each other on one chain. The first warms up, the last is split into parts; neither is counted."""

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
    taking_in
        Where the time goes, in microseconds per order.
    opened
        Seconds to open the chain again.
    verified
        Transactions per second when everything is read and run again.
    """

    workload: Workload
    orders: Spread
    processor: Spread
    taking_in: Mapping[str, float]
    opened: Spread
    verified: float


def main(folder: Path) -> None:
    """Measure and report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    report = Report(folder, "embedded_chain", "The embedded chain, durable, on one core")
    for title, workloads in (("One order per transaction", EACH), ("250 orders per transaction", TOGETHER)):
        with tempfile.TemporaryDirectory(dir=folder) as chains:
            found = [_measure(report, Path(chains), workload) for workload in workloads]
        _tabulate(report, title, found)
        for measured in found:
            if measured.workload.per_block >= 1_000:
                goal = GOALS_PER_S[measured.workload.per_transaction, measured.workload.kind]
                report.goal(f"{title}, {measured.workload}", measured.orders.median, "orders/s", at_least=goal)
        if workloads is EACH:
            opened = found[0].opened.median
            report.goal("Opening a chain", opened, "s", below=GOAL_OPEN_S)
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
        taking_in = _split(scene, workload.sign_round(scene))
    transactions = ROUNDS * ORDERS_PER_ROUND // workload.per_transaction
    openings = []
    for _ in report.progress(range(OPENINGS), "opening it again"):
        begin = time.perf_counter()
        chain = EmbeddedChain(path, scene.genesis, scene.sealer)
        openings.append(time.perf_counter() - begin)
        chain.close()
    with EmbeddedChain(path, scene.genesis, scene.sealer) as chain:
        begin = time.perf_counter()
        chain.verify()
        verified = transactions / (time.perf_counter() - begin)
    return Measured(workload, Spread.of(rates[1:]), Spread.of(processor[1:]), taking_in, Spread.of(openings), verified)


def _split(scene: Scene, blocks: Sequence[Sequence[bytes]]) -> dict[str, float]:
    """Take blocks in part by part: microseconds of each per order."""
    seconds = dict.fromkeys(("recovering signers", "EVM and roots", "journal and database", "receipts"), 0.0)
    scene.chain.close()
    core = scene.chain.empty_core(scene.chain.path)
    for raw_transactions in blocks:
        times = [time.perf_counter()]
        signed = SignedTransaction.decode_all(raw_transactions)
        times.append(time.perf_counter())
        proposed = core.execute(signed, core.head.timestamp)
        times.append(time.perf_counter())
        core.append(proposed, scene.sealer.sign(proposed.header.seal_digest))
        times.append(time.perf_counter())
        assert all(receipt.succeeded for receipt in proposed.receipts)
        times.append(time.perf_counter())
        for part, begin, end in zip(seconds, times, times[1:], strict=False):
            seconds[part] += end - begin
    core.close()
    parts = {part: spent / ORDERS_PER_ROUND * 1e6 for part, spent in seconds.items()}
    return parts | {"together": sum(parts.values())}


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
            {
                "orders": name,
                "orders/s": measured.orders,
                "processor µs per order": measured.processor,
                "orders per processor second": 1e6 / measured.processor.median,
            }
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
            {"orders": name, "s": measured.opened, "transactions/s verified": measured.verified}
            for name, measured in names.items()
        ],
    )


if __name__ == "__main__":
    main(output_folder())
