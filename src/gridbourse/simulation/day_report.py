"""What a day leaves for people: figures in sum, CSV files and a picture."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from gridbourse.market.types import EnergyType, Side
from gridbourse.settlement.imbalance import PeriodSettlement
from gridbourse.simulation.day_result import DayResult, PlacedOrder, Trade
from gridbourse.simulation.figures import BLUE, GREY, figure
from gridbourse.units import (
    PERIOD_SECONDS,
    TICKS_PER_YUAN,
    WH_PER_KWH,
    format_kwh,
    format_price,
    format_yuan,
    period_start,
)

COLOURS = {
    EnergyType.HYDRO: BLUE,
    EnergyType.WIND: "#56b4e9",
    EnergyType.PV: "#f0e442",
    EnergyType.THERMAL: "#d55e00",
    EnergyType.STORAGE: "#cc79a7",
}
"""Okabe and Ito's palette; from the cheapest to the dearest, as they stand on each other."""

NAMES = {energy_type: (energy_type.name or "").lower().replace("pv", "PV") for energy_type in COLOURS}


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """What was settled of one energy type; prices in ticks, the mean weighted by energy."""

    energy_type: EnergyType
    trades: int
    energy_wh: int
    money: int
    lowest_ticks: int
    highest_ticks: int

    @property
    def mean_ticks(self) -> int:
        """Mean price, to the nearest tick."""
        return round(self.money / self.energy_wh)


def by_type(trades: Sequence[Trade]) -> list[TypeSummary]:
    """Sum up settled deals by energy type; types without any are left out."""
    summaries = []
    for energy_type in COLOURS:
        own = [trade for trade in trades if trade.energy_type is energy_type]
        if own:
            prices = [trade.price_ticks for trade in own]
            energy_wh, money = sum(trade.energy_wh for trade in own), sum(trade.money for trade in own)
            summaries.append(TypeSummary(energy_type, len(own), energy_wh, money, min(prices), max(prices)))
    return summaries


def matched_share(result: DayResult, side: Side) -> float:
    """Settled energy as a share of what was offered on one side."""
    offered_wh = sum(order.energy_wh for order in result.orders if order.side is side)
    settled_wh = sum(trade.energy_wh for trade in result.settled())
    return settled_wh / offered_wh if offered_wh else 0.0


def flows_wh(result: DayResult) -> dict[tuple[str, str], int]:
    """Settled energy by the masters of seller and buyer."""
    flows: Counter[tuple[str, str]] = Counter()
    for trade in result.settled():
        flows[trade.seller_master, trade.buyer_master] += trade.energy_wh
    return dict(flows)


