"""What participants want: from their profiles, from a file of orders, or drawn by chance."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gridbourse.files.reading import Line
from gridbourse.market.types import EnergyType, Side
from gridbourse.simulation.scenario.participants import Participant, energy_types
from gridbourse.simulation.scenario.profiles import ProfileBook, periods_that_begin
from gridbourse.simulation.scenario.tables import cell, energy, price, read_table, word
from gridbourse.simulation.scenario.values import Want
from gridbourse.units import PERIOD_SECONDS

FILE = "orders.csv"
REQUIRED = ("participant", "side", "energy_kwh", "price_yuan_per_kwh")
OPTIONAL = ("time", "energy_type")

_SIDES = {"sell": Side.ASK, "ask": Side.ASK, "buy": Side.BID, "bid": Side.BID}


@dataclass(frozen=True, slots=True)
class RandomWants:
    """How wants are drawn: participants, sides and periods evenly, limits around a mean.

    Parameters
    ----------
    count
        How many.
    mean_ticks, deviation_ticks
        Of the normal distribution that limits are drawn from, within the market's bounds.
    least_wh, most_wh
        Energies, whole kWh, each as likely as every other.
    energy_types
        What sellers sell, each as likely as every other, and what buyers want, or any; those of the participants if
        there are none.
    """

    count: int
    mean_ticks: int
    deviation_ticks: int
    least_wh: int
    most_wh: int
    energy_types: tuple[EnergyType, ...] = ()

    def draw(
        self, participants: Sequence[Participant], periods: range, bounds_ticks: tuple[int, int], seed: int
    ) -> Iterator[Want]:
        """Draw them; equal seeds draw equally."""
        draw = random.Random(f"{seed} wants")  # noqa: S311 - an experiment to repeat, not a secret
        for _ in range(self.count):
            participant, side = draw.choice(participants), draw.choice((Side.ASK, Side.BID))
            limit_ticks = round(draw.gauss(self.mean_ticks, self.deviation_ticks))
            yield Want(
                participant.name,
                side,
                draw.choice(periods),
                self._types(participant, side, draw),
                draw.randint(self.least_wh // 1_000, self.most_wh // 1_000) * 1_000,
                min(max(limit_ticks, bounds_ticks[0]), bounds_ticks[1]),
            )

    def _types(self, participant: Participant, side: Side, draw: random.Random) -> EnergyType:
        if not self.energy_types:
            return participant.energy_type if side is Side.ASK else participant.accepts
        return draw.choice(self.energy_types if side is Side.ASK else (*self.energy_types, EnergyType.any()))


def read_orders(
    path: Path, participants: Mapping[str, Participant], periods: range, zone: ZoneInfo
) -> tuple[Want, ...]:
    """Read a file of orders, in the order in which they come.

    Raises
    ------
    InvalidValue
        A line is wrong.
    """

    def read(line: Line) -> Want:
        participant = participants[word(line, "participant", list(participants))]
        side = _SIDES[word(line, "side", list(_SIDES))]
        usual = participant.energy_type if side is Side.ASK else participant.accepts
        wanted_wh = energy(line, "energy_kwh")
        if not wanted_wh:
            raise line.wrong("energy_kwh", "an energy above 0 kWh")
        found = energy_types(line, "energy_type", usual)
        if side is Side.ASK and found.bit_count() != 1:
            raise line.wrong("energy_type", "one energy type: it is for sale")
        period = _period(line, periods, zone)
        return Want(participant.name, side, period, found, wanted_wh, price(line, "price_yuan_per_kwh"))

    return tuple(read_table(path, REQUIRED, OPTIONAL, read))


def wants_of_profiles(
    participants: Sequence[Participant], flows_wh: Mapping[str, Sequence[tuple[int, int]]], periods: range
) -> Iterator[Want]:
    """What is left of generation and load behind each meter, period by period.

    Parameters
    ----------
    participants
        Who.
    flows_wh
        By participant, for each period: generation and load, as `flows` has them.
    periods
        Delivery periods.
    """
    for place, period in enumerate(periods):
        for one in participants:
            if one.name not in flows_wh:
                continue
            generated_wh, used_wh = flows_wh[one.name][place]
            surplus_wh = generated_wh - used_wh
            if surplus_wh > 0 and one.sells_from_ticks is not None:
                yield Want(one.name, Side.ASK, period, one.energy_type, surplus_wh, one.sells_from_ticks)
            elif surplus_wh < 0 and one.buys_up_to_ticks is not None:
                yield Want(one.name, Side.BID, period, one.accepts, -surplus_wh, one.buys_up_to_ticks)


def flows(
    participants: Sequence[Participant], profiles: ProfileBook, periods: range
) -> dict[str, tuple[tuple[int, int], ...]]:
    """By participant that has a profile: what it generates and uses in each period, in Wh."""
    none = (0,) * len(periods)
    found = {}
    for one in participants:
        if one.generation or one.load:
            generated = profiles.energies_wh(one.generation, one.generation_scale) if one.generation else none
            used = profiles.energies_wh(one.load, one.load_scale) if one.load else none
            found[one.name] = tuple(zip(generated, used, strict=True))
    return found


def _period(line: Line, periods: range, zone: ZoneInfo) -> int:
    text = cell(line, "time")
    if not text:
        return periods.start
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise line.wrong("time", "local time like 2026-08-03T12:15") from error
    quarter = local.replace(minute=local.minute - local.minute % 15, second=0, microsecond=0)
    begins = [int(local.timestamp()) // PERIOD_SECONDS] if local.tzinfo else periods_that_begin(quarter, zone)
    period = begins[0] if begins else -1
    if period not in periods:
        first, last = (datetime.fromtimestamp(p * PERIOD_SECONDS, zone) for p in (periods[0], periods[-1]))
        raise line.wrong("time", f"a time from {first:%Y-%m-%dT%H:%M} on, until {last:%Y-%m-%dT%H:%M}")
    return period
