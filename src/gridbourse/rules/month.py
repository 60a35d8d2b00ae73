"""The monthly statement 月度电费结算依据: what a month comes to for every node of a master, line by line.

Sums of all trades (contracts and day-ahead alike) and the imbalance at the real-time price are the two steps of C3; a
delivered price (C2) is made of each; deviation (C4) and mechanism price (C5) follow for the month as a whole. Moneys
are summed exactly and rounded once, at the end of a line. What a set of rules lacks is left out and named as a gap:
nothing is guessed in its place, and the set that has it makes a correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import Connection, DeliveredPrice, delivered_price
from gridbourse.rules.deviation import Deviation, PriceBasis, give_back
from gridbourse.rules.mechanism import settle_mechanism
from gridbourse.rules.parameters import VoltageLevel
from gridbourse.rules.rule_set import InForce, RuleHistory


class Item(StrEnum):
    """What a line is for."""

    ENERGY_BOUGHT = "energy_bought"
    ENERGY_SOLD = "energy_sold"
    IMBALANCE_SHORT = "imbalance_short"
    IMBALANCE_LONG = "imbalance_long"
    TIME_OF_USE = "time_of_use"
    LOSS = "loss"
    NETWORK = "network"
    SYSTEM = "system"
    FUNDS = "funds"
    DEVIATION = "deviation"
    DEVIATION_RETURN = "deviation_return"
    MECHANISM = "mechanism"


TO_GRID_COMPANY = (Item.TIME_OF_USE, Item.LOSS, Item.NETWORK, Item.SYSTEM, Item.FUNDS)
"""Lines that are paid to the grid company beside energy: with it they are the delivered price."""


@dataclass(frozen=True, slots=True)
class Bought:
    """Energy bought in one trade, or taken from the settlement agent.

    Parameters
    ----------
    energy_wh, price_ticks
        How much, and at which price.
    highest_level
        Highest voltage level that the trade uses; None where transmission and distribution are paid in full.
    """

    energy_wh: int
    price_ticks: int
    highest_level: VoltageLevel | None


@dataclass(frozen=True, slots=True)
class PeriodUse:
    """A node's delivery period.

    Parameters
    ----------
    moment
        When it begins, with its time zone.
    bought
        Each trade in which the node bought.
    sold_wh, received
        All trades in which it sold, in Wh and in 1e-7 yuan.
    metered_wh
        Fed in less drawn; None where that is in doubt, and the period open.
    imbalance_ticks
        The real-time price of the period.
    """

    moment: datetime
    bought: tuple[Bought, ...]
    sold_wh: int
    received: int
    metered_wh: int | None
    imbalance_ticks: int

    @property
    def position_wh(self) -> int:
        """Sold less bought."""
        return self.sold_wh - sum(one.energy_wh for one in self.bought)

    @property
    def imbalance_wh(self) -> int:
        """Metered less position; 0 as long as the period is open."""
        return 0 if self.metered_wh is None else self.metered_wh - self.position_wh

    @property
    def drawn_wh(self) -> int:
        """Drawn from the grid; 0 as long as the period is open."""
        return max(-(self.metered_wh or 0), 0)

    def taken(self) -> tuple[Bought, ...]:
        """What was bought, and what was drawn beside it and the settlement agent brought.

        A plant that is short of what it sold draws nothing: others are delivered what the agent brings for it.
        """
        short_wh = min(-self.imbalance_wh, self.drawn_wh)
        return (*self.bought, Bought(short_wh, self.imbalance_ticks, None)) if short_wh > 0 else self.bought


@dataclass(frozen=True, slots=True)
class NodeMonth:
    """What a node did in a month.

    Parameters
    ----------
    participant
        Kind of participant, by which terms of deviation are found: the role of its master.
    energy_type
        Of a plant, in the market's words; empty for a consumer.
    connection
        None if no delivered prices are made for it.
    under_mechanism
        Whether a share of what it feeds in is under the mechanism price.
    periods
        Those that are settled, in their sequence.
    """

    participant: str
    energy_type: str
    connection: Connection | None
    under_mechanism: bool
    periods: tuple[PeriodUse, ...]


@dataclass(frozen=True, slots=True)
class MonthLine:
    """One line: money that is paid or received, in 1e-7 yuan, for an energy."""

    item: Item
    energy_wh: int
    money: int
    """Positive for what the node pays."""


@dataclass(frozen=True, slots=True)
class MonthBill:
    """A node's month.

    Parameters
    ----------
    lines
        In the sequence of `Item`; what is 0 is left out.
    gaps
        What the rules lack: for the lines that are missing.
    open_periods
        How many periods are not settled, for want of a reading.
    compared_wh, delivered, retail
        Energy of the periods in which the node only drew, what it cost it at the meter, and what it would have cost by
        the retail tariff, in 1e-7 yuan.
    """

    lines: tuple[MonthLine, ...]
    gaps: tuple[str, ...]
    open_periods: int
    compared_wh: int
    delivered: int
    retail: int

    @property
    def money(self) -> int:
        """What the node pays on balance, in 1e-7 yuan."""
        return sum(line.money for line in self.lines)

    def of(self, item: Item) -> MonthLine:
        """A line; an empty one if it is 0."""
        return next((line for line in self.lines if line.item is item), MonthLine(item, 0, 0))


@dataclass(frozen=True, slots=True)
class Volume:
    """Settled trades of a month: money in 1e-7 yuan, and the energy that it was paid for."""

    money: int = 0
    energy_wh: int = 0

    @property
    def price_ticks(self) -> Fraction | None:
        """Mean price, weighted by energy; None where nothing was traded."""
        return Fraction(self.money, self.energy_wh) if self.energy_wh else None


@dataclass(slots=True)
class _Sums:
    """A bill in the making: exact moneys, what the node pays."""

    money: dict[Item, Fraction] = field(default_factory=dict)
    energy_wh: dict[Item, int] = field(default_factory=dict)
    gaps: dict[str, None] = field(default_factory=dict)
    compared_wh: int = 0
    delivered: Fraction = Fraction(0)
    retail: Fraction = Fraction(0)

    def add(self, item: Item, energy_wh: int, money: Fraction | int) -> None:
        self.money[item] = self.money.get(item, Fraction(0)) + money
        self.energy_wh[item] = self.energy_wh.get(item, 0) + energy_wh

    def bill(self, open_periods: int) -> MonthBill:
        lines = (
            MonthLine(item, self.energy_wh[item], round_half_away(self.money[item]))
            for item in Item
            if item in self.money
        )
        return MonthBill(
            tuple(line for line in lines if line.energy_wh or line.money),
            tuple(self.gaps),
            open_periods,
            self.compared_wh,
            round_half_away(self.delivered),
            round_half_away(self.retail),
        )


class _Prices:
    """Delivered prices without energy, made once for each moment and connection."""

    def __init__(self, rules: RuleHistory) -> None:
        self._rules = rules
        self._known: dict[tuple[datetime, Connection, VoltageLevel | None], DeliveredPrice] = {}

    def in_force(self, moment: datetime) -> InForce | None:
        return self._rules.find(moment.date())

    def price(
        self, moment: datetime, connection: Connection, highest: VoltageLevel | None, in_force: InForce
    ) -> DeliveredPrice:
        key = moment, connection, highest
        if key not in self._known:
            self._known[key] = delivered_price(
                in_force.rule_set, connection, moment, energy_ticks=0, highest_level=highest
            )
        return self._known[key]


def settle_month(
    rules: RuleHistory, last_day: date, nodes: Mapping[str, NodeMonth], volumes: Mapping[str, Volume]
) -> dict[str, MonthBill]:
    """Settle a month of all nodes of one master together: what deviations cost them is given back among them.

    Parameters
    ----------
    rules
        Every period is priced by the set of its day; what is for the month as a whole, by that of the last day.
    last_day
        Of the month.
    nodes
        All nodes of the master of which any period is settled.
    volumes
        All settled trades of the region that month, by energy type in the market's words.
    """
    prices = _Prices(rules)
    made = {node_id: _Sums() for node_id in nodes}
    for node_id, node in nodes.items():
        for use in node.periods:
            _add_trades(made[node_id], use)
            if node.connection is not None:
                _add_delivered(made[node_id], use, node.connection, prices)
    in_force = rules.find(last_day)
    if in_force is not None:
        mechanism_wh = {
            node_id: _add_mechanism(made[node_id], node, in_force, last_day, volumes) for node_id, node in nodes.items()
        }
        _add_deviations(made, nodes, mechanism_wh, in_force, last_day, volumes)
    return {
        node_id: made[node_id].bill(sum(use.metered_wh is None for use in node.periods))
        for node_id, node in nodes.items()
    }


def _add_trades(sums: _Sums, use: PeriodUse) -> None:
    for one in use.bought:
        sums.add(Item.ENERGY_BOUGHT, one.energy_wh, one.energy_wh * one.price_ticks)
    if use.sold_wh:
        sums.add(Item.ENERGY_SOLD, use.sold_wh, -use.received)
    if use.imbalance_wh:
        item = Item.IMBALANCE_LONG if use.imbalance_wh > 0 else Item.IMBALANCE_SHORT
        sums.add(item, abs(use.imbalance_wh), -use.imbalance_wh * use.imbalance_ticks)


def _add_delivered(sums: _Sums, use: PeriodUse, connection: Connection, prices: _Prices) -> None:
    """Add what the grid company gets; and compare, where the node only drew."""
    in_force, drawn_wh = prices.in_force(use.moment), use.drawn_wh
    if in_force is None or not (use.bought or drawn_wh):
        return
    try:
        priced = [
            (one, prices.price(use.moment, connection, one.highest_level, in_force))
            for one in (*use.taken(), Bought(drawn_wh, 0, None))
        ]
        retail = delivered_price(in_force.rule_set, connection, use.moment) if drawn_wh else None
    except InvalidValue as error:
        sums.gaps[f"{in_force.rule_set.version}, {error.field}"] = None
        return
    added = Fraction(0)
    for one, price in priced[:-1]:
        energy = one.energy_wh * one.price_ticks
        added += energy
        for item, money in (
            (Item.TIME_OF_USE, energy * (price.factor.value - 1)),
            (Item.LOSS, one.energy_wh * _part(price, "loss")),
            (Item.NETWORK, one.energy_wh * _part(price, "network")),
        ):
            sums.add(item, one.energy_wh, money)
            added += money
    of_drawn = priced[-1][1]
    for item in (Item.SYSTEM, Item.FUNDS):
        sums.add(item, drawn_wh, drawn_wh * _part(of_drawn, item.value))
        added += drawn_wh * _part(of_drawn, item.value)
    if retail is not None and not use.sold_wh:
        sums.compared_wh += drawn_wh
        sums.delivered += added - max(use.imbalance_wh, 0) * use.imbalance_ticks
        sums.retail += drawn_wh * retail.price_ticks


def _part(price: DeliveredPrice, name: str) -> Fraction:
    return next(price.of_part(part) for part in price.parts if part.name == name)


def _add_mechanism(
    sums: _Sums, node: NodeMonth, in_force: InForce, last_day: date, volumes: Mapping[str, Volume]
) -> int:
    """Add the difference to the technology's average; returns the energy that is under the mechanism, in Wh."""
    if not node.under_mechanism:
        return 0
    rules = in_force.rule_set
    average = volumes.get(node.energy_type, Volume()).price_ticks
    try:
        share, price = (rules.parameters.get(f"mechanism.{name}", last_day).value for name in ("share", "price"))
    except InvalidValue as error:
        sums.gaps[f"{rules.version}, {error.field}"] = None
        return 0
    if average is None:
        sums.gaps[f"average price of {node.energy_type}: none was traded"] = None
        return 0
    fed_in_wh = sum(max(use.metered_wh or 0, 0) for use in node.periods)
    settled = settle_mechanism(fed_in_wh, share, price, average)
    sums.add(Item.MECHANISM, settled.mechanism_wh, -settled.money)
    return settled.mechanism_wh


