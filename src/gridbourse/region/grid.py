"""The grid of a region as its description tells it: zones and the lines between them."""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.errors import InvalidValue
from gridbourse.market.types import MAX_ZONE
from gridbourse.units import MAX_ENERGY_WH, PERIOD_SECONDS


@dataclass(frozen=True, slots=True)
class LineSpec:
    """A line, or a bundle of equal lines, between two zones.

    Parameters
    ----------
    name
        What reports call it.
    from_zone, to_zone
        Its ends.
    limit_kw
        Thermal limit, either way.
    reactance_milliohm
        Series reactance, referred to one voltage for all lines.
    """

    name: str
    from_zone: str
    to_zone: str
    limit_kw: int
    reactance_milliohm: int

    @property
    def limit_wh(self) -> int:
        """The most that it may carry in a delivery period."""
        return self.limit_kw * 1_000 * PERIOD_SECONDS // 3_600


@dataclass(frozen=True, slots=True)
class GridSpec:
    """Zones and lines, as the dispatcher knows them.

    Parameters
    ----------
    zones
        Their names, in the order of their numbers on the main chain; none in a region without zones.
    lines
        Together they join all zones.
    margin_permille
        What of every line is kept back, for what flows besides the market's deals.

    Raises
    ------
    InvalidValue
        A name is given twice, a line ends in no zone, or a number is out of range.
    """

    zones: tuple[str, ...] = ()
    lines: tuple[LineSpec, ...] = ()
    margin_permille: int = 100

    def __post_init__(self) -> None:
        for field, names in (("grid.zones", list(self.zones)), ("grid.line.name", [own.name for own in self.lines])):
            if len(set(names)) < len(names) or not all(name.strip() for name in names):
                raise InvalidValue(field, names, "names, each different from every other")
        if len(self.zones) == 1 or len(self.zones) > MAX_ZONE + 1:
            raise InvalidValue("grid.zones", list(self.zones), f"2 to {MAX_ZONE + 1} zones, or none")
        if not 0 <= self.margin_permille <= 1_000:
            raise InvalidValue("grid.margin_permille", self.margin_permille, "0 to 1000")
        for line in self.lines:
            for field, zone in (("from", line.from_zone), ("to", line.to_zone)):
                if zone not in self.zones:
                    raise InvalidValue(f"grid.line.{field}", zone, f"one of the zones {', '.join(self.zones)}")
            if line.from_zone == line.to_zone:
                raise InvalidValue("grid.line.to", line.to_zone, "another zone than that at its other end")
            if not 0 <= line.limit_wh <= MAX_ENERGY_WH:
                raise InvalidValue("grid.line.limit_kw", line.limit_kw, "a power from 0 kW on")
            if line.reactance_milliohm < 1:
                raise InvalidValue("grid.line.reactance_milliohm", line.reactance_milliohm, "1 or more")
        if self.zones and not self.lines:
            raise InvalidValue("grid.line", [], "lines that join all zones")


NO_GRID = GridSpec()
"""That of a region without zones."""
