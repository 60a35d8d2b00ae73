"""Scenarios and experiments; the example region, the day of metered prosumers, load profiles.

A scenario from Python, as `gridbourse scenario` runs it (docs/scenarios.md)::

    from gridbourse.simulation import load_scenario, measure, run

    scenario = load_scenario(Path("my-scenario"), {"market.mechanism": "uniform"})
    record = run(scenario)
    print(measure(scenario, record).welfare_share)

May import `service`, `node` and below.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridbourse.simulation.experiment.measures import (
        Measures,
        PeriodMeasures,
        UserMeasures,
        measure,
        measure_periods,
        measure_users,
    )
    from gridbourse.simulation.experiment.run import run
    from gridbourse.simulation.experiment.sweep import Estimate, Result, compare, summarise, sweep
    from gridbourse.simulation.scenario.description import Scenario, load_scenario
    from gridbourse.simulation.scenario.shipped import copy_shipped, shipped
    from gridbourse.simulation.scenario.strategies import Outcome, Situation, Strategy
    from gridbourse.simulation.scenario.values import Level, Mechanism, Order, RunRecord, Trade, Want

__all__ = [
    "Estimate",
    "Level",
    "Measures",
    "Mechanism",
    "Order",
    "Outcome",
    "PeriodMeasures",
    "Result",
    "RunRecord",
    "Scenario",
    "Situation",
    "Strategy",
    "Trade",
    "UserMeasures",
    "Want",
    "compare",
    "copy_shipped",
    "load_scenario",
    "measure",
    "measure_periods",
    "measure_users",
    "run",
    "shipped",
    "summarise",
    "sweep",
]

_MODULES = {
    "experiment.measures": (
        "Measures",
        "PeriodMeasures",
        "UserMeasures",
        "measure",
        "measure_periods",
        "measure_users",
    ),
    "experiment.run": ("run",),
    "experiment.sweep": ("Estimate", "Result", "compare", "summarise", "sweep"),
    "scenario.description": ("Scenario", "load_scenario"),
    "scenario.shipped": ("copy_shipped", "shipped"),
    "scenario.strategies": ("Outcome", "Situation", "Strategy"),
    "scenario.values": ("Level", "Mechanism", "Order", "RunRecord", "Trade", "Want"),
}


def __getattr__(name: str) -> object:
    """What a scenario needs is loaded when it is asked for: who serves a region has neither solver nor plots."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
