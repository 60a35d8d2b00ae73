"""What a run is worth, measured: the market, the users, the grid, the air and the chains.

Formulas and sources stand in docs/scenarios.md. Energy, money and prices stay integers until they are divided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from math import sqrt

from gridbourse.grid.dispatch import ZoneSchedule
from gridbourse.market.auction import Side as AuctionSide
from gridbourse.market.auction import clear, welfare
from gridbourse.market.types import EnergyType, Side
from gridbourse.rules.origin import carbon_g
from gridbourse.simulation.scenario.description import Scenario
from gridbourse.simulation.scenario.values import Order, RunRecord, Trade
from gridbourse.units import MONEY_UNITS_PER_YUAN, TICKS_PER_YUAN, WH_PER_KWH

RENEWABLE = EnergyType.WIND | EnergyType.PV | EnergyType.HYDRO


@dataclass(frozen=True, slots=True)
class PeriodMeasures:
    """A delivery period with orders.

    Parameters
    ----------
    period
        Which.
    traded_kwh, welfare_yuan, optimum_yuan
        Energy traded, the welfare of that, and the most that these wants allow.
    price_yuan_per_kwh
        Mean price, weighted by energy; None without trades.
    equilibrium_yuan_per_kwh
        At which a call auction of everybody's own limits would clear; None if it would not.
    """

    period: int
    traded_kwh: float
    welfare_yuan: float
    optimum_yuan: float
    price_yuan_per_kwh: float | None
    equilibrium_yuan_per_kwh: float | None


@dataclass(frozen=True, slots=True)
class UserMeasures:
    """What a participant had of it.

    Parameters
    ----------
    participant
        Its id.
    generated_kwh, used_kwh, own_kwh
        Generation, load, and what of both met behind its own meter.
    bought_kwh, sold_kwh
        On the market.
    cost_yuan, retail_cost_yuan
        What it paid, less what it was paid; and what that would have been without a market. None without a tariff.
    """

    participant: str
    generated_kwh: float
    used_kwh: float
    own_kwh: float
    bought_kwh: float
    sold_kwh: float
    cost_yuan: float | None
    retail_cost_yuan: float | None

    @property
    def saved_yuan(self) -> float | None:
        """What the market saved it."""
        return (
            None if self.cost_yuan is None or self.retail_cost_yuan is None else self.retail_cost_yuan - self.cost_yuan
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """A run in numbers; None for what this scenario does not tell.

    Parameters
    ----------
    orders, trades
        How many.
    traded_kwh, turnover_yuan
        What changed hands.
    welfare_yuan, optimum_yuan, welfare_share
        What buyers and sellers gained together, the most that these wants allow (without regard to zones and energy
        types), and the one as a share of the other.
    price_mean, price_low, price_high, price_deviation
        In yuan/kWh, mean and standard deviation weighted by energy.
    price_alpha, price_alpha_first, price_alpha_last
        Smith's coefficient of convergence: root mean square distance of prices from the equilibrium, as a share of it;
        over all periods, the first quarter of those with trades, and the last.
    self_sufficiency, self_consumption
        Load met from within the region, of all load; generation used within it, of all generation.
    cost_yuan, retail_cost_yuan, saved_share
        Of all users together.
    gini_saved
        Of what users saved: 0 if all saved the same, towards 1 if one saved all; who lost counts as having saved 0.
    loss_kwh, line_loading
        Losses of the lines, and the highest share of its limit that a line reached by what was traded.
    carbon_kg
        Of what was drawn and not bought as renewable energy in the same period.
    gas_per_trade, bytes_per_trade, ms_per_trade
        By chain.
    audit_findings
        How much the regulator finds wrong; None where nobody audited.
    """

    orders: int
    trades: int
    traded_kwh: float
    turnover_yuan: float
    welfare_yuan: float
    optimum_yuan: float
    welfare_share: float | None
    price_mean: float | None
    price_low: float | None
    price_high: float | None
    price_deviation: float | None
    price_alpha: float | None
    price_alpha_first: float | None
    price_alpha_last: float | None
    self_sufficiency: float | None
    self_consumption: float | None
    cost_yuan: float | None
    retail_cost_yuan: float | None
    saved_share: float | None
    gini_saved: float | None
    loss_kwh: float | None
    line_loading: float | None
    carbon_kg: float | None
    audit_findings: int | None
    gas_per_trade: Mapping[str, float] = field(default_factory=dict)
    bytes_per_trade: Mapping[str, float] = field(default_factory=dict)
    ms_per_trade: Mapping[str, float] = field(default_factory=dict)

    def flat(self) -> dict[str, float | None]:
        """All numbers by name; those of a chain as ``gas_per_trade.main``."""
        found: dict[str, float | None] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                found.update((f"{name}.{chain}", number) for chain, number in value.items())
            else:
                found[name] = value
        return found


def measure(scenario: Scenario, record: RunRecord) -> Measures:
    """Measure a run of a scenario."""
    periods = measure_periods(record)
    users = measure_users(scenario, record)
    traded_wh = sum(trade.energy_wh for trade in record.trades)
    welfare_yuan, optimum_yuan = (
        sum(getattr(one, name) for one in periods) for name in ("welfare_yuan", "optimum_yuan")
    )
    loss_kwh, line_loading = _grid(scenario, record.trades)
    costs = [(one.cost_yuan, one.retail_cost_yuan) for one in users]
    cost_yuan = sum(cost or 0.0 for cost, _ in costs) if scenario.tariff else None
    retail_yuan = sum(cost or 0.0 for _, cost in costs) if scenario.tariff else None
    used_kwh, generated_kwh, within_kwh = _use(users)
    count = max(len(record.trades), 1)
    return Measures(
        orders=len(record.orders),
        trades=len(record.trades),
        traded_kwh=traded_wh / WH_PER_KWH,
        turnover_yuan=sum(trade.money for trade in record.trades) / MONEY_UNITS_PER_YUAN,
        welfare_yuan=welfare_yuan,
        optimum_yuan=optimum_yuan,
        welfare_share=_share(welfare_yuan, optimum_yuan),
        **_prices(record.trades, periods),
        self_sufficiency=_share(within_kwh, used_kwh),
        self_consumption=_share(within_kwh, generated_kwh),
        cost_yuan=cost_yuan,
        retail_cost_yuan=retail_yuan,
        saved_share=None if cost_yuan is None or not retail_yuan else (retail_yuan - cost_yuan) / abs(retail_yuan),
        gini_saved=gini([max(one.saved_yuan or 0.0, 0.0) for one in users]) if scenario.tariff else None,
        loss_kwh=loss_kwh,
        line_loading=line_loading,
        carbon_kg=_carbon_kg(scenario, record, users),
        audit_findings=None if record.audit is None else len(record.audit),
        gas_per_trade={name: work.gas / count for name, work in record.chains.items()},
        bytes_per_trade={name: work.transaction_bytes / count for name, work in record.chains.items()},
        ms_per_trade={name: work.seconds * 1e3 / count for name, work in record.chains.items()},
    )


def measure_periods(record: RunRecord) -> list[PeriodMeasures]:
    """Measure a run period by period, those without orders left out."""
    trades_of: defaultdict[int, list[Trade]] = defaultdict(list)
    for trade in record.trades:
        trades_of[trade.period].append(trade)
    found = []
    for period, own in groupby(record.orders, key=lambda order: order.want.period):
        optimum, equilibrium_ticks = _optimum(list(own))
        trades = trades_of[period]
        energy_wh, money = sum(trade.energy_wh for trade in trades), sum(trade.money for trade in trades)
        found.append(
            PeriodMeasures(
                period,
                energy_wh / WH_PER_KWH,
                sum(trade.welfare for trade in trades) / MONEY_UNITS_PER_YUAN,
                optimum / MONEY_UNITS_PER_YUAN,
                money / energy_wh / TICKS_PER_YUAN if energy_wh else None,
                None if equilibrium_ticks is None else equilibrium_ticks / TICKS_PER_YUAN,
            )
        )
    return found


def measure_users(scenario: Scenario, record: RunRecord) -> list[UserMeasures]:
    """Measure what every participant had of a run."""
    books = {one.name: _UserBook(scenario) for one in scenario.participants}
    for name, flows in scenario.flows_wh.items():
        for period, (generated_wh, used_wh) in zip(scenario.periods, flows, strict=True):
            books[name].meter(period, generated_wh, used_wh)
    for order in record.orders:
        want = order.want
        if want.participant not in scenario.flows_wh:
            is_ask = want.side is Side.ASK
            books[want.participant].meter(
                want.period, want.energy_wh if is_ask else 0, 0 if is_ask else want.energy_wh, behind_meter=False
            )
    for trade in record.trades:
        books[trade.seller].sell(trade)
        books[trade.buyer].buy(trade)
    return [book.measures(name) for name, book in books.items()]


def gini(values: Sequence[float]) -> float | None:
    """Gini coefficient of numbers from 0 on (mean absolute difference over twice the mean); None if all are 0."""
    ordered, total = sorted(values), sum(values)
    if total <= 0:
        return None
    ranked = sum(rank * value for rank, value in enumerate(ordered, start=1))
    return 2 * ranked / (len(ordered) * total) - (len(ordered) + 1) / len(ordered)


class _UserBook:
    """What one participant's meter and market say; energies in Wh, money in 1e-7 yuan."""

    def __init__(self, scenario: Scenario) -> None:
        self._tariff = scenario.tariff
        self._generated_wh = self._used_wh = self._own_wh = self._bought_wh = self._sold_wh = 0
        self._money = self._retail_money = 0

    def meter(self, period: int, generated_wh: int, used_wh: int, *, behind_meter: bool = True) -> None:
        own_wh = min(generated_wh, used_wh) if behind_meter else 0
        self._generated_wh += generated_wh
        self._used_wh += used_wh
        self._own_wh += own_wh
        if self._tariff is not None:
            fed_in = (generated_wh - own_wh) * self._tariff.feed_in_ticks
            cost = self._tariff.retail_money(period, used_wh - own_wh) - fed_in
            self._retail_money += cost
            self._money += cost

    def buy(self, trade: Trade) -> None:
        self._bought_wh += trade.energy_wh
        if self._tariff is not None:
            self._money += self._tariff.bought_money(trade.period, trade.energy_wh, trade.price_ticks)
            self._money -= self._tariff.retail_money(trade.period, trade.energy_wh)

    def sell(self, trade: Trade) -> None:
        self._sold_wh += trade.energy_wh
        if self._tariff is not None:
            self._money -= trade.money - trade.energy_wh * self._tariff.feed_in_ticks

    def measures(self, name: str) -> UserMeasures:
        has_tariff = self._tariff is not None
        return UserMeasures(
            participant=name,
            generated_kwh=self._generated_wh / WH_PER_KWH,
            used_kwh=self._used_wh / WH_PER_KWH,
            own_kwh=self._own_wh / WH_PER_KWH,
            bought_kwh=self._bought_wh / WH_PER_KWH,
            sold_kwh=self._sold_wh / WH_PER_KWH,
            cost_yuan=self._money / MONEY_UNITS_PER_YUAN if has_tariff else None,
            retail_cost_yuan=self._retail_money / MONEY_UNITS_PER_YUAN if has_tariff else None,
        )


