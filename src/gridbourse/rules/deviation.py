"""C4 Deviation 偏差考核: what is charged for energy off a declaration or contract, and given back to all.

The forms in use differ in what is free and in the price that counts, not in kind: chargeable is what lies beyond the
free band, ``max(|actual - declared| - max(declared x free share, free energy), 0)``, and the charge is chargeable
energy x price x rate. A form with one band for both directions and a least free energy, a form with unequal bands for
shortfall and surplus on the contract price, and a form on the clearing price are three rows of ``deviation.csv``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, apportion, round_half_away
from gridbourse.rules.tables import Provenance, Row, read_table

WH_PER_MWH = 1_000_000
_COLUMNS = ("participant", "free_short", "free_surplus", "free_mwh", "rate", "price_basis", "exempt")


class PriceBasis(StrEnum):
    """Which price a deviation is charged at; whoever settles brings it."""

    DECLARED = "declared"
    """Of the plant's declaration or the day-ahead session."""
    CONTRACT = "contract"
    """Mean of the participant's contracts, weighted by energy."""
    CLEARING = "clearing"
    """Of the session that cleared the energy."""


class Exempt(StrEnum):
    """Energy types that may be exempt; the market's own names."""

    WIND = "wind"
    PV = "pv"
    HYDRO = "hydro"
    THERMAL = "thermal"
    STORAGE = "storage"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class DeviationTerms:
    """How one kind of participant pays for deviating.

    Parameters
    ----------
    participant
        Which kind, e.g. ``"source"``.
    free_short, free_surplus
        Share of the declared energy that may be missing, or be too much.
    free_wh
        Energy that is free in any case, in Wh.
    rate
        Share of the price that a chargeable unit costs.
    price_basis
        Which price that is.
    exempt
        Energy types that pay nothing.
    provenance
        Where the terms come from.
    """

    participant: str
    free_short: Fraction
    free_surplus: Fraction
    free_wh: int
    rate: Fraction
    price_basis: PriceBasis
    exempt: tuple[Exempt, ...]
    provenance: Provenance

    def chargeable_wh(self, declared_wh: int, actual_wh: int) -> Fraction:
        """Energy beyond the free band, in Wh, exactly.

        Parameters
        ----------
        declared_wh
            Declared or contracted, without mechanism energy (发改价格〔2025〕136号: it is settled by its own price).
        actual_wh
            Metered, likewise.
        """
        if declared_wh < 0 or actual_wh < 0:
            raise InvalidValue("declared_wh, actual_wh", (declared_wh, actual_wh), "energies of 0 Wh or more")
        free_share = self.free_short if actual_wh < declared_wh else self.free_surplus
        free_wh = max(declared_wh * free_share, Fraction(self.free_wh))
        return max(abs(actual_wh - declared_wh) - free_wh, Fraction(0))

    def charge(self, declared_wh: int, actual_wh: int, price_ticks: Exact, energy_type: str = "") -> int:
        """What is collected, in 1e-7 yuan.

        A price below zero counts as zero: nobody is paid for deviating.

        Parameters
        ----------
        declared_wh, actual_wh
            As for `chargeable_wh`.
        price_ticks
            Of the terms' basis.
        energy_type
            The plant's, in the market's words; empty for users.
        """
        if energy_type in self.exempt:
            return 0
        chargeable_wh = self.chargeable_wh(declared_wh, actual_wh)
        return round_half_away(chargeable_wh * max(Fraction(price_ticks), Fraction(0)) * self.rate)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One participant's charge, before anything is given back.

    Parameters
    ----------
    participant
        Who.
    energy_wh
        Its metered energy, by which it gets its part of what is given back.
    charge
        What it pays, in 1e-7 yuan.
    """

    participant: str
    energy_wh: int
    charge: int


def give_back(deviations: Sequence[Deviation]) -> tuple[int, ...]:
    """What each participant gets on balance, in 1e-7 yuan: its part of all charges less its own; the sum is zero.

    What is collected goes back by metered energy, to the last unit; where nobody metered anything, in equal parts.
    """
    collected = sum(one.charge for one in deviations)
    energies = [one.energy_wh for one in deviations]
    weights = energies if any(energies) else [1] * len(energies)
    returned = apportion(collected, weights)
    return tuple(back - one.charge for back, one in zip(returned, deviations, strict=True))


def load_deviation_terms(path: Path, sources: Sequence[str]) -> tuple[DeviationTerms, ...]:
    """Read ``deviation.csv``.

    Raises
    ------
    InvalidValue
        A cell is wrong, or two rows are for one kind of participant on the same day.
    """
    found: list[DeviationTerms] = []
    for row in read_table(path, _COLUMNS):
        terms = _terms(row, sources)
        for other in found:
            if other.participant == terms.participant and other.provenance.overlaps(terms.provenance):
                raise row.fault("valid_from", f"days that no other row for {terms.participant} covers")
        found.append(terms)
    return tuple(found)


def _terms(row: Row, sources: Sequence[str]) -> DeviationTerms:
    shares = {column: row.number(column) for column in ("free_short", "free_surplus", "rate")}
    for column, share in shares.items():
        if not 0 <= share <= 1:
            raise row.fault(column, "a share from 0 to 1")
    free_wh = row.number("free_mwh") * WH_PER_MWH
    if free_wh < 0 or free_wh.denominator != 1:
        raise row.fault("free_mwh", "an energy of 0 MWh or more, in whole Wh")
    return DeviationTerms(
        participant=row.text("participant"),
        free_short=shares["free_short"],
        free_surplus=shares["free_surplus"],
        free_wh=int(free_wh),
        rate=shares["rate"],
        price_basis=row.word("price_basis", PriceBasis),
        exempt=row.words_of("exempt", Exempt),
        provenance=row.provenance(sources),
    )
