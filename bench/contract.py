"""The paper's four bids, and one bid of many fills, as message calls on the EVM.

No block, no signature, no file: what the contract and the virtual machine take. The paper's whole trading round
took 0.22 ms.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gridbourse.chain.evm import Evm, Message, Outcome

from bench.report import Report, Row, Spread, output_folder
from bench.scene import Scene
from gridbourse.chain.interface import Chain
from gridbourse.chain.local import LocalChain, system_clock
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.market.types import EnergyType, OrderRequest, Side
from gridbourse.node.chains import BLOCK_GAS_LIMIT
from gridbourse.paper.market import ARRIVALS, PaperMarket

PAPER_MS = 0.22
PAPER_DEALS = 6
REPETITIONS = 1_000
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
        height = chain.head().height
        for order in ARRIVALS[len(asks) :]:
            market.enter(order)
        evm, bids = _state_at(chain, height), _messages_after(chain, height)
    runs, outcomes = _run(report, evm, bids, "the paper's four bids")
    deals = sum(map(_deals, outcomes))
    assert deals == PAPER_DEALS, f"{deals} deals instead of the paper's six"
    rows: list[Row] = [
        {"what": f"bid of User {turn}", "deals": _deals(outcome), "gas": outcome.gas_used, "µs": Spread.of(times)}
        for turn, (outcome, times) in enumerate(zip(outcomes, zip(*runs, strict=True), strict=True), start=1)
    ]
    together = Spread.of([sum(run) for run in runs])
    gas = sum(outcome.gas_used for outcome in outcomes)
    report.table(
        f"The paper's ten orders: six asks rest, four bids enter, {REPETITIONS:,} times",
        [*rows, {"what": "all four", "deals": deals, "gas": gas, "µs": together}],
    )
    report.goal("all four bids", together.median / 1_000, "ms", below=PAPER_MS)


def _measure_fills(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder) / "chain", masters=1)
        asks = [
            OrderRequest(1, Side.ASK, EnergyType.PV, scene.periods[0], _BEST_TICKS + turn, _ASK_WH)
            for turn in range(max(FILLS))
        ]
        scene.wallets[0].send(scene.market.place_orders(asks, [bytes(32)] * len(asks)))
        evm = _state_at(scene.chain, scene.chain.head().height)
        scene.chain.close()
    rows: list[Row] = []
    for accepted, energy_types in (("any", EnergyType.any()), ("one", EnergyType.PV)):
        for fills in FILLS:
            # A bid for no fill is below every ask.
            ticks, energy_wh = (_BEST_TICKS + fills - 1, fills * _ASK_WH) if fills else (_BEST_TICKS - 1, _ASK_WH)
            order = OrderRequest(2, Side.BID, energy_types, scene.periods[0], ticks, energy_wh)
            bid = Message(
                scene.wallets[0].address, scene.market.address, scene.market.place_order(order, bytes(32)).data
            )
            runs, (outcome,) = _run(report, evm, [bid], f"{fills} fills, {accepted} type")
            assert _deals(outcome) == fills, f"{_deals(outcome)} fills instead of {fills}"
            times = Spread.of([microseconds for (microseconds,) in runs])
            rows.append({"energy types accepted": accepted, "fills": fills, "gas": outcome.gas_used, "µs": times})
    report.table(f"One bid of many fills, each at another price, {REPETITIONS:,} times", rows)


def _state_at(chain: LocalChain, height: int) -> Evm:
    """The state of a chain after one of its blocks."""
    evm = Evm(chain.chain_id, BLOCK_GAS_LIMIT)
    for past in range(1, height + 1):
        evm.apply(chain.block(past).changes)
    return evm


def _messages_after(chain: Chain, height: int) -> list[Message]:
    """What the transactions of all later blocks call."""
    blocks = [chain.block(later) for later in range(height + 1, chain.head().height + 1)]
    signed = [SignedTransaction.decode(raw) for block in blocks for raw in block.transactions]
    return [Message(item.sender, item.transaction.to, item.transaction.data) for item in signed]


def _run(report: Report, evm: Evm, messages: Sequence[Message], what: str) -> tuple[list[list[float]], list[Outcome]]:
    """Run messages one after the other on the same state again and again: microseconds of each, and outcomes."""
    runs: list[list[float]] = []
    outcomes: list[Outcome] = []
    for _ in report.progress(range(REPETITIONS), what):
        evm.begin(height=1_000, timestamp=system_clock())
        outcomes, microseconds = [], []
        for message in messages:
            begin = time.perf_counter_ns()
            outcome = evm.execute(message, GAS_LIMIT)
            microseconds.append((time.perf_counter_ns() - begin) / 1_000)
            outcomes.append(outcome)
        evm.discard()
        runs.append(microseconds)
    return runs, outcomes


def _deals(outcome: Outcome) -> int:
    assert outcome.succeeded, outcome
    intent = contract_abi(EnergyMarket.NAME).topic("IntentRecorded")
    return sum(topics[0] == intent for _, topics, _ in outcome.logs)


if __name__ == "__main__":
    main(output_folder())