def write_day(folder: Path, result: DayResult) -> list[Path]:
    """Write orders, deals, periods, findings and reports as files, and draw the day; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _draw_day(folder / "day.png", result),
        _write_csv(
            folder / "day_orders.csv",
            ("period", "delivery_from", "node", "master", "side", "energy_types", "energy_kwh", "price_yuan_per_kwh"),
            map(_order_row, result.orders),
        ),
        _write_csv(
            folder / "day_deals.csv",
            (
                "deal",
                "period",
                "delivery_from",
                "seller",
                "seller_master",
                "buyer",
                "buyer_master",
                "energy_type",
                "energy_kwh",
                "price_yuan_per_kwh",
                "money_yuan",
                "state",
            ),
            map(_deal_row, result.trades),
        ),
        _write_csv(
            folder / "day_settlement.csv",
            (
                "period",
                "delivery_from",
                "node",
                "bought_kwh",
                "sold_kwh",
                "metered_kwh",
                "imbalance_kwh",
                "price_yuan_per_kwh",
                "imbalance_yuan",
            ),
            (row for settled in result.settlement for row in _settlement_rows(settled)),
        ),
        _write_csv(
            folder / "day_capacity.csv",
            ("period", "delivery_from", "from_zone", "to_zone", "capacity_kwh", "used_kwh", "passed_over"),
            _capacity_rows(result),
        ),
        _write_csv(
            folder / "day_findings.csv",
            ("fault", "finding"),
            ((finding.fault, finding.detail) for finding in result.findings),
        ),
        _write_csv(
            folder / "day_reports.csv",
            ("node", "title", "report"),
            ((report.user_id, report.title, report.body) for report in result.reports),
        ),
    ]


def _order_row(order: PlacedOrder) -> Sequence[object]:
    any_type = order.energy_types == EnergyType.any()
    return (
        order.period,
        _moment(order.period),
        order.node,
        order.master,
        "sell" if order.side is Side.ASK else "buy",
        "any" if any_type else str(order.energy_types.name).lower().replace("|", " "),
        format_kwh(order.energy_wh),
        format_price(order.price_ticks),
    )


def _deal_row(trade: Trade) -> Sequence[object]:
    return (
        trade.deal_id,
        trade.period,
        _moment(trade.period),
        trade.seller,
        trade.seller_master,
        trade.buyer,
        trade.buyer_master,
        str(trade.energy_type.name).lower(),
        format_kwh(trade.energy_wh),
        format_price(trade.price_ticks),
        format_yuan(trade.money),
        trade.state.name.lower(),
    )


def _settlement_rows(settled: PeriodSettlement) -> Iterable[Sequence[object]]:
    for node, own in settled.imbalances.items():
        yield (
            settled.period,
            _moment(settled.period),
            node,
            format_kwh(own.traded.bought_wh),
            format_kwh(own.traded.sold_wh),
            "" if own.metered_wh is None else format_kwh(own.metered_wh),
            "" if own.imbalance_wh is None else format_kwh(own.imbalance_wh),
            format_price(settled.price_ticks),
            format_yuan(own.money(settled.price_ticks)),
        )


def _capacity_rows(result: DayResult) -> Iterable[Sequence[object]]:
    exchanged = result.exchanged_wh()
    for (start, end), capacities in result.capacity_wh.items():
        for turn, capacity_wh in enumerate(capacities):
            period, used_wh = result.first_period + turn, exchanged[start, end][turn]
            met = result.passed_over[start, end][turn]
            yield period, _moment(period), start, end, format_kwh(capacity_wh), format_kwh(used_wh), met


def _draw_day(path: Path, result: DayResult) -> Path:
    with figure(path, 12.6) as drawing:
        drawing.suptitle(
            f"A day in the region: {result.nodes} prosumers, {len(result.settled()):,} settled deals, "
            f"{period_start(result.first_period):%A %d %B %Y}",
            x=0.01,
            ha="left",
        )
        grid = drawing.add_gridspec(4, 2, height_ratios=(3, 3.4, 3, 3))
        prices = drawing.add_subplot(grid[0, :])
        quantities = drawing.add_subplot(grid[1, :], sharex=prices)
        _draw_prices(prices, result)
        _draw_quantities(quantities, result)
        _draw_types(drawing.add_subplot(grid[2, 0]), by_type(result.settled()))
        _draw_flows(drawing.add_subplot(grid[2, 1]), result)
        _draw_zones(drawing.add_subplot(grid[3, 0]), result)
        _draw_imbalances(drawing.add_subplot(grid[3, 1]), result)
    return path


def _draw_prices(axes: Axes, result: DayResult) -> None:
    hours, lowest, mean, highest = [], [], [], []
    for turn in range(result.periods):
        own = [trade for trade in result.settled() if trade.period == result.first_period + turn]
        if own:
            prices = [trade.price_ticks / TICKS_PER_YUAN for trade in own]
            energy_wh = sum(trade.energy_wh for trade in own)
            hours.append(_hour(turn))
            lowest.append(min(prices))
            highest.append(max(prices))
            mean.append(sum(trade.money for trade in own) / energy_wh / TICKS_PER_YUAN)
    axes.fill_between(hours, lowest, highest, color=BLUE, alpha=0.18, linewidth=0, label="lowest to highest")
    axes.plot(hours, mean, color=BLUE, label="mean, weighted by energy")
    axes.set(ylabel="yuan/kWh", title="price of settled deals")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", ncols=2)
    axes.margins(y=0.2)
    axes.set_xlim(0, _hour(result.periods - 0.5))


def _draw_quantities(axes: Axes, result: DayResult) -> None:
    hours = [_hour(turn) for turn in range(result.periods)]
    base = np.zeros(result.periods)
    for energy_type, colour in COLOURS.items():
        kwh = _per_period_kwh(
            result, [(trade.period, trade.energy_wh) for trade in result.settled() if trade.energy_type is energy_type]
        )
        axes.bar(hours, kwh, bottom=base, width=0.23, color=colour, label=NAMES[energy_type])
        base += kwh
    for side, style, label in ((Side.BID, "-", "asked for"), (Side.ASK, ":", "offered")):
        wanted = _per_period_kwh(
            result, [(order.period, order.energy_wh) for order in result.orders if order.side is side]
        )
        axes.step(hours, wanted, where="mid", color=GREY, linestyle=style, linewidth=1.3, label=label)
    axes.set(ylabel="kWh in 15 minutes", title="energy traded, by type; what was asked for and offered in all")
    axes.legend(loc="upper left", ncols=7, columnspacing=1.0, handlelength=1.2)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: f"{int(hour):02}:{round(hour % 1 * 60):02}"))
    if result.periods > 32:
        axes.set_xticks(range(0, result.periods // 4 + 1, 3))


def _draw_types(axes: Axes, summaries: Sequence[TypeSummary]) -> None:
    places = range(len(summaries))
    axes.barh(
        places,
        [summary.energy_wh / WH_PER_KWH for summary in summaries],
        height=0.4,
        color=[COLOURS[summary.energy_type] for summary in summaries],
    )
    for place, summary in zip(places, summaries, strict=True):
        lowest, mean, highest = (
            f"{ticks / TICKS_PER_YUAN:.3f}"
            for ticks in (summary.lowest_ticks, summary.mean_ticks, summary.highest_ticks)
        )
        text = f"{summary.energy_wh / WH_PER_KWH:,.0f} kWh at {mean} ({lowest} to {highest})"
        axes.text(0, place - 0.26, text, va="bottom", ha="left", fontsize=8.5)
    axes.set(yticks=list(places), ylim=(len(summaries) - 0.6, -0.75), xlabel="kWh")
    axes.set_title("by type: energy, mean price (lowest to highest)")
    axes.set_yticklabels([NAMES[summary.energy_type] for summary in summaries])
    axes.grid(visible=False, axis="y")


def _draw_flows(axes: Axes, result: DayResult) -> None:
    masters = list(result.records)
    flows = flows_wh(result)
    kwh = np.array([[flows.get((seller, buyer), 0) / WH_PER_KWH for buyer in masters] for seller in masters])
    axes.imshow(kwh, cmap="Blues", aspect="auto", vmin=0, vmax=max(kwh.max(), 1.0) * 1.15)
    for row, seller in enumerate(masters):
        for column, buyer in enumerate(masters):
            amount = flows.get((seller, buyer), 0) / WH_PER_KWH
            colour = "white" if amount > kwh.max() * 0.6 else "black"
            axes.text(column, row, f"{amount:,.0f}" if amount else "–", ha="center", va="center", color=colour)
    axes.set(xticks=range(len(masters)), yticks=range(len(masters)), title="who sold to whom, kWh by master")
    axes.set_xticklabels(masters)
    axes.set_yticklabels(masters)
    axes.set(xlabel="buyer", ylabel="seller")
    axes.grid(visible=False)


def _draw_zones(axes: Axes, result: DayResult) -> None:
    """How much of each pair's transfer capacity the deals used, over the day."""
    exchanged = result.exchanged_wh()
    pairs = [pair for pair in exchanged if any(exchanged[pair]) or any(result.passed_over[pair])]
    used = np.array(
        [
            [wh / limit if limit else 0.0 for wh, limit in zip(exchanged[pair], result.capacity_wh[pair], strict=True)]
            for pair in pairs
        ]
    ).reshape(len(pairs), result.periods)
    hours = _hour(result.periods - 0.5)
    axes.imshow(used, cmap="YlOrRd", aspect="auto", vmin=0, vmax=1, extent=(0, hours, len(pairs) - 0.5, -0.5))
    met = [(_hour(turn), row) for row, pair in enumerate(pairs) for turn, n in enumerate(result.passed_over[pair]) if n]
    if met:
        moments, rows = zip(*met, strict=True)
        axes.scatter(moments, rows, s=4, color="black", marker="o", linewidths=0)
    title = "zones: share of capacity used; dots: passed over"
    axes.set(yticks=range(len(pairs)), title=title)
    axes.set_yticklabels([f"{start} to {end}" for start, end in pairs])
    axes.set_xlabel("hour")
    axes.grid(visible=False)


