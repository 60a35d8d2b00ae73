"""The same signed transactions on the embedded chain, on anvil, and on eth-tester with py-evm.

All engines get the same bytes: contracts are created, masters register traders, quotas and deposits are set, then
orders come in, each signed by itself, every second of them making a deal. The engines take turns within one run.
Events must be equal always, and gas wherever a transaction is alone in its block.

To know when comparing: the embedded chain writes every block to disk and waits for the sync, the others keep
everything in memory. It is called in this process, as eth-tester is; anvil is asked over HTTP on the loopback
interface, where its client's share of the work is in Python too, and may use every core. The embedded chain behind our
own JSON-RPC server, in a process of its own, stands where anvil stands.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.engines import Anvil, Effect, Embedded, Engine, EthTester, Mining, Served
from bench.report import Report, Row, Spread, output_folder
from bench.scene import CHAIN_ID, Kind, Scene
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.energy_market import EnergyMarket

SINGLE_MASTERS = 4
BULK_MASTERS = 1
"""Anvil works on a batch in no fixed order; only the nonces of a single sender keep the orders in theirs."""

ROUNDS = 6
"""The first warms up and is not counted."""

SINGLE_ORDERS, BULK_ORDERS, PER_BATCH = 50, 2_000, 1_000

_WORD_BYTES = 32

Contenders = Mapping[str, Callable[[Scene, Path], Engine]]

_EMBEDDED = "embedded, synced to disk"

_SERVED = "embedded, synced to disk, over JSON-RPC"

SINGLE: Contenders = {
    _EMBEDDED: lambda scene, path: Embedded(path, scene.genesis, scene.sealer),
    _SERVED: lambda scene, path: Served(path.with_name("served"), scene.genesis, scene.sealer),
    "anvil": lambda *_: Anvil(CHAIN_ID, Mining.AT_ONCE),
    "eth-tester on py-evm": lambda *_: EthTester(),
}
BULK: Contenders = {
    _EMBEDDED: lambda scene, path: Embedded(path, scene.genesis, scene.sealer),
    _SERVED: lambda scene, path: Served(path.with_name("served"), scene.genesis, scene.sealer),
    "anvil, a block per batch": lambda *_: Anvil(CHAIN_ID, Mining.PER_BATCH),
    "anvil, a block per second": lambda *_: Anvil(CHAIN_ID, Mining.EVERY_SECOND),
}


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "against_others", "The embedded chain against other engines")
    single = "One order after the other, each in a block of its own"
    _compare(report, folder, single, SINGLE, masters=SINGLE_MASTERS, orders=SINGLE_ORDERS, per_batch=1)
    bulk = f"{BULK_ORDERS:,} orders at once, in batches of {PER_BATCH:,}"
    ratios = _compare(report, folder, bulk, BULK, masters=BULK_MASTERS, orders=BULK_ORDERS, per_batch=PER_BATCH)
    fastest = min(ratio.median for name, ratio in ratios.items() if name.startswith("anvil"))
    report.goal("Time of anvil's fastest way : time of the embedded chain", fastest, ": 1", at_least=1.0)
    over_rpc = fastest / ratios[_SERVED].median
    report.goal("Time of anvil's fastest way : time of ours, both over JSON-RPC", over_rpc, ": 1", at_least=1.0)
    report.write()


def _compare(
    report: Report, folder: Path, title: str, contenders: Contenders, *, masters: int, orders: int, per_batch: int
) -> dict[str, Spread]:
    with tempfile.TemporaryDirectory(dir=folder) as chains, ExitStack() as running:
        scene = Scene(Path(chains) / "author", masters=masters)
        running.callback(scene.chain.close)
        engines: dict[str, Engine] = {}
        for name, start in contenders.items():
            engines[name] = start(scene, Path(chains) / "embedded")
            running.callback(engines[name].close)
        _set_up(scene, engines)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in report.progress(range(ROUNDS), "all engines in turn"):
            raw_transactions = scene.sign_each(Kind.MATCHING, orders)
            batches = [raw_transactions[start : start + per_batch] for start in range(0, orders, per_batch)]
            effects = {}
            for name, engine in engines.items():
                begin = time.perf_counter()
                effects[name] = _submit(engine, batches)
                seconds[name].append(time.perf_counter() - begin)
            _check_equal(effects, gas_too=per_batch == 1)
    return _tabulate(report, title, orders, {name: values[1:] for name, values in seconds.items()})


def _set_up(scene: Scene, engines: Mapping[str, Engine]) -> None:
    """Repeat the author's blocks, one transaction after the other; that is where all engines charge the same gas."""
    heights = range(1, scene.chain.head().height + 1)
    batches = [[raw] for height in heights for raw in scene.chain.block(height).transactions]
    _check_equal({name: _submit(engine, batches) for name, engine in engines.items()}, gas_too=True)


def _submit(engine: Engine, batches: Sequence[Sequence[bytes]]) -> list[Effect]:
    """Send batches of one transaction one after the other, each when the one before is in a block."""
    if len(batches[0]) > 1:
        return engine.submit(batches)
    return [effect for batch in batches for effect in engine.submit([batch])]


def _check_equal(effects: Mapping[str, Sequence[Effect]], *, gas_too: bool) -> None:
    expected = effects[_EMBEDDED]
    assert all(effect.succeeded for effect in expected), "the embedded chain refuses a transaction"
    for name, found in effects.items():
        for turn, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
            assert _without_times(ours) == _without_times(theirs), f"{name}: transaction {turn} has other events"
            assert not gas_too or ours.gas_used == theirs.gas_used, f"{name}: transaction {turn} takes other gas"


def _without_times(effect: Effect) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
    """Events without the last word of an intent, ``confirmBefore``, which follows from the time of the block."""
    intent = contract_abi(EnergyMarket.NAME).topic("IntentRecorded")
    return [
        (address, topics, data[:-_WORD_BYTES] if topics[0] == intent else data) for address, topics, data in effect.logs
    ]


def _tabulate(report: Report, title: str, orders: int, seconds: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Write the table; returns how many times as long each engine took as the embedded chain, round by round."""
    ratios = {
        name: Spread.of([theirs / ours for theirs, ours in zip(values, seconds[_EMBEDDED], strict=True)])
        for name, values in seconds.items()
    }
    rows: list[Row] = [
        {"engine": name, "orders/s": Spread.of([orders / value for value in values]), "time : embedded": ratios[name]}
        for name, values in seconds.items()
    ]
    report.table(title, rows)
    return ratios


if __name__ == "__main__":
    main(output_folder())
