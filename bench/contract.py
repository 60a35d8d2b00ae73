"""The paper's four bids, and one bid of many fills, as a block that is run and forgotten again and again.

No signature, no file: what the contract, the virtual machine and the roots of the block take, in processor time, so
that what else runs on the machine counts little. The paper's whole trading round took 0.22 ms.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import Report, Row, Spread, output_folder
from bench.scene import Scene
from gridbourse._native import Core
from gridbourse.chain.block import Receipt
from gridbourse.chain.clock import system_clock
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.interface import Chain
from gridbourse.chain.local import LocalChain
from gridbourse.chain.transaction import SignedTransaction, Transaction
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.market.types import EnergyType, OrderRequest, Side
from gridbourse.paper.market import ARRIVALS, PaperMarket

GOAL_MS = 0.12
PAPER_DEALS = 6
REPETITIONS = 300
FILLS = (0, 1, 2, 5, 10, 20, 50)

_BEST_TICKS = 3_000
_ASK_WH = 1_000


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "contract", "The contract on the EVM")
    _measure_paper(report)
    _measure_fills(report)
    report.write()


def _measure_paper(report: Report) -> None:
    asks = [order for order in ARRIVALS if order.side is Side.ASK]
    with tempfile.TemporaryDirectory() as folder, PaperMarket(Path(folder)) as market:
        chain = market.region.main.chain
        assert isinstance(chain, LocalChain), "the paper's market keeps its own main chain"
        for order in asks:
            market.enter(order)
        before = Path(folder) / "before-the-bids"
        chain.back_up(before)
        height = chain.head().height
        for order in ARRIVALS[len(asks) :]:
            market.enter(order)
        core, bids = chain.empty_core(before), _transactions_after(chain, height)
        runs, receipts = _run(report, core, bids, "the paper's four bids")
        core.close()
    deals = sum(map(_deals, receipts))
    assert deals == PAPER_DEALS, f"{deals} deals instead of the paper's six"
    rows: list[Row] = [
        {"what": f"bid of User {turn}", "deals": _deals(receipt), "gas": receipt.gas_used, "µs": ""}
        for turn, receipt in enumerate(receipts, start=1)
    ]
    together = Spread.of(runs)
    gas = sum(receipt.gas_used for receipt in receipts)
    report.table(
        f"The paper's ten orders: six asks rest, four bids enter, {REPETITIONS:,} times",
        [*rows, {"what": "all four", "deals": deals, "gas": gas, "µs": together}],
    )
    report.goal("all four bids", together.median / 1_000, "ms", below=GOAL_MS)


def _measure_fills(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder) / "chain", masters=1)
        asks = [
            OrderRequest(1, Side.ASK, EnergyType.PV, scene.periods[0], _BEST_TICKS + turn, _ASK_WH)
            for turn in range(max(FILLS))
        ]
        scene.wallets[0].send(scene.market.place_orders(asks, [bytes(32)] * len(asks)))
        rows = [_fill(report, scene, accepted, fills) for accepted in ("any", "one") for fills in FILLS]
        scene.chain.close()
    report.table(f"One bid of many fills, each at another price, {REPETITIONS:,} times", rows)


def _fill(report: Report, scene: Scene, accepted: str, fills: int) -> Row:
    # A bid for no fill is below every ask.
    ticks, energy_wh = (_BEST_TICKS + fills - 1, fills * _ASK_WH) if fills else (_BEST_TICKS - 1, _ASK_WH)
    energy_types = EnergyType.any() if accepted == "any" else EnergyType.PV
    order = OrderRequest(2, Side.BID, energy_types, scene.periods[0], ticks, energy_wh)
    call = scene.market.place_order(order, bytes(32))
    nonce = scene.chain.next_nonce(scene.sealer.address)
    bid = Transaction(scene.chain.chain_id, nonce, GAS_LIMIT, call.to, call.data).sign(scene.sealer)
    core = scene.chain.empty_core(_copy(scene.chain, f"{accepted}-{fills}"))
    runs, (receipt,) = _run(report, core, [bid], f"{fills} fills, {accepted} type")
    core.close()
    assert _deals(receipt) == fills, f"{_deals(receipt)} fills instead of {fills}"
    return {"energy types accepted": accepted, "fills": fills, "gas": receipt.gas_used, "µs": Spread.of(runs)}


def _copy(chain: EmbeddedChain, name: str) -> Path:
    path = chain.path.with_name(name)
    chain.back_up(path)
    return path


def _transactions_after(chain: Chain, height: int) -> list[SignedTransaction]:
    """The transactions of all later blocks."""
    blocks = [chain.block(later) for later in range(height + 1, chain.head().height + 1)]
    return [SignedTransaction.decode(raw) for block in blocks for raw in block.transactions]


def _run(
    report: Report, core: Core, transactions: Sequence[SignedTransaction], what: str
) -> tuple[list[float], list[Receipt]]:
    """Run transactions as the next block again and again: microseconds of each run, and what the last one gave."""
    microseconds, timestamp = [], system_clock()
    for _ in report.progress(range(REPETITIONS), what):
        begin = time.process_time_ns()
        proposed = core.execute(transactions, timestamp)
        microseconds.append((time.process_time_ns() - begin) / 1_000)
    return microseconds, proposed.receipts


def _deals(receipt: Receipt) -> int:
    assert receipt.succeeded, receipt
    intent = contract_abi(EnergyMarket.NAME).topic("IntentRecorded")
    return sum(log.topics[0] == intent for log in receipt.logs)


if __name__ == "__main__":
    main(output_folder())
