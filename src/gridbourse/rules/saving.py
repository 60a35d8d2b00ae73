"""What a user saves by buying on the market: the delivered price of each purchase beside the retail tariff.

The retail tariff of a moment is what the same connection pays where the grid company buys its energy 代理购电
(`delivered.delivered_price` without a price of one's own), by the same set of rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from gridbourse.rules.delivered import Connection, DeliveredPrice, delivered_price
from gridbourse.rules.parameters import VoltageLevel
from gridbourse.rules.rule_set import RuleSet


@dataclass(frozen=True, slots=True)
class Purchase:
    """Energy that was bought for a delivery period.

    Parameters
    ----------
    moment
        When the period begins.
    energy_wh
        How much.
    price_ticks
        Of the energy alone.
    """

    moment: datetime
    energy_wh: int
    price_ticks: int


@dataclass(frozen=True, slots=True)
class Saving:
    """A purchase beside the retail tariff; money in 1e-7 yuan.

    Parameters
    ----------
    purchase
        What was bought.
    delivered, retail
        Its delivered price, and that of the retail tariff.
    """

    purchase: Purchase
    delivered: DeliveredPrice
    retail: DeliveredPrice

    @property
    def cost(self) -> int:
        """What the energy costs at the meter."""
        return self.delivered.money(self.purchase.energy_wh)

    @property
    def retail_cost(self) -> int:
        """What it would have cost by the retail tariff."""
        return self.retail.money(self.purchase.energy_wh)

    @property
    def saved(self) -> int:
        """The difference; negative if the market was dearer."""
        return self.retail_cost - self.cost


def compare_with_retail(
    rules: RuleSet,
    connection: Connection,
    purchases: Iterable[Purchase],
    *,
    highest_level: VoltageLevel | None = None,
    day_kinds: Collection[str] = (),
) -> list[Saving]:
    """Set purchases beside the retail tariff.

    Parameters
    ----------
    rules, connection, highest_level, day_kinds
        As for `delivered_price`; the grid fee is taken for what was bought on the market alone.
    purchases
        Of any periods that the set has prices for.
    """
    return [
        Saving(
            one,
            delivered_price(
                rules,
                connection,
                one.moment,
                energy_ticks=one.price_ticks,
                highest_level=highest_level,
                day_kinds=day_kinds,
            ),
            delivered_price(rules, connection, one.moment, day_kinds=day_kinds),
        )
        for one in purchases
    ]
