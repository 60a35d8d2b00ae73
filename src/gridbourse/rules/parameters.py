"""Parameters of a rule set: named values with unit, validity, document and article.

The names are fixed, so that a misspelt one is refused when the set is loaded and not missed when a bill is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.rules.tables import Provenance, Row, read_table


class VoltageLevel(StrEnum):
    """Voltage levels of a connection 电压等级, lowest first."""

    BELOW_1KV = "<1kV"
    FROM_1_TO_10KV = "1-10kV"
    KV35 = "35kV"
    KV110 = "110kV"
    KV220 = "220kV"

    @property
    def rank(self) -> int:
        """Its place from below."""
        return list(VoltageLevel).index(self)


class TariffKind(StrEnum):
    """Single-part tariff 单一制, by energy alone; two-part tariff 两部制, with a charge for demand or capacity."""

    SINGLE_PART = "single_part"
    TWO_PART = "two_part"


class Band(StrEnum):
    """Bands of a time-of-use tariff: tip, peak, flat, valley 尖峰平谷."""

    TIP = "tip"
    PEAK = "peak"
    FLAT = "flat"
    VALLEY = "valley"


class Dimension(StrEnum):
    """What a parameter measures, and the unit in which code computes with it."""

    PRICE = "price in ticks of 0.0001 yuan/kWh"
    CHARGE = "monthly charge in 1e-7 yuan for each kW or kVA"
    RATIO = "ratio"
    ENERGY = "energy in Wh"
    HOURS = "hours"
    MONTHS = "months"
    CARBON = "g of CO2 for each Wh"


UNITS: dict[str, tuple[Dimension, Fraction]] = {
    "yuan/kWh": (Dimension.PRICE, Fraction(10_000)),
    "yuan/MWh": (Dimension.PRICE, Fraction(10)),
    "yuan/kW/month": (Dimension.CHARGE, Fraction(10_000_000)),
    "yuan/kVA/month": (Dimension.CHARGE, Fraction(10_000_000)),
    "1": (Dimension.RATIO, Fraction(1)),
    "%": (Dimension.RATIO, Fraction(1, 100)),
    "MWh": (Dimension.ENERGY, Fraction(1_000_000)),
    "h": (Dimension.HOURS, Fraction(1)),
    "months": (Dimension.MONTHS, Fraction(1)),
    "kgCO2/kWh": (Dimension.CARBON, Fraction(1)),
}
"""Each unit a table may use: what it measures, and by what a number in it is multiplied."""


def _names() -> dict[str, Dimension]:
    levels = list(VoltageLevel)
    return {
        "energy.agency": Dimension.PRICE,
        "loss": Dimension.PRICE,
        "system": Dimension.PRICE,
        "funds": Dimension.PRICE,
        **{f"factor.{band}": Dimension.RATIO for band in Band},
        **{f"transmission.{kind}.{level}": Dimension.PRICE for kind in TariffKind for level in levels},
        **{f"demand_charge.{level}": Dimension.CHARGE for level in levels},
        **{f"capacity_charge.{level}": Dimension.CHARGE for level in levels},
        **{f"grid_fee.{user}.{highest}": Dimension.PRICE for user in levels for highest in levels[user.rank :]},
        "mechanism.price": Dimension.PRICE,
        "mechanism.share": Dimension.RATIO,
        "certificate.energy": Dimension.ENERGY,
        "certificate.validity": Dimension.MONTHS,
        "carbon.grid_factor": Dimension.CARBON,
        "margin.line": Dimension.PRICE,
        "margin.returned_share": Dimension.RATIO,
        "local_use.own_of_available": Dimension.RATIO,
        "local_use.own_of_consumed": Dimension.RATIO,
        "local_use.fed_in_of_available": Dimension.RATIO,
        "local_use.month_hours": Dimension.HOURS,
    }


NAMES = _names()
"""Every parameter that a rule may ask for, and what it measures."""

_COLUMNS = ("parameter", "value", "unit")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a rule computes with.

    Parameters
    ----------
    name
        One of `NAMES`.
    value
        In the unit of its dimension.
    published
        Number and unit as the document has them.
    provenance
        Where it comes from.
    """

    name: str
    value: Fraction
    published: str
    provenance: Provenance


class Parameters:
    """The parameters of a set, found by name and day.

    Parameters
    ----------
    file
        Where they stand, for errors.
    parameters
        All of them.
    """

    def __init__(self, file: str, parameters: Iterable[Parameter]) -> None:
        self._file = file
        self._by_name: dict[str, list[Parameter]] = {}
        for parameter in parameters:
            self._by_name.setdefault(parameter.name, []).append(parameter)

    def __iter__(self) -> Iterator[Parameter]:
        return (parameter for same in self._by_name.values() for parameter in same)

    def find(self, name: str, day: date) -> Parameter | None:
        """The parameter valid on a day, or None."""
        return next((one for one in self._by_name.get(name, ()) if one.provenance.covers(day)), None)

    def get(self, name: str, day: date) -> Parameter:
        """The parameter valid on a day.

        Raises
        ------
        InvalidValue
            The set has none for that day.
        """
        found = self.find(name, day)
        if found is None:
            raise InvalidValue(f"{self._file}, {name}", day.isoformat(), f"a row for {name} that is valid on {day}")
        return found


def load_parameters(path: Path, sources: Sequence[str]) -> Parameters:
    """Read ``parameters.csv``.

    Raises
    ------
    InvalidValue
        A name, number, unit, day or source is wrong, or two rows give one parameter for the same day.
    """
    found: dict[str, list[Parameter]] = {}
    for row in read_table(path, _COLUMNS):
        parameter = _parameter(row, sources)
        same = found.setdefault(parameter.name, [])
        if any(parameter.provenance.overlaps(other.provenance) for other in same):
            raise row.fault("valid_from", f"days that no other row of {parameter.name} covers")
        same.append(parameter)
    return Parameters(f"{path.parent.name}/{path.name}", (one for same in found.values() for one in same))


def _parameter(row: Row, sources: Sequence[str]) -> Parameter:
    name, unit = row.text("parameter"), row.text("unit")
    if name not in NAMES:
        near = get_close_matches(name, NAMES, 3) or NAMES
        raise row.fault("parameter", f"one of {', '.join(near)}")
    expected = NAMES[name]
    if unit not in UNITS or UNITS[unit][0] is not expected:
        fitting = ", ".join(known for known, (dimension, _) in UNITS.items() if dimension is expected)
        raise row.fault("unit", f"a unit of {name}: {fitting}")
    value = row.number("value") * UNITS[unit][1]
    return Parameter(name, value, f"{row.text('value')} {unit}", row.provenance(sources))
