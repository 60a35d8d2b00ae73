"""The call auction: a million orders a side, and pay-as-clear of ASSUME on the same orders in the same run.

ASSUME (PyPI `assume-framework`) is a simulator of electricity markets whose pay-as-clear takes orders as dictionaries;
they are made outside the time, as our arrays are. Its accepted supply is compared with our volume, order by order the
same energies and prices.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from assume.common.market_objects import MarketConfig, MarketProduct
from assume.markets.clearing_algorithms.simple import PayAsClearRole
from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, rrule

from bench.report import Report, Row, Spread, output_folder
from gridbourse.market.auction import Side, clear, pair, welfare
from gridbourse.market.auction_check import Fault, check_clearing, submit

SEED = 2026
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ASSUME_REPETITIONS = {100: 51, 1_000: 11, 10_000: 2}
"""By orders a side: its time grows with their square."""
REPETITIONS = 7
GOAL_SECONDS = 0.5

_BEGIN = datetime(2026, 8, 3, tzinfo=UTC)
_PRODUCT = (_BEGIN, _BEGIN + timedelta(hours=1), None)


def main(folder: Path) -> None:
    """Measure and report."""
    report = Report(folder, "auction", "The call auction")
    _measure_sizes(report)
    _measure_assume(report)
    report.write()


def _sides(orders: int) -> tuple[Side, Side]:
    """Orders around 0.38 yuan/kWh of 0.1 to 100 kWh, at whole ticks."""
    random = np.random.default_rng(SEED)
    asks, bids = (
        Side(
            random.normal(mean, 500, orders).clip(0, 9_999).astype(np.int64),
            random.integers(100, 100_000, orders),
        )
        for mean in (3_700, 3_900)
    )
    return asks, bids


def _measure_sizes(report: Report) -> None:
    rows: list[Row] = []
    for orders in SIZES:
        asks, bids = _sides(orders)
        cleared = Spread.of([_seconds(partial(clear, asks, bids)) for _ in range(REPETITIONS)])
        clearing = clear(asks, bids)
        paired = Spread.of([_seconds(partial(pair, asks, bids, clearing)) for _ in range(REPETITIONS)])
        submitted = submit(asks, bids, clearing)
        begin = time.perf_counter()
        assert check_clearing(asks, bids, submitted) is Fault.NONE
        checked = time.perf_counter() - begin
        rows.append(
            {
                "orders a side": orders,
                "clear, s": cleared,
                "pair, s": paired,
                "check (Python), s": checked,
                "volume, MWh": clearing.volume_wh / 1e6,
                "welfare, yuan": welfare(asks, bids, clearing) / 1e7,
            }
        )
        if orders == SIZES[-1]:
            goal = cleared.median
    report.table(f"One session, {REPETITIONS} times", rows)
    report.goal(f"clearing {SIZES[-1]:,} orders a side", goal, "s", below=GOAL_SECONDS)


def _measure_assume(report: Report) -> None:
    role = PayAsClearRole(
        MarketConfig(
            market_id="auction",
            opening_hours=rrule(DAILY, dtstart=_BEGIN, until=_BEGIN + timedelta(days=2)),
            market_products=[MarketProduct(relativedelta(hours=1), 1, relativedelta(hours=1))],
        )
    )
    rows: list[Row] = []
    for orders, repetitions in ASSUME_REPETITIONS.items():
        asks, bids = _sides(orders)
        clearing = clear(asks, bids)
        own: list[float] = []
        theirs: list[float] = []
        for _ in range(repetitions):
            own.append(_seconds(partial(clear, asks, bids)))
            book = _order_book(asks, bids)
            begin = time.perf_counter()
            accepted, *_ = role.clear(book, [_PRODUCT])
            theirs.append(time.perf_counter() - begin)
            supplied = sum(order["accepted_volume"] for order in accepted if order["volume"] > 0)
            assert supplied == clearing.volume_wh, f"ASSUME supplies {supplied} Wh, not {clearing.volume_wh}"
        ratio = Spread.of([slow / fast for slow, fast in zip(theirs, own, strict=True)])
        rows.append(
            {
                "orders a side": orders,
                "gridbourse, ms": Spread.of([seconds * 1e3 for seconds in own]),
                "ASSUME, ms": Spread.of([seconds * 1e3 for seconds in theirs]),
                "times as fast": ratio,
                "volume, MWh": clearing.volume_wh / 1e6,
            }
        )
        report.goal(f"{orders:,} orders a side, times as fast as ASSUME", ratio.median, "", at_least=1.0)
    report.table("Pay-as-clear on the same orders, in turn; the volumes are the same", rows)


def _order_book(asks: Side, bids: Side) -> list[dict[str, Any]]:
    """Orders as ASSUME has them: volumes are positive for supply and negative for demand."""
    return [
        {
            "start_time": _PRODUCT[0],
            "end_time": _PRODUCT[1],
            "only_hours": None,
            "price": price,
            "volume": sign * energy_wh,
            "agent_addr": (name, turn),
            "bid_id": f"{name}_{turn}",
        }
        for side, sign, name in ((asks, 1, "ask"), (bids, -1, "bid"))
        for turn, (price, energy_wh) in enumerate(zip(side.price_ticks.tolist(), side.energy_wh.tolist(), strict=True))
    ]


def _seconds(call: Any) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(output_folder())
