"""The region of the day: four masters, prosumers of every kind, and what each of them has and allows.

Sizes and prices are made up: data/day_prosumers.csv states the ranges they are drawn from. When the wind blows and
when people cook is not: that comes from the profiles of `gridbourse.metering`.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle, islice

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import Line
from gridbourse.market.types import EnergyType, Role, Settings
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.units import PERIOD_SECONDS, price_ticks

LEAST_NODES = 8
GREEN = EnergyType.WIND | EnergyType.PV | EnergyType.HYDRO
FLOOR_TICKS, CAP_TICKS = 500, 9_000
SETTINGS = Settings(
    cooling_off_seconds=300,
    floor_ticks=FLOOR_TICKS,
    cap_ticks=CAP_TICKS,
    gate_lead_seconds=PERIOD_SECONDS,
    max_candidates=256,
    fallback_ticks=(FLOOR_TICKS + CAP_TICKS) // 2,
)

SERVICES = tuple(
    NodeSpec(name, kind, "city, control centre")
    for name, kind in (
        ("Dispatch", NodeKind.DISPATCH),
        ("Efficiency analysis", NodeKind.EFFICIENCY),
        ("Monitoring", NodeKind.MONITORING),
        ("Energy services", NodeKind.SERVICES),
    )
)
"""The function nodes of the grid company that do not trade."""

ZONES = ("city", "river", "hills", "valley")
LINES = (
    Line("city-river", "city", "river", limit_wh=200_000, reactance_milliohm=400),
    Line("city-hills", "city", "hills", limit_wh=150_000, reactance_milliohm=700),
    Line("city-valley", "city", "valley", limit_wh=150_000, reactance_milliohm=500),
    Line("hills-valley", "hills", "valley", limit_wh=80_000, reactance_milliohm=600),
)
"""Zones, in the order of their numbers, and the lines between them."""


@dataclass(frozen=True, slots=True)
class Prosumer:
    """A node that trades: what it has, and what its owner allows.

    Parameters
    ----------
    spec
        Its node.
    role
        Of its master.
    source, load
        Profiles of generation and consumption; empty for none.
    source_w, load_w
        Installed power and peak load.
    limits
        The owner's.
    """

    spec: NodeSpec
    role: Role
    source: str
    source_w: int
    load: str
    load_w: int
    limits: AutoTradingLimits

    @property
    def zone(self) -> str:
        """Where it is, as dispatch sees it."""
        return ZONES[self.spec.zone]

    @property
    def is_scheduled(self) -> bool:
        """Whether its master decides what it does, and not the weather or people."""
        return self.spec.kind in {NodeKind.HYDRO, NodeKind.THERMAL, NodeKind.STORAGE}


def prosumers(nodes: int, seed: int) -> tuple[Prosumer, ...]:
    """Draw prosumers of all kinds.

    Parameters
    ----------
    nodes
        How many, 8 or more: fewer would leave a master without anybody.
    seed
        Equal seeds give equal prosumers, and the first ones are the same however many follow.

    Raises
    ------
    InvalidValue
        `nodes` is too small.
    """
    if nodes < LEAST_NODES:
        raise InvalidValue("nodes", nodes, f"at least {LEAST_NODES} prosumers")
    text = files(__package__).joinpath("data/day_prosumers.csv").read_text("utf-8")
    kits = list(csv.DictReader(text.splitlines()))
    # One of each kind, then a second one where there is to be a second, and so on: a small region is mixed too.
    forty = [kit for turn in range(len(kits)) for kit in kits if turn < int(kit["of_forty"])]
    draw = random.Random(seed)  # noqa: S311 - a region to repeat, not a secret
    numbers: Counter[str] = Counter()
    drawn = []
    for kit in islice(cycle(forty), nodes):
        numbers[kit["name"]] += 1
        drawn.append(_prosumer(kit, numbers[kit["name"]], draw))
    return tuple(drawn)


def region_spec(members: Sequence[Prosumer]) -> RegionSpec:
    """Describe the region of these prosumers: a master of every role, and the services of the grid company."""
    masters = (
        MasterSpec(
            role.name.lower(),
            role,
            tuple(member.spec for member in members if member.role is role) + (SERVICES if role is Role.GRID else ()),
        )
        for role in Role
    )
    return RegionSpec("day", 20_260, SETTINGS, tuple(masters))


def _prosumer(kit: Mapping[str, str], number: int, draw: random.Random) -> Prosumer:
    energy_type = EnergyType[kit["energy_type"].upper()]
    limits = AutoTradingLimits(
        active=True,
        energy_type=energy_type,
        # Every third owner wants energy from wind, sun or water only.
        accepted_types=draw.choice((EnergyType.any(), EnergyType.any(), GREEN)),
        lowest_sell_ticks=_between(kit, "sell", draw),
        highest_buy_ticks=_between(kit, "buy", draw),
        smallest_wh=int(kit["smallest_wh"]),
    )
    zone = draw.choice(kit["zones"].split())
    location = f"{zone}, feeder {draw.randrange(1, 13)}"
    return Prosumer(
        spec=NodeSpec(f"{kit['name']} {number:02}", NodeKind(kit["kind"]), location, ZONES.index(zone)),
        role=Role[kit["role"].upper()],
        source=draw.choice(kit["generation"].split() or [""]),
        source_w=draw.randint(int(kit["least_kw"]), int(kit["most_kw"])) * 1_000,
        load=draw.choice(kit["load"].split() or [""]),
        load_w=draw.randint(int(kit["least_load_kw"]), int(kit["most_load_kw"])) * 1_000,
        limits=limits,
    )


def _between(kit: Mapping[str, str], deal: str, draw: random.Random) -> int:
    """A price in whole ticks of 0.001 yuan/kWh."""
    least, most = (price_ticks(kit[f"{end}_{deal}"]) for end in ("least", "most"))
    return draw.randrange(least, most + 1, 10)
