"""What energy costs beside the market: the retail tariff and what is paid for energy fed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import Connection, delivered_price
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.rule_set import RuleSet, find_rule_set
from gridbourse.simulation.scenario.toml_file import Fields
from gridbourse.units import PERIOD_SECONDS


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices at the meter, in 0.0001 yuan/kWh.

    Parameters
    ----------
    retail_ticks
        What a kWh costs that is not bought on the market; not used where a rule set says it.
    feed_in_ticks
        What is paid for a kWh fed in and not sold on the market.
    network_ticks
        What comes on top of the price of a kWh that is bought on the market; not used where a rule set says it.
    rules, connection
        A set of rules and everybody's connection, by which both prices are made period by period.
    """

    retail_ticks: int
    feed_in_ticks: int
    network_ticks: int
    rules: RuleSet | None = None
    connection: Connection | None = None
    _delivered_ticks: dict[tuple[int, int | None], Fraction] = field(default_factory=dict, compare=False, repr=False)

    def retail_money(self, period: int, energy_wh: int) -> int:
        """What energy costs by the retail tariff, in 1e-7 yuan."""
        if self.rules is None:
            return energy_wh * self.retail_ticks
        return round_half_away(energy_wh * self._delivered(period, None))

    def bought_money(self, period: int, energy_wh: int, price_ticks: int) -> int:
        """What energy costs at the meter that was bought on the market, in 1e-7 yuan."""
        if self.rules is None:
            return energy_wh * (price_ticks + self.network_ticks)
        return round_half_away(energy_wh * self._delivered(period, price_ticks))

    def require_covered(self, periods: range) -> None:
        """Refuse periods that the set of rules has no prices for. Raises `InvalidValue`."""
        for period in (periods[0], periods[-1]):
            try:
                self.retail_money(period, 0)
            except InvalidValue as error:
                day = datetime.fromtimestamp(period * PERIOD_SECONDS, UTC).date()
                remedy = f"a set with prices for {day}, or another start ({error})"
                raise InvalidValue("scenario.toml, tariff.rule_set", self.rules and self.rules.name, remedy) from error

    def _delivered(self, period: int, price_ticks: int | None) -> Fraction:
        known = self._delivered_ticks.get((period, price_ticks))
        if known is None:
            assert self.rules is not None
            assert self.connection is not None
            moment = datetime.fromtimestamp(period * PERIOD_SECONDS, UTC)
            known = delivered_price(self.rules, self.connection, moment, energy_ticks=price_ticks).price_ticks
            self._delivered_ticks[period, price_ticks] = known
        return known


def read_tariff(fields: Fields) -> Tariff:
    """Read the table `tariff` of a scenario. Raises `InvalidValue`."""
    feed_in_ticks = fields.price("feed_in_yuan_per_kwh", "0")
    if "rule_set" not in fields:
        tariff = Tariff(fields.price("retail_yuan_per_kwh"), feed_in_ticks, fields.price("network_yuan_per_kwh", "0"))
        fields.require_empty()
        return tariff
    name = fields.take("rule_set", str)
    try:
        rules = find_rule_set(name)
    except InvalidValue as error:
        raise fields.wrong("rule_set", name, error.remedy) from error
    level = fields.choice("voltage_level", VoltageLevel, next(iter(VoltageLevel)))
    connection = Connection(
        level, fields.choice("kind", TariffKind, TariffKind.SINGLE_PART), fields.take("area", str, "")
    )
    fields.require_empty()
    return Tariff(0, feed_in_ticks, 0, rules, connection)
