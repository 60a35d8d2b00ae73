"""C8 Local use 就近消纳: the tests a project has to pass, and its capacity fee.

Source: 发改价格〔2025〕1192号: own use of what is generated, own use of what is consumed, what is fed in, each over a
year; such a project pays for the grid by its capacity alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, round_half_away
from gridbourse.rules.delivered import Connection
from gridbourse.rules.rule_set import RuleSet


@dataclass(frozen=True, slots=True)
class LocalUseTest:
    """One of the tests.

    Parameters
    ----------
    name
        Name of the set's parameter.
    share
        What the project reached.
    limit
        What the set asks for.
    passed
        Whether it is enough, or little enough.
    """

    name: str
    share: Fraction
    limit: Fraction
    passed: bool


def check_local_use(
    rules: RuleSet, available_wh: int, own_use_wh: int, fed_in_wh: int, consumed_wh: int, day: date
) -> tuple[LocalUseTest, ...]:
    """Test a project's year.

    Parameters
    ----------
    rules
        The set in force.
    available_wh, own_use_wh, fed_in_wh
        What could be generated 可用发电量, and of that what the project used itself and what it fed in.
    consumed_wh
        Consumed in all, including what came from the grid.
    day
        On which the limits are looked up; they rise with the years.

    Raises
    ------
    InvalidValue
        Nothing is available or consumed, or more is used and fed in than is there.
    """
    if available_wh <= 0 or consumed_wh <= 0:
        raise InvalidValue("available_wh, consumed_wh", (available_wh, consumed_wh), "energies above 0 Wh")
    if not 0 <= own_use_wh <= min(available_wh, consumed_wh):
        raise InvalidValue("own_use_wh", own_use_wh, f"an energy from 0 to {min(available_wh, consumed_wh)} Wh")
    if not 0 <= fed_in_wh <= available_wh - own_use_wh:
        raise InvalidValue("fed_in_wh", fed_in_wh, f"an energy from 0 to {available_wh - own_use_wh} Wh")
    limits = {
        name: rules.parameters.get(f"local_use.{name}", day).value
        for name in ("own_of_available", "own_of_consumed", "fed_in_of_available")
    }
    own_of_available = Fraction(own_use_wh, available_wh)
    own_of_consumed = Fraction(own_use_wh, consumed_wh)
    fed_in = Fraction(fed_in_wh, available_wh)
    reached = {
        "own_of_available": (own_of_available, own_of_available >= limits["own_of_available"]),
        "own_of_consumed": (own_of_consumed, own_of_consumed >= limits["own_of_consumed"]),
        "fed_in_of_available": (fed_in, fed_in <= limits["fed_in_of_available"]),
    }
    return tuple(LocalUseTest(name, share, limits[name], passed) for name, (share, passed) in reached.items())


def capacity_fee(rules: RuleSet, connection: Connection, capacity_kva: Exact, load_factor: Exact, day: date) -> int:
    """Monthly grid charge of a local-use project by its capacity, in 1e-7 yuan.

    ``capacity charge x kVA + energy T&D x load factor x 730 h x kVA``: in the place of all charges by energy.

    Parameters
    ----------
    rules
        The set in force.
    connection
        The project's, on the two-part tariff.
    capacity_kva
        Connected.
    load_factor
        Mean load factor 平均负荷率 of the level's users, from 0 to 1.
    day
        Of the month.

    Raises
    ------
    InvalidValue
        Capacity or load factor is out of range, or the set lacks a parameter.
    """
    if capacity_kva < 0:
        raise InvalidValue("capacity_kva", capacity_kva, "0 kVA or more")
    if not 0 <= load_factor <= 1:
        raise InvalidValue("load_factor", load_factor, "a factor from 0 to 1")
    known = rules.parameters
    capacity = known.get(f"capacity_charge.{connection.level}", day).value * capacity_kva
    hours = known.get("local_use.month_hours", day).value
    energy_wh = load_factor * hours * capacity_kva * 1_000
    energy = known.get(f"transmission.{connection.tariff}.{connection.level}", day).value * energy_wh
    return round_half_away(capacity + energy)