def _draw_imbalances(axes: Axes, result: DayResult) -> None:
    """What users were off, either way, and the price of it."""
    hours = [_hour(turn) for turn in range(result.periods)]
    off = [[own.imbalance_wh or 0 for own in settled.imbalances.values()] for settled in result.settlement]
    for sign, colour, label in ((1, BLUE, "long"), (-1, "#d55e00", "short")):
        kwh = [sign * sum(max(sign * wh, 0) for wh in column) / WH_PER_KWH for column in off]
        axes.bar(hours, kwh, width=0.23, color=colour, label=label)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(title="imbalances per period, and their price", xlabel="hour", ylabel="kWh")
    axes.set_xlim(0, _hour(result.periods - 0.5))
    lowest, highest = axes.get_ylim()
    axes.set_ylim(lowest - 0.2 * (highest - lowest), highest)
    prices = axes.twinx()
    ticks = [settled.price_ticks / TICKS_PER_YUAN for settled in result.settlement]
    prices.step(hours, ticks, where="mid", color="black", linewidth=1.0, label="price, yuan/kWh (right)")
    prices.set_ylim(bottom=0)
    prices.grid(visible=False)
    handles, labels = axes.get_legend_handles_labels()
    more_handles, more_labels = prices.get_legend_handles_labels()
    axes.legend(handles + more_handles, labels + more_labels, loc="lower left", ncols=3, fontsize=8)


def _per_period_kwh(result: DayResult, energies: Iterable[tuple[int, int]]) -> NDArray[np.float64]:
    """Sum energies, given as period and Wh, by period."""
    total = np.zeros(result.periods)
    for period, energy_wh in energies:
        total[period - result.first_period] += energy_wh / WH_PER_KWH
    return total


def _hour(turn: float) -> float:
    """Middle of the day's period of that number, in hours after midnight."""
    return (turn + 0.5) * PERIOD_SECONDS / 3600


def _moment(period: int) -> str:
    return f"{period_start(period):%Y-%m-%d %H:%M}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
