"""What a month's statements follow from, whoever reads it from the chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from gridbourse.delivery import DeliveryCalendar, date_of
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.market.types import EnergyType, SettledTrade
from gridbourse.rules.delivered import Connection
from gridbourse.rules.month import Bought, MonthBill, NodeMonth, PeriodUse, Volume, settle_month
from gridbourse.rules.rule_set import RuleHistory
from gridbourse.units import PERIOD_SECONDS

_EPOCH = date_of(0)
_DECEMBER = 12


class RegisteredNode(Protocol):
    """A function node as its registration says."""

    @property
    def kind(self) -> str:
        """What it is."""
        ...

    @property
    def connection(self) -> Connection | None:
        """Its connection to the grid."""
        ...

    @property
    def under_mechanism(self) -> bool:
        """Whether a share of what it feeds in is under the mechanism price."""
        ...


def month_of(day: int) -> int:
    """The month of a delivery day, as ``202608``."""
    found = date_of(day)
    return found.year * 100 + found.month


def days_of(month: int) -> range:
    """The delivery days of a month."""
    year, number = divmod(month, 100)
    following = date(year + 1, 1, 1) if number == _DECEMBER else date(year, number + 1, 1)
    return range((date(year, number, 1) - _EPOCH).days, (following - _EPOCH).days)


def periods_of(month: int, calendar: DeliveryCalendar) -> range:
    """The delivery periods of a month."""
    days = days_of(month)
    return range(calendar.periods(days[0]).start, calendar.periods(days[-1]).stop)


def versions_in(rules: RuleHistory, month: int) -> tuple[str, ...]:
    """The sets of rules that settle a month."""
    days = days_of(month)
    return rules.versions(date_of(days[0]), date_of(days[-1]))


@dataclass(slots=True)
class _Use:
    """A node's period in the making."""

    bought: list[Bought] = field(default_factory=list)
    sold_wh: int = 0
    received: int = 0
    metered_wh: int | None = None
    imbalance_ticks: int = 0


class MonthView:
    """Makes the bills of a month for the nodes of one master.

    Parameters
    ----------
    calendar, rules
        The region's.
    month
        As ``202608``.
    trades
        What was carried out in the whole region, of that month.
    """

    def __init__(
        self, calendar: DeliveryCalendar, rules: RuleHistory, month: int, trades: Sequence[SettledTrade]
    ) -> None:
        self._calendar = calendar
        self._rules = rules
        self._last_day = date_of(days_of(month)[-1])
        self._trades = trades

    def volumes(self) -> dict[str, Volume]:
        """What was traded, by energy type."""
        found: dict[str, Volume] = {}
        for trade in self._trades:
            name = _type_name(EnergyType(trade.energy_type))
            before = found.get(name, Volume())
            money = before.money + trade.energy_wh * trade.price_ticks
            found[name] = Volume(money, before.energy_wh + trade.energy_wh)
        return found

    def bills(
        self,
        role: str,
        nodes: Mapping[str, RegisteredNode],
        statements: Iterable[StatementDetails],
        user_of: Callable[[int], str | None],
    ) -> dict[str, MonthBill]:
        """The bill of every node of a master that traded or is settled in the month.

        Parameters
        ----------
        role
            The master's, in lower case.
        nodes
            The master's nodes.
        statements
            How it settled the days; of a node and day the newest one.
        user_of
            Tells which node a trader number is; None for another master's.
        """
        uses: dict[str, dict[int, _Use]] = {}
        for details in statements:
            if details.user_id in nodes:
                _add_settled(uses.setdefault(details.user_id, {}), details)
        for trade in self._trades:
            self._add_trade(uses, nodes, trade, user_of)
        months = {
            node_id: NodeMonth(
                role,
                nodes[node_id].kind if nodes[node_id].kind.upper() in EnergyType.__members__ else "",
                nodes[node_id].connection,
                nodes[node_id].under_mechanism,
                tuple(self._use(period, use) for period, use in sorted(own.items())),
            )
            for node_id, own in sorted(uses.items())
        }
        return settle_month(self._rules, self._last_day, months, self.volumes())

    def _add_trade(
        self,
        uses: dict[str, dict[int, _Use]],
        nodes: Mapping[str, RegisteredNode],
        trade: SettledTrade,
        user_of: Callable[[int], str | None],
    ) -> None:
        seller, buyer = user_of(trade.seller), user_of(trade.buyer)
        if seller is not None and seller in nodes:
            use = uses.setdefault(seller, {}).setdefault(trade.period, _Use())
            use.sold_wh += trade.energy_wh
            use.received += trade.energy_wh * trade.price_ticks
        if buyer is not None and buyer in nodes:
            use = uses.setdefault(buyer, {}).setdefault(trade.period, _Use())
            in_force = self._rules.find(self._calendar.at(trade.period * PERIOD_SECONDS).date())
            connection = nodes[buyer].connection
            level = None
            if in_force is not None and connection is not None:
                level = in_force.highest_level(trade.seller_zone, trade.buyer_zone, connection.level)
            use.bought.append(Bought(trade.energy_wh, trade.price_ticks, level))

    def _use(self, period: int, use: _Use) -> PeriodUse:
        return PeriodUse(
            self._calendar.at(period * PERIOD_SECONDS),
            tuple(use.bought),
            use.sold_wh,
            use.received,
            use.metered_wh,
            use.imbalance_ticks,
        )


def _add_settled(uses: dict[int, _Use], details: StatementDetails) -> None:
    series = zip(details.fed_in_wh, details.drawn_wh, details.price_ticks, strict=True)
    for period, (fed_in_wh, drawn_wh, price_ticks) in enumerate(series, details.first_period):
        use = uses.setdefault(period, _Use())
        use.imbalance_ticks = price_ticks
        use.metered_wh = None if period in details.open_periods else fed_in_wh - drawn_wh


def _type_name(energy_type: EnergyType) -> str:
    return str(energy_type.name).lower()
