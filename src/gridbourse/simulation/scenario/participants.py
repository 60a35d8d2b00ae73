"""Who takes part in a scenario: the lines of participants.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import or_
from pathlib import Path

from gridbourse.files.reading import Line
from gridbourse.market.types import EnergyType
from gridbourse.region.description import NodeKind, NodeSpec, RegionSpec
from gridbourse.simulation.scenario.profiles import scale_of
from gridbourse.simulation.scenario.tables import cell, price, read_table, word

FILE = "participants.csv"
REQUIRED = ("id", "master", "kind")
OPTIONAL = (
    "location",
    "zone",
    "energy_type",
    "accepts",
    "generation",
    "generation_scale",
    "load",
    "load_scale",
    "sells_from_yuan_per_kwh",
    "buys_up_to_yuan_per_kwh",
    "strategy",
)

_TYPES = {member.name.lower(): member for member in EnergyType if member.name}


@dataclass(frozen=True, slots=True)
class Participant:
    """A line: a prosumer, what it has and what energy is worth to it.

    Parameters
    ----------
    node
        Its function node.
    master
        Name of its master.
    energy_type, accepts
        What it sells, and what it buys.
    generation, load
        Names of profiles; empty for none.
    generation_scale, load_scale
        What their values are multiplied by.
    sells_from_ticks, buys_up_to_ticks
        What a kWh costs it at least, and is worth to it at most; None where it never sells or buys by its profiles.
    strategy
        Name of the strategy that makes its prices; empty for the scenario's.
    """

    node: NodeSpec
    master: str
    energy_type: EnergyType
    accepts: EnergyType
    generation: str
    generation_scale: Decimal
    load: str
    load_scale: Decimal
    sells_from_ticks: int | None
    buys_up_to_ticks: int | None
    strategy: str

    @property
    def name(self) -> str:
        """Its id."""
        return self.node.node_id


def read_participants(
    path: Path, region: RegionSpec, profiles: Sequence[str], strategies: Sequence[str]
) -> tuple[Participant, ...]:
    """Read the participants.

    Parameters
    ----------
    path
        The file.
    region
        Its masters and zones.
    profiles, strategies
        What may be named.

    Raises
    ------
    InvalidValue
        A line is wrong, or two have the same id.
    """
    seen: set[str] = set()

    def read(line: Line) -> Participant:
        participant = _participant(line, region, profiles, strategies)
        if participant.name in seen:
            raise line.wrong("id", "an id that no line above has")
        seen.add(participant.name)
        return participant

    return tuple(read_table(path, REQUIRED, OPTIONAL, read))


def energy_types(line: Line, column: str, default: EnergyType) -> EnergyType:
    """Energy types by their words, with blanks between them. Raises `InvalidValue`."""
    words = cell(line, column).split()
    if unknown := [name for name in words if name not in _TYPES]:
        raise line.wrong(column, f"{', '.join(_TYPES)}, with blanks between them, and not {unknown[0]}")
    return reduce(or_, (_TYPES[name] for name in words)) if words else default


def _participant(line: Line, region: RegionSpec, profiles: Sequence[str], strategies: Sequence[str]) -> Participant:
    kind = word(line, "kind", list(NodeKind))
    named = {column: cell(line, column) for column in ("generation", "load", "strategy")}
    for column, known in (("generation", profiles), ("load", profiles), ("strategy", strategies)):
        if named[column] and named[column] not in known:
            raise line.wrong(column, "one of " + ", ".join(known))
    zones = region.grid.zones
    zone = word(line, "zone", zones, zones[0]) if zones else ""
    if cell(line, "zone") and not zones:
        raise line.wrong("zone", "nothing: region.toml has no grid.zones")
    limits = {
        column: price(line, column) if cell(line, column) else None
        for column in ("sells_from_yuan_per_kwh", "buys_up_to_yuan_per_kwh")
    }
    for column, profile in (("sells_from_yuan_per_kwh", "generation"), ("buys_up_to_yuan_per_kwh", "load")):
        if named[profile] and limits[column] is None:
            raise line.wrong(column, f"a price: who has a {profile} needs one")
    sold = energy_types(line, "energy_type", _TYPES.get(kind, EnergyType.MIXED))
    if sold.bit_count() != 1:
        raise line.wrong("energy_type", "one energy type")
    return Participant(
        node=NodeSpec(
            line.text("id"), NodeKind(kind), cell(line, "location", "unknown"), zones.index(zone) if zone else 0
        ),
        master=word(line, "master", [master.name for master in region.masters]),
        energy_type=sold,
        accepts=energy_types(line, "accepts", EnergyType.any()),
        generation=named["generation"],
        generation_scale=scale_of(line, "generation_scale"),
        load=named["load"],
        load_scale=scale_of(line, "load_scale"),
        sells_from_ticks=limits["sells_from_yuan_per_kwh"],
        buys_up_to_ticks=limits["buys_up_to_yuan_per_kwh"],
        strategy=named["strategy"],
    )
