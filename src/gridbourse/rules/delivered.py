"""C2 Delivered price 到户电价: what a kilowatt-hour costs at the meter, part by part.

``(market energy + losses + transmission and distribution) x factor of the band + system operation + government
funds``: energy, losses and network float with the time of use, system operation and funds do not (国网四川 95598,
table of August 2026; 川发改价格〔2025〕185号 for bands and factors). Every part names the row it comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, round_half_away
from gridbourse.rules.calendar import CalendarRow
from gridbourse.rules.grid_fee import grid_fee
from gridbourse.rules.parameters import Band, Parameter, TariffKind, VoltageLevel
from gridbourse.rules.rule_set import RuleSet
from gridbourse.units import PERIOD_SECONDS, TICKS_PER_YUAN

MICROYUAN_PER_TICK = 1_000_000 // TICKS_PER_YUAN


@dataclass(frozen=True, slots=True)
class Connection:
    """A user's connection to the grid, as far as its price depends on it.

    Parameters
    ----------
    level
        Voltage level.
    tariff
        Single-part or two-part.
    area
        Where it is, in the words of the set's calendar; empty if no exception is for it.
    """

    level: VoltageLevel
    tariff: TariffKind
    area: str = ""


def connection_of(level: str, tariff: str, area: str) -> Connection | None:
    """A connection in words, as records state it; None for words that are none."""
    if level not in list(VoltageLevel) or tariff not in list(TariffKind):
        return None
    return Connection(VoltageLevel(level), TariffKind(tariff), area)


def usual_tariff(level: VoltageLevel) -> TariffKind:
    """The tariff of a connection that states none: two-part, and single-part below 1 kV, where there is no other."""
    return TariffKind.SINGLE_PART if level is VoltageLevel.BELOW_1KV else TariffKind.TWO_PART


@dataclass(frozen=True, slots=True)
class PricePart:
    """One part of a delivered price.

    Parameters
    ----------
    name
        ``energy``, ``loss``, ``network``, ``system`` or ``funds``.
    price_ticks
        Before the band's factor.
    floats
        Whether the factor applies.
    parameters
        The rows it comes from; none for energy whose price was given.
    """

    name: str
    price_ticks: Fraction
    floats: bool
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class DeliveredPrice:
    """What energy costs a connection at a moment.

    Parameters
    ----------
    moment
        Local time.
    band_row
        The calendar's row that decides the band.
    factor
        The band's, as the set has it.
    parts
        In the order of the formula.
    rules
        Version of the set.
    """

    moment: datetime
    band_row: CalendarRow
    factor: Parameter
    parts: tuple[PricePart, ...]
    rules: str

    @property
    def band(self) -> Band:
        """Tip, peak, flat or valley."""
        return self.band_row.band

    def of_part(self, part: PricePart) -> Fraction:
        """What a part adds to the price, in ticks."""
        return part.price_ticks * (self.factor.value if part.floats else 1)

    @property
    def price_ticks(self) -> Fraction:
        """The price in ticks of 0.0001 yuan/kWh, exactly."""
        return sum((self.of_part(part) for part in self.parts), Fraction(0))

    @property
    def microyuan_per_kwh(self) -> int:
        """The price as it is published, with six decimals of a yuan."""
        return round_half_away(self.price_ticks * MICROYUAN_PER_TICK)

    def money(self, energy_wh: int) -> int:
        """What an energy costs at this price, in 1e-7 yuan."""
        return round_half_away(energy_wh * self.price_ticks)


def delivered_price(
    rules: RuleSet,
    connection: Connection,
    moment: datetime,
    *,
    energy_ticks: Exact | None = None,
    highest_level: VoltageLevel | None = None,
    day_kinds: Collection[str] = (),
) -> DeliveredPrice:
    """The delivered price of a moment.

    Parameters
    ----------
    rules
        The set in force on that day.
    connection
        Whose.
    moment
        When; without a time zone it is local time of the set.
    energy_ticks
        Price of the energy, e.g. of an offer; by default what the grid company buys for its users that month 代理购电.
    highest_level
        Of a local trade: the highest voltage level it uses. Then the grid fee stands in the place of transmission and
        distribution (发改能源〔2017〕1901号).
    day_kinds
        What kinds of day it is, e.g. ``{"hot"}``.

    Raises
    ------
    InvalidValue
        The set lacks a parameter for that day, or the connection's tariff is not offered at its level.
    """
    local = moment.astimezone(rules.time_zone) if moment.tzinfo else moment
    day, known = local.date(), rules.parameters
    row = rules.calendar.row_at(local, connection.tariff, day_kinds=day_kinds, area=connection.area)
    if energy_ticks is None:
        agency = known.get("energy.agency", day)
        energy = PricePart("energy", agency.value, floats=True, parameters=(agency,))
    else:
        energy = PricePart("energy", Fraction(energy_ticks), floats=True, parameters=())
    loss, system, funds = (known.get(name, day) for name in ("loss", "system", "funds"))
    parts = (
        energy,
        PricePart("loss", loss.value, floats=True, parameters=(loss,)),
        _network(rules, connection, highest_level, day),
        PricePart("system", system.value, floats=False, parameters=(system,)),
        PricePart("funds", funds.value, floats=False, parameters=(funds,)),
    )
    return DeliveredPrice(local, row, known.get(f"factor.{row.band}", day), parts, rules.version)


def delivered_day(
    rules: RuleSet,
    connection: Connection,
    day: date,
    *,
    energy_ticks: Exact | None = None,
    highest_level: VoltageLevel | None = None,
    day_kinds: Collection[str] = (),
) -> Iterator[DeliveredPrice]:
    """The delivered prices of a local day, quarter hour by quarter hour: 96, or 92 and 100 where clocks change."""
    moment = datetime(day.year, day.month, day.day, tzinfo=rules.time_zone)
    end = (moment + timedelta(days=1)).timestamp()
    for seconds in range(int(moment.timestamp()), int(end), PERIOD_SECONDS):
        yield delivered_price(
            rules,
            connection,
            datetime.fromtimestamp(seconds, rules.time_zone),
            energy_ticks=energy_ticks,
            highest_level=highest_level,
            day_kinds=day_kinds,
        )


def demand_charge(rules: RuleSet, connection: Connection, demand_kw: Exact, day: date) -> int:
    """Demand charge 需量电费 of the month of `day`, in 1e-7 yuan, by the highest demand in kW."""
    return _monthly(rules, connection, "demand_charge", demand_kw, day)


def capacity_charge(rules: RuleSet, connection: Connection, capacity_kva: Exact, day: date) -> int:
    """Capacity charge 容量电费 of the month of `day`, in 1e-7 yuan, by the transformers' capacity in kVA."""
    return _monthly(rules, connection, "capacity_charge", capacity_kva, day)


def _monthly(rules: RuleSet, connection: Connection, name: str, amount: Exact, day: date) -> int:
    if connection.tariff is not TariffKind.TWO_PART:
        raise InvalidValue("tariff", connection.tariff, f"{TariffKind.TWO_PART}: only it has a {name}")
    if amount < 0:
        raise InvalidValue(name, amount, "0 or more")
    return round_half_away(rules.parameters.get(f"{name}.{connection.level}", day).value * amount)


def _network(rules: RuleSet, connection: Connection, highest: VoltageLevel | None, day: date) -> PricePart:
    if highest is not None:
        fee = grid_fee(rules.parameters, connection.tariff, connection.level, highest, day)
        return PricePart("network", fee.price_ticks, floats=True, parameters=fee.parameters)
    own = rules.parameters.get(f"transmission.{connection.tariff}.{connection.level}", day)
    return PricePart("network", own.value, floats=True, parameters=(own,))
