"""The region of the day: four masters, prosumers of every kind, and what each of them has and allows.

The region itself, and the ranges that sizes and prices are drawn from, are files of the folder `scenarios/day`; they
are made up. When the wind blows and when people cook is not: that comes from the profiles of SimBench.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import Line
from gridbourse.market.types import EnergyType, Role
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.region.description import NodeKind, NodeSpec, RegionSpec
from gridbourse.region.description_file import read_region
from gridbourse.simulation.scenario.description import REGION_FILE
from gridbourse.simulation.scenario.shipped import shipped
from gridbourse.units import price_ticks

LEAST_NODES = 8
GREEN = EnergyType.WIND | EnergyType.PV | EnergyType.HYDRO
FOLDER = shipped("day")
REGION = read_region(FOLDER / REGION_FILE)
"""The masters, the services of the grid company, market settings, zones and lines."""

ZONES = REGION.grid.zones
LINES = tuple(
    Line(own.name, own.from_zone, own.to_zone, own.limit_wh, own.reactance_milliohm) for own in REGION.grid.lines
)
CAP_TICKS = REGION.settings.cap_ticks


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
    text = (FOLDER / "prosumers.csv").read_text("utf-8")
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
        replace(
            master,
            nodes=(*(member.spec for member in members if member.role is master.role), *master.nodes),
        )
        for master in REGION.masters
    )
    return replace(REGION, masters=tuple(masters))


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
