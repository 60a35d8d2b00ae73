"""Running a scenario: period by period, wants become orders, orders trades, and strategies learn."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import groupby

from gridbourse.errors import InvalidValue
from gridbourse.market.types import Side
from gridbourse.simulation.experiment.chain_level import ChainVenue
from gridbourse.simulation.experiment.market_level import market_venue
from gridbourse.simulation.experiment.venue import Venue
from gridbourse.simulation.scenario.description import Scenario
from gridbourse.simulation.scenario.strategies import Outcome, Situation, Strategy, named_errors
from gridbourse.simulation.scenario.values import Level, Order, RunRecord, Trade, Want


def run(scenario: Scenario, progress: Callable[[int], None] = lambda _: None) -> RunRecord:
    """Run a scenario.

    Parameters
    ----------
    scenario
        As `load_scenario` reads it.
    progress
        Told how many delivery periods are done, after each that has orders.

    Raises
    ------
    InvalidValue
        A strategy says no price, or the region cannot be run on chains.
    """
    draw = random.Random(f"{scenario.seed} arrivals")  # noqa: S311 - an experiment to repeat, not a secret
    strategies = {
        one.name: scenario.strategies[one.strategy or scenario.default_strategy].make(scenario.seed, one.name)
        for one in scenario.participants
    }
    venue: Venue = market_venue(scenario) if scenario.level is Level.MARKET else ChainVenue(scenario)
    orders: list[Order] = []
    trades: list[Trade] = []
    with closing(venue):
        for period, own in groupby(scenario.wants, key=lambda want: want.period):
            wants = list(own)
            if not scenario.is_ordered:
                draw.shuffle(wants)
            situations = [_situation(scenario, want) for want in wants]
            offered = [
                Order(want, _price(strategies[want.participant], seen))
                for want, seen in zip(wants, situations, strict=True)
            ]
            made = venue.trade(period, offered)
            _teach(strategies, situations, offered, made)
            orders += offered
            trades += made
            progress(period - scenario.periods.start + 1)
        return venue.record(orders, trades)


def _situation(scenario: Scenario, want: Want) -> Situation:
    settings = scenario.region.settings
    return Situation(
        want.participant,
        want.period,
        want.side,
        want.energy_wh,
        want.limit_ticks,
        settings.floor_ticks,
        settings.cap_ticks,
    )


def _price(strategy: Strategy, seen: Situation) -> int:
    """What a strategy says, brought within the participant's own limit and the market's bounds."""
    with named_errors(seen.participant, "price_ticks"):
        ticks = strategy.price_ticks(seen)
    if not isinstance(ticks, int) or isinstance(ticks, bool):
        kind = type(strategy).__name__
        remedy = f"a whole number of 0.0001 yuan/kWh, which {kind}.price_ticks has to return"
        told = ticks if isinstance(ticks, float | str | None) else type(ticks).__name__
        raise InvalidValue(f"price of {seen.participant}", told, remedy)
    ticks = max(ticks, seen.limit_ticks) if seen.side is Side.ASK else min(ticks, seen.limit_ticks)
    return min(max(ticks, seen.floor_ticks), seen.cap_ticks)


def _teach(
    strategies: Mapping[str, Strategy],
    situations: Sequence[Situation],
    orders: Sequence[Order],
    trades: Sequence[Trade],
) -> None:
    """Tell every strategy what became of its orders; several of one side share what was traded, the earlier first."""
    traded: defaultdict[tuple[str, Side], int] = defaultdict(int)
    for trade in trades:
        traded[trade.seller, Side.ASK] += trade.energy_wh
        traded[trade.buyer, Side.BID] += trade.energy_wh
    energy_wh = sum(trade.energy_wh for trade in trades)
    market_ticks = round(sum(trade.money for trade in trades) / energy_wh) if energy_wh else None
    for seen, order in zip(situations, orders, strict=True):
        key = seen.participant, seen.side
        own_wh = min(traded[key], seen.energy_wh)
        traded[key] -= own_wh
        with named_errors(seen.participant, "learn"):
            strategies[seen.participant].learn(Outcome(seen, order.price_ticks, own_wh, market_ticks))
