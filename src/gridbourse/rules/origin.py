"""C6 Origin: green certificates 绿证, matching by quarter hour, carbon.

A certificate stands for 1 MWh of renewable energy, issued by plant and month; what does not fill one is carried to the
next month; it is valid for two years from the month of production on (国能发新能规〔2024〕67号). What a storage
discharges gets none: the plant that generated it has had one. Matching by quarter hour shows what annual totals hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, apportion, round_half_away

RENEWABLE = frozenset({"wind", "pv", "hydro"})
"""Energy types that earn certificates, in the market's words."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Certificates of a plant and month.

    Parameters
    ----------
    certificates
        How many.
    carried_wh
        What is left for the next month, in Wh.
    """

    certificates: int
    carried_wh: int


def issue_certificates(energy_type: str, energies_wh: Iterable[int], certificate_wh: int) -> list[Issue]:
    """Issue a plant's certificates, month by month: ``floor((E + carried) / certificate energy)``.

    Parameters
    ----------
    energy_type
        The plant's.
    energies_wh
        Proven energy of each month, without mechanism energy.
    certificate_wh
        What one stands for (parameter ``certificate.energy``).

    Raises
    ------
    InvalidValue
        An energy is negative, or a certificate stands for nothing.
    """
    if certificate_wh <= 0:
        raise InvalidValue("certificate_wh", certificate_wh, "an energy above 0 Wh")
    issues: list[Issue] = []
    carried_wh = 0
    for energy_wh in energies_wh:
        if energy_wh < 0:
            raise InvalidValue("energies_wh", energy_wh, "energies of 0 Wh or more")
        if energy_type not in RENEWABLE:
            issues.append(Issue(0, 0))
            continue
        number, carried_wh = divmod(energy_wh + carried_wh, certificate_wh)
        issues.append(Issue(number, carried_wh))
    return issues


def last_day_valid(produced: date, months: int) -> date:
    """The last day on which a certificate may be retired.

    Parameters
    ----------
    produced
        Any day of the month of production, which counts as the first.
    months
        How many (parameter ``certificate.validity``).
    """
    years, month = divmod(produced.year * 12 + produced.month - 1 + months, 12)
    return date(years, month + 1, 1) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Matching:
    """Consumption covered by generation in the same quarter hours, in Wh.

    Parameters
    ----------
    matched_wh
        Quarter hour by quarter hour.
    consumed_wh
        In total.
    """

    matched_wh: tuple[int, ...]
    consumed_wh: int

    @property
    def share(self) -> Fraction:
        """Matched part of the consumption; 1 where nothing was consumed."""
        return Fraction(sum(self.matched_wh), self.consumed_wh) if self.consumed_wh else Fraction(1)


def match(generation_wh: Sequence[int], consumption_wh: Sequence[int]) -> Matching:
    """Match by quarter hour: the smaller of the two counts.

    Parameters
    ----------
    generation_wh, consumption_wh
        One value for each quarter hour, of the same ones.

    Raises
    ------
    InvalidValue
        They are not of the same number of quarter hours.
    """
    if len(generation_wh) != len(consumption_wh):
        raise InvalidValue("generation_wh", len(generation_wh), f"{len(consumption_wh)} quarter hours")
    pairs = zip(generation_wh, consumption_wh, strict=True)
    return Matching(tuple(min(generated, consumed) for generated, consumed in pairs), sum(consumption_wh))


def claims(metered_wh: int, wanted_wh: Sequence[int]) -> tuple[int, ...]:
    """What each claimant may claim of a plant's quarter hour, so that together they never claim more than it metered.

    Parameters
    ----------
    metered_wh
        The plant's proven energy.
    wanted_wh
        What each bought of it.
    """
    return tuple(wanted_wh) if sum(wanted_wh) <= metered_wh else apportion(metered_wh, wanted_wh)


def carbon_g(drawn_wh: int, matched_wh: int, grid_factor: Exact) -> int:
    """Carbon of what was drawn and not matched, location-based, in g of CO2.

    Parameters
    ----------
    drawn_wh, matched_wh
        From the grid, and of that matched.
    grid_factor
        The grid's mean emission in g/Wh, which is kg/kWh (parameter ``carbon.grid_factor``).

    Raises
    ------
    InvalidValue
        More is matched than drawn.
    """
    if not 0 <= matched_wh <= drawn_wh:
        raise InvalidValue("matched_wh", matched_wh, f"an energy from 0 to the {drawn_wh} Wh drawn")
    return round_half_away((drawn_wh - matched_wh) * grid_factor)
