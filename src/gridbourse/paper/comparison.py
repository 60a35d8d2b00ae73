"""Figure 6: time per trade, everything on one chain against master-slave.

Both models run the same nodes, contracts and engine on the same orders; they differ in one thing, whether the
ledgers of details lie on the main chain or on slave chains of their own. What is measured was fixed before
measuring (docs/paper.md): the time in which chains turn signed transactions into sealed, durable blocks, from
the buyer's signed record until the deal's details are written for both parties. Signing, encrypting and reading
take place at the nodes in both models and are outside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from gridbourse.market.types import Side
from gridbourse.paper.market import ARRIVALS, PaperMarket
from gridbourse.simulation.stopwatch import Stopwatch

MAIN = "main"

MEASURES = {
    "main": "main chain alone",
    "elapsed": "from begin to end",
    "work": "work of all chains",
}
"""What is compared, each a field of `TradeTime`."""


@dataclass(frozen=True, slots=True)
class TradeTime:
    """Seconds that one trade took.

    Parameters
    ----------
    main
        On the main chain alone.
    elapsed
        From begin to end, with every chain on a machine of its own: the buyer's record, the order on the main
        chain, then the slower one of the two slave chains that the details go to.
    work
        On all chains added up, as on one machine.
    """

    main: float
    elapsed: float
    work: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles, in seconds."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Summarise repetitions."""
        lower, _, upper = quantiles(seconds, n=4, method="inclusive")
        return cls(median(seconds), lower, upper)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Repetitions of both models, run in turn; each is a list of trades."""

    single_chain: tuple[tuple[TradeTime, ...], ...]
    master_slave: tuple[tuple[TradeTime, ...], ...]

    def per_trade(self, runs: Sequence[Sequence[TradeTime]], measure: str) -> list[Spread]:
        """Spread of a measure (a field of `TradeTime`) for each trade."""
        return [
            Spread.of([getattr(trade, measure) for trade in repetitions]) for repetitions in zip(*runs, strict=True)
        ]

    def total(self, runs: Sequence[Sequence[TradeTime]], measure: str) -> Spread:
        """Spread of the sum over all trades."""
        return Spread.of([sum(getattr(trade, measure) for trade in run) for run in runs])

    def saving(self, measure: str) -> Spread:
        """Share of the single chain's total that master-slave saves, pair by pair; negative if it costs more."""
        pairs = zip(self.single_chain, self.master_slave, strict=True)
        return Spread.of([1 - _sum(pair[1], measure) / _sum(pair[0], measure) for pair in pairs])


def compare(repetitions: int, progress: Callable[[], None]) -> Comparison:
    """Run the paper's market in both models in turn.

    Parameters
    ----------
    repetitions
        How often each; the first of each is not counted, it warms up.
    progress
        Called after every run, `2 * (repetitions + 1)` times.
    """
    runs: dict[bool, list[tuple[TradeTime, ...]]] = {True: [], False: []}
    for _ in range(repetitions + 1):
        for single_chain in (True, False):
            runs[single_chain].append(_run(single_chain=single_chain))
            progress()
    return Comparison(tuple(runs[True][1:]), tuple(runs[False][1:]))


def _run(*, single_chain: bool) -> tuple[TradeTime, ...]:
    watch, trades = Stopwatch(), []
    with (
        tempfile.TemporaryDirectory() as folder,
        PaperMarket(Path(folder), single_chain=single_chain, observe=watch.observe) as market,
    ):
        for order in ARRIVALS:
            watch.take()
            deals_before = market.region.main.market.deal_count()
            market.enter(order)
            entering = watch.take()
            market.region.deliver()
            writing = watch.take()
            deals = market.region.main.market.deal_count() - deals_before
            if order.side is Side.BID and deals:
                trades.extend([_trade_time(entering, writing, deals)] * deals)
    return tuple(trades)


def _trade_time(entering: dict[str, float], writing: dict[str, float], deals: int) -> TradeTime:
    """One bid's time, shared equally by the deals it made."""
    slowest_writing = max(writing.values())
    return TradeTime(
        main=(entering[MAIN] + writing[MAIN]) / deals,
        elapsed=(sum(entering.values()) + slowest_writing) / deals,
        work=(sum(entering.values()) + sum(writing.values())) / deals,
    )


def _sum(run: Sequence[TradeTime], measure: str) -> float:
    return float(sum(getattr(trade, measure) for trade in run))
