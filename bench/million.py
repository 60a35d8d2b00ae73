"""A million orders on one chain: how large its file grows, how soon it opens again, and what memory that takes.

Every order is signed on its own, by 64 masters in turn, 1,000 to a block. At each size the file is copied and opened by
a process of its own; once as it is closed, and once as a process leaves it that is killed, with all that its journal
then holds.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from bench.report import Report, Row, Spread, output_folder
from bench.scene import Kind, Scene
from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.crypto.keys import SigningKey

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ORDERS_PER_BLOCK = 1_000
MASTERS = 64
OPENINGS = 5

GOAL_OPEN_S = 2.0
GOAL_MEMORY_MB = 300.0


@dataclass(frozen=True, slots=True)
class Opened:
    """One opening, by a process that did nothing else.

    Parameters
    ----------
    seconds, processor_seconds
        Until the chain answered what its newest block is and how many transactions a sender has sent.
    memory_mb
        The most memory that the process had, all of Python included.
    """

    seconds: float
    processor_seconds: float
    memory_mb: float


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "million", "A million orders on one chain")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=folder) as chains:
        path = Path(chains) / "chain"
        scene = Scene(path, masters=MASTERS)
        spent, taken = 0.0, 0
        for size in SIZES:
            for _ in report.progress(range(taken // ORDERS_PER_BLOCK, size // ORDERS_PER_BLOCK), f"{size:,} orders"):
                raw_transactions = scene.sign_each(Kind.RESTING, ORDERS_PER_BLOCK)
                begin = time.process_time()
                receipts = scene.chain.submit(raw_transactions)
                spent += time.process_time() - begin
                assert all(receipt.succeeded for receipt in receipts)
            processor, spent = spent / (size - taken) * 1e6, 0.0
            taken = size
            whole, killed = Path(chains) / "whole", Path(chains) / "killed"
            _leave(path, killed)
            scene.chain.back_up(whole)
            closed = [_in_a_process(whole, scene.genesis, scene.sealer) for _ in range(OPENINGS)]
            again = _in_a_process(killed, scene.genesis, scene.sealer)
            rows.append(
                {
                    "orders": size,
                    "file, MB": round(whole.stat().st_size / 1e6, 1),
                    "processor µs per order": processor,
                    "open, s": Spread.of(opened.seconds for opened in closed),
                    "of the processor, s": Spread.of(opened.processor_seconds for opened in closed),
                    "memory, MB": max(opened.memory_mb for opened in closed),
                    "open after a kill, s": again.seconds,
                    "memory then, MB": again.memory_mb,
                }
            )
        scene.chain.close()
    report.table("By number of orders, each signed on its own", rows)
    report.goal("Opening 10^6 orders, after a kill", again.seconds, "s", below=GOAL_OPEN_S)
    report.goal("Memory of a process that opens 10^6 orders", again.memory_mb, "MB", below=GOAL_MEMORY_MB)
    report.write()


def _leave(path: Path, copy: Path) -> None:
    """Copy a chain's files as they are while it is open: what a process leaves that is killed now."""
    for suffix in ("", "-journal"):
        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")


def _in_a_process(path: Path, genesis: Genesis, sealer: SigningKey) -> Opened:
    with get_context("spawn").Pool(1) as process:
        return process.apply(_open, (path, genesis, sealer))


def _open(path: Path, genesis: Genesis, sealer: SigningKey) -> Opened:
    begin, processor = time.perf_counter(), time.process_time()
    with EmbeddedChain(path, genesis, sealer) as chain:
        assert chain.head().height
        assert chain.next_nonce(sealer.address)
        took = time.perf_counter() - begin, time.process_time() - processor
    return Opened(*took, _peak_memory_mb())


def _peak_memory_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(output_folder())