def _add_deviations(
    made: Mapping[str, _Sums],
    nodes: Mapping[str, NodeMonth],
    mechanism_wh: Mapping[str, int],
    in_force: InForce,
    last_day: date,
    volumes: Mapping[str, Volume],
) -> None:
    found: list[Deviation] = []
    for node_id, node in nodes.items():
        declared_wh, actual_wh = _declared_and_actual(node.periods)
        kept_out_wh = min(mechanism_wh[node_id], declared_wh, actual_wh)
        declared_wh, actual_wh = declared_wh - kept_out_wh, actual_wh - kept_out_wh
        charge = _charge(made[node_id], node, declared_wh, actual_wh, in_force, last_day, volumes)
        found.append(Deviation(node_id, actual_wh, charge))
    if not any(one.charge for one in found):
        return
    for one, balance in zip(found, give_back(found), strict=True):
        made[one.participant].add(Item.DEVIATION_RETURN, 0, -(balance + one.charge))


def _declared_and_actual(periods: Sequence[PeriodUse]) -> tuple[int, int]:
    """What was traded on balance, and what was metered of it, over the periods that are settled, in Wh."""
    settled = [use for use in periods if use.metered_wh is not None]
    position_wh = sum(use.position_wh for use in settled)
    metered_wh = sum(use.metered_wh or 0 for use in settled)
    return abs(position_wh), max(metered_wh if position_wh > 0 else -metered_wh, 0)


