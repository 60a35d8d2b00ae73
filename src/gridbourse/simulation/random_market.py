"""A seeded random market of any size, on one chain and on master-slave.

The paper could run only six trades and closes with that. Here the same nodes and contracts carry as many orders
as one asks for; the result says how busy each chain was, and so how many orders a second each model can take
before its busiest chain is full.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridbourse.chain.local import system_clock
from gridbourse.errors import InvalidValue
from gridbourse.market.types import EnergyType, Offer, Role, Settings, Side
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.simulation.stopwatch import Stopwatch
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS, money_units

NODES_PER_MASTER = 50
ORDERS_PER_ROUND = 500
DEPOSIT = money_units(100_000_000)
QUOTA_WH = 10**12
SETTINGS = Settings(
    cooling_off_seconds=0, floor_ticks=1_000, cap_ticks=9_000, gate_lead_seconds=PERIOD_SECONDS, max_candidates=256
)
MASTERS = tuple(
    MasterSpec(
        role.name.lower(),
        role,
        tuple(
            NodeSpec(f"{role.name.lower()} {number:03}", NodeKind.PV, f"feeder {number % 12}")
            for number in range(NODES_PER_MASTER)
        ),
    )
    for role in Role
)


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


def random_offers(count: int, seed: int, first_period: int) -> Iterator[tuple[str, Offer]]:
    """Draw offers around 0.38 yuan/kWh for the 96 periods of a day.

    Parameters
    ----------
    count
        How many.
    seed
        Equal seeds give equal offers.
    first_period
        First delivery period of the day.
    """
    draw = random.Random(seed)  # noqa: S311 - a market to repeat, not a secret
    nodes = [node.node_id for master in MASTERS for node in master.nodes]
    sources = [EnergyType.WIND, EnergyType.PV, EnergyType.HYDRO, EnergyType.THERMAL, EnergyType.STORAGE]
    for _ in range(count):
        side = draw.choice((Side.ASK, Side.BID))
        energy_types = draw.choice(sources) if side is Side.ASK else draw.choice([*sources, EnergyType.any()])
        price = min(max(round(draw.gauss(3_800, 300)), SETTINGS.floor_ticks), SETTINGS.cap_ticks)
        period = first_period + draw.randrange(PERIODS_IN_24_HOURS)
        yield draw.choice(nodes), Offer(side, energy_types, period, draw.randrange(1, 500) * 1_000, price)


def run(orders: int, seed: int, *, single_chain: bool, progress: Callable[[int], None]) -> ScaleResult:
    """Run a random market; deals are binding at once, so that chains are measured and not waiting.

    Parameters
    ----------
    orders
        How many orders come in.
    seed
        Equal seeds give equal markets.
    single_chain
        Put everything on one chain.
    progress
        Told the number of orders of every round.

    Raises
    ------
    InvalidValue
        `orders` is not positive.
    """
    if orders < 1:
        raise InvalidValue("orders", orders, "at least 1")
    watch, begin = Stopwatch(), time.perf_counter()
    spec = RegionSpec("random", 20_210, SETTINGS, MASTERS, single_chain)
    first_period = (system_clock() // PERIOD_SECONDS // PERIODS_IN_24_HOURS + 2) * PERIODS_IN_24_HOURS
    with (
        tempfile.TemporaryDirectory() as folder,
        Region.create(Path(folder), spec, observe=watch.observe) as region,
    ):
        day = region.calendar.day_of(first_period)
        region.open_day(day)
        deposits = {node.node_id: DEPOSIT for master in MASTERS for node in master.nodes}
        region.deposit(deposits, day, day.to_bytes(32, "big"))
        watch.take()
        for batch in _rounds(list(random_offers(orders, seed, first_period))):
            region.offer(batch, energy_quota_wh=QUOTA_WH)
            region.settle()
            if not single_chain:
                region.anchor()
            progress(len(batch))
        busy_seconds = watch.take()
        market = region.main.market
        deals = [market.deal(deal_id) for deal_id in range(1, market.deal_count() + 1)]
    return ScaleResult(
        single_chain=single_chain,
        orders=orders,
        trades=len(deals),
        energy_wh=sum(deal.energy_wh for deal in deals),
        money=sum(deal.money for deal in deals),
        busy_seconds=busy_seconds,
        elapsed_seconds=time.perf_counter() - begin,
    )


def _rounds(offers: Sequence[tuple[str, Offer]]) -> Iterator[Sequence[tuple[str, Offer]]]:
    return (offers[start : start + ORDERS_PER_ROUND] for start in range(0, len(offers), ORDERS_PER_ROUND))