def _optimum(orders: Sequence[Order]) -> tuple[int, int | None]:
    """The largest welfare that the wants allow, in 1e-7 yuan, and the price at which they meet."""
    asks, bids = (
        AuctionSide.of([(own.want.limit_ticks, own.want.energy_wh) for own in orders if own.want.side is side])
        for side in Side
    )
    cleared = clear(asks, bids)
    return welfare(asks, bids, cleared), cleared.price_ticks


def _prices(trades: Sequence[Trade], periods: Sequence[PeriodMeasures]) -> dict[str, float | None]:
    names = ("mean", "low", "high", "deviation", "alpha", "alpha_first", "alpha_last")
    if not trades:
        return {f"price_{name}": None for name in names}
    energy_wh, money = sum(trade.energy_wh for trade in trades), sum(trade.money for trade in trades)
    mean = money / energy_wh
    variance = sum(trade.energy_wh * (trade.price_ticks - mean) ** 2 for trade in trades) / energy_wh
    prices = [trade.price_ticks for trade in trades]
    equilibria = {one.period: one.equilibrium_yuan_per_kwh for one in periods}
    traded = list(dict.fromkeys(trade.period for trade in trades))
    quarter = max(len(traded) // 4, 1)
    spans = (traded, traded[:quarter], traded[-quarter:])
    alphas = [_alpha([trade for trade in trades if trade.period in set(span)], equilibria) for span in spans]
    ticks = (mean, min(prices), max(prices), sqrt(variance))
    return {
        f"price_{name}": value
        for name, value in zip(names, (*(t / TICKS_PER_YUAN for t in ticks), *alphas), strict=True)
    }


def _alpha(trades: Sequence[Trade], equilibria: Mapping[int, float | None]) -> float | None:
    """Smith's coefficient (Smith, Journal of Political Economy 70(2), 1962), weighted by energy."""
    squares, energy_wh = 0.0, 0
    for trade in trades:
        aim = equilibria[trade.period]
        if aim:
            squares += trade.energy_wh * (trade.price_ticks / TICKS_PER_YUAN / aim - 1) ** 2
            energy_wh += trade.energy_wh
    return sqrt(squares / energy_wh) if energy_wh else None


def _use(users: Sequence[UserMeasures]) -> tuple[float, float, float]:
    """Load, generation, and what of both met in the region."""
    own, bought = sum(one.own_kwh for one in users), sum(one.bought_kwh for one in users)
    return sum(one.used_kwh for one in users), sum(one.generated_kwh for one in users), own + bought


def _grid(scenario: Scenario, trades: Sequence[Trade]) -> tuple[float | None, float | None]:
    """Losses in kWh and the highest loading of a line, by what was traded."""
    network = scenario.network
    if network is None:
        return None, None
    zone_of = {one.name: network.zones[one.node.zone] for one in scenario.participants}
    injections = {zone: [0] * len(scenario.periods) for zone in network.zones}
    for trade in trades:
        place = trade.period - scenario.periods.start
        injections[zone_of[trade.seller]][place] += trade.energy_wh
        injections[zone_of[trade.buyer]][place] -= trade.energy_wh
    schedules = [ZoneSchedule(zone, series) for zone, series in injections.items()]
    flows = network.dispatch(schedules, len(scenario.periods)).flow_wh
    carried_wh = sum(abs(wh) for series in flows.values() for wh in series)
    loadings = [max(map(abs, flows[line.name])) / line.limit_wh for line in network.lines if line.limit_wh]
    return carried_wh * scenario.loss_permille / 1_000 / WH_PER_KWH, max(loadings, default=0.0)


def _carbon_kg(scenario: Scenario, record: RunRecord, users: Sequence[UserMeasures]) -> float | None:
    if scenario.carbon_g_per_kwh is None:
        return None
    drawn_wh = round(sum(one.used_kwh - one.own_kwh for one in users) * WH_PER_KWH)
    matched_wh = sum(trade.energy_wh for trade in record.trades if trade.energy_type & RENEWABLE)
    return carbon_g(drawn_wh, matched_wh, scenario.carbon_g_per_kwh / WH_PER_KWH) / 1_000


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
