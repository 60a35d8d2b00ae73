"""Two masters, four users, and orders for tomorrow."""

import time

from gridbourse.market.types import Role, Settings
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

DAY = int(time.time()) // 86_400 + 1
PERIOD = DAY * 96 + 48
COOLING_OFF = 300
SPEC = RegionSpec(
    "small",
    500,
    Settings(COOLING_OFF, floor_ticks=100, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64, least_wh=1),
    (
        MasterSpec(
            "roofs",
            Role.AGGREGATOR,
            (NodeSpec("Anna", NodeKind.PV, "Roof 1"), NodeSpec("Arno", NodeKind.STORAGE, "Cellar 2")),
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 3"), NodeSpec("Bea", NodeKind.INDUSTRIAL, "Works 4")),
        ),
    ),
)


def ask(energy_wh=1_000, price_ticks=3_600, period=PERIOD, **other):
    return {
        "side": "ask",
        "energy_types": ["pv"],
        "period": period,
        "energy_wh": energy_wh,
        "price_ticks": price_ticks,
    } | other


def bid(energy_wh=1_000, price_ticks=3_700, period=PERIOD, **other):
    return {"side": "bid", "period": period, "energy_wh": energy_wh, "price_ticks": price_ticks} | other