def _charge(
    sums: _Sums,
    node: NodeMonth,
    declared_wh: int,
    actual_wh: int,
    in_force: InForce,
    last_day: date,
    volumes: Mapping[str, Volume],
) -> int:
    """What a node pays for deviating; who traded nothing has declared nothing, and its kind may have no terms."""
    rules = in_force.rule_set
    try:
        terms = rules.deviation_terms(node.participant, last_day)
    except InvalidValue:
        return 0
    price = _own_mean(node.periods)
    if terms.price_basis is PriceBasis.CLEARING:
        every = Volume(sum(one.money for one in volumes.values()), sum(one.energy_wh for one in volumes.values()))
        price = every.price_ticks
    if not declared_wh or price is None:
        return 0
    charge = terms.charge(declared_wh, actual_wh, price, node.energy_type)
    if charge:
        sums.add(Item.DEVIATION, round_half_away(terms.chargeable_wh(declared_wh, actual_wh)), charge)
    return charge


def _own_mean(periods: Sequence[PeriodUse]) -> Fraction | None:
    money = sum(use.received + sum(one.energy_wh * one.price_ticks for one in use.bought) for use in periods)
    energy_wh = sum(use.sold_wh + sum(one.energy_wh for one in use.bought) for use in periods)
    return Volume(money, energy_wh).price_ticks
