"""The random market on one chain and on master-slave: how busy each chain is, and so what each model can take.

The paper could run only six trades and closes with that. Here the same nodes and contracts carry as many orders as one
asks for, as the scenario `random` draws them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gridbourse.simulation.experiment.run import run
from gridbourse.simulation.scenario.description import load_scenario
from gridbourse.simulation.scenario.shipped import shipped
from gridbourse.simulation.scenario.values import Level


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """What one model did.

    Parameters
    ----------
    single_chain
        Whether everything was on one chain.
    orders, trades
        How many orders came in, and how many deals were settled.
    energy_wh, money
        What was traded, in Wh and 1e-7 yuan.
    busy_seconds
        How long each chain was busy.
    elapsed_seconds
        How long the whole run took in this one process, nodes included.
    """

    single_chain: bool
    orders: int
    trades: int
    energy_wh: int
    money: int
    busy_seconds: dict[str, float]
    elapsed_seconds: float

    @property
    def orders_per_second(self) -> float:
        """Orders that the busiest chain can take in a second."""
        return self.orders / max(self.busy_seconds.values())


def run_scale(orders: int, seed: int, *, single_chain: bool, progress: Callable[[int], None]) -> ScaleResult:
    """Run the random market.

    Parameters
    ----------
    orders
        How many orders come in.
    seed
        Equal seeds give equal markets.
    single_chain
        Put everything on one chain.
    progress
        Told how many of the day's delivery periods are done.

    Raises
    ------
    InvalidValue
        `orders` is not positive.
    """
    level = Level.ONE_CHAIN if single_chain else Level.FULL_CHAINS
    overrides = {"random_orders.count": orders, "seed": seed, "level": level}
    begin = time.perf_counter()
    record = run(load_scenario(shipped("random"), overrides), progress)
    return ScaleResult(
        single_chain=single_chain,
        orders=len(record.orders),
        trades=len(record.trades),
        energy_wh=sum(trade.energy_wh for trade in record.trades),
        money=sum(trade.money for trade in record.trades),
        busy_seconds={name: work.seconds for name, work in record.chains.items()},
        elapsed_seconds=time.perf_counter() - begin,
    )
