"""The paper's tables and figures from what was run: comparison with Table 3, Figures 5 and 6, CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from gridbourse.errors import GridbourseError
from gridbourse.market.types import Side
from gridbourse.paper.comparison import MEASURES, Comparison, Spread
from gridbourse.paper.market import ORDERS, Row, Trade
from gridbourse.paper.mechanisms import outcomes
from gridbourse.paper.scale import ScaleResult
from gridbourse.simulation.figures import BLUE, GREY, VERMILLION, figure
from gridbourse.units import energy_wh, format_kwh, format_price, format_yuan, price_ticks

TABLE_3_REMAINING_KWH = {"User 4": 350, "User 7": 700}
"""What Table 3 leaves over; nothing of all others."""

TRADES = (
    ("User 1", "User 10", 300, "0.36"),
    ("User 1", "User 8", 230, "0.37"),
    ("User 1", "User 9", 70, "0.37"),
    ("User 2", "User 9", 80, "0.37"),
    ("User 2", "User 6", 280, "0.39"),
    ("User 3", "User 5", 240, "0.41"),
)
"""The six trades of section 4: buyer, seller, kWh, yuan/kWh."""

SIDES = {Side.BID: "buy", Side.ASK: "sell"}


def check(rows: Sequence[Row], trades: Sequence[Trade]) -> None:
    """Compare a run with the paper's.

    Raises
    ------
    GridbourseError
        A row or a trade is not the paper's.
    """
    for row in rows:
        expected_wh = energy_wh(TABLE_3_REMAINING_KWH.get(row.user, 0))
        if row.remaining_wh != expected_wh:
            raise GridbourseError(
                f"Table 3, {row.user}: {format_kwh(row.remaining_wh)} kWh remain, not {format_kwh(expected_wh)}"
            )
    expected = [(buyer, seller, energy_wh(kwh), price_ticks(price)) for buyer, seller, kwh, price in TRADES]
    found = [(trade.buyer, trade.seller, trade.energy_wh, trade.price_ticks) for trade in trades]
    if found != expected:
        raise GridbourseError(f"section 4: the trades are {found}, not {expected}")


def write(
    folder: Path, before: Sequence[Row], after: Sequence[Row], trades: Sequence[Trade], compared: Comparison
) -> list[Path]:
    """Write tables, trades, mechanisms and times as CSV and Figures 5 and 6 as PNG; returns the files."""
    return [
        _write_table(folder / "table2.csv", before),
        _write_table(folder / "table3.csv", after),
        _write_csv(
            folder / "figure5.csv",
            ("trade", "buyer", "seller", "energy_kwh", "price_yuan_per_kwh", "money_yuan"),
            (
                (
                    trade.deal_id,
                    trade.buyer,
                    trade.seller,
                    format_kwh(trade.energy_wh),
                    format_price(trade.price_ticks),
                    format_yuan(trade.money),
                )
                for trade in trades
            ),
        ),
        _draw_figure_5(folder / "figure5.png", trades),
        _write_mechanisms(folder / "mechanisms.csv"),
        _write_csv(
            folder / "figure6.csv",
            ("model", "measure", "trade", "median_ms", "lower_quartile_ms", "upper_quartile_ms"),
            _times(compared),
        ),
        _draw_figure_6(folder / "figure6.png", compared),
    ]


def write_scale(folder: Path, results: Sequence[ScaleResult]) -> list[Path]:
    """Write the random market's results as CSV and as a picture of busy chains; returns the files."""
    rows = [
        (_model(result), result.orders, result.trades, name, f"{seconds:.3f}", f"{result.elapsed_seconds:.1f}")
        for result in results
        for name, seconds in result.busy_seconds.items()
    ]
    header = ("model", "orders", "trades", "chain", "busy_s", "elapsed_s")
    return [_write_csv(folder / "scale.csv", header, rows), _draw_scale(folder / "scale.png", results)]


def _draw_figure_5(path: Path, trades: Sequence[Trade]) -> Path:
    places = range(1, len(trades) + 1)
    with figure(path, 4.4) as drawing:
        axes = drawing.add_subplot(title="Figure 5: quantity and price of the trades, in their order")
        axes.bar(places, [trade.energy_wh / 1_000 for trade in trades], color=BLUE, width=0.6)
        axes.set(xlabel="trade", ylabel="quantity in kWh", xticks=places, ylim=(0, 520))
        axes.set_xticklabels([f"{trade.deal_id}\n{trade.seller}\nto {trade.buyer}" for trade in trades])
        for place, trade in zip(places, trades, strict=True):
            axes.text(place, trade.energy_wh / 2_000, format_kwh(trade.energy_wh), ha="center", color="white")
        prices = axes.twinx()
        prices.grid(visible=False)
        prices.plot(places, [trade.price_ticks / 10_000 for trade in trades], color=VERMILLION, marker="o")
        for place, trade in zip(places, trades, strict=True):
            price = trade.price_ticks / 10_000
            prices.text(place, price + 0.004, format_price(trade.price_ticks), ha="center", color=VERMILLION)
        prices.set(ylim=(0.25, 0.42))
        prices.set_ylabel("price in yuan/kWh", color=VERMILLION)
        prices.tick_params(axis="y", colors=VERMILLION)
    return path


def _draw_figure_6(path: Path, compared: Comparison) -> Path:
    with figure(path, 4.6) as drawing:
        drawing.suptitle("Figure 6: everything on a single chain (grey) against master-slave (blue)", x=0.01, ha="left")
        left, right = drawing.subplots(1, 2, width_ratios=(3, 2))
        _draw_trades(left, compared)
        _draw_totals(right, compared)
    return path


def _draw_trades(axes: Axes, compared: Comparison) -> None:
    single = compared.per_trade(compared.single_chain, "elapsed")
    double = compared.per_trade(compared.master_slave, "elapsed")
    for shift, spreads, colour, label in ((-0.2, single, GREY, "single chain"), (0.2, double, BLUE, "master-slave")):
        _bars(axes, [place + shift for place in range(1, len(spreads) + 1)], spreads, colour, label)
    axes.set(xlabel="trade", ylabel="ms, from signed bid to recorded details", xticks=range(1, len(single) + 1))
    axes.set_title("each trade: median and quartiles")
    axes.margins(y=0.15)
    axes.legend(loc="upper right", ncols=2)


def _draw_totals(axes: Axes, compared: Comparison) -> None:
    for place, measure in enumerate(MEASURES):
        for shift, runs, colour in ((-0.2, compared.single_chain, GREY), (0.2, compared.master_slave, BLUE)):
            _bars(axes, [place + shift], [compared.total(runs, measure)], colour, None)
        saving = compared.saving(measure).median
        tops = [compared.total(runs, measure).upper for runs in (compared.single_chain, compared.master_slave)]
        top = max(tops) * 1e3
        axes.text(place, top, f"{'saves' if saving > 0 else 'costs'} {abs(saving):.1%}\n", ha="center")
    axes.set(ylabel="ms", xticks=range(len(MEASURES)))
    axes.set_xticklabels(["main chain\nalone", "from begin\nto end", "work of\nall chains"])
    axes.margins(y=0.15)
    axes.set_title("six trades in total")


def _bars(axes: Axes, places: Sequence[float], spreads: Sequence[Spread], colour: str, label: str | None) -> None:
    heights = [spread.median * 1e3 for spread in spreads]
    below = [(spread.median - spread.lower) * 1e3 for spread in spreads]
    above = [(spread.upper - spread.median) * 1e3 for spread in spreads]
    axes.bar(places, heights, width=0.36, color=colour, label=label, yerr=(below, above), capsize=3)


def _draw_scale(path: Path, results: Sequence[ScaleResult]) -> Path:
    bars = [(result, name, seconds) for result in results for name, seconds in result.busy_seconds.items()]
    places = range(len(bars))
    with figure(path, 3.2) as drawing:
        title = f"Random market of {results[0].orders:,} orders: how long each chain was busy"
        axes = drawing.add_subplot(title=title)
        colours = [GREY if result.single_chain else BLUE for result, _, _ in bars]
        axes.barh(places, [seconds for _, _, seconds in bars], color=colours)
        for place, (_, _, seconds) in zip(places, bars, strict=True):
            axes.text(seconds, place, f" {seconds:.1f} s", va="center")
        axes.set(yticks=places, xlabel="seconds")
        axes.set_yticklabels([f"{_model(result)}: {name} chain" for result, name, _ in bars])
        axes.invert_yaxis()
        axes.margins(x=0.12)
    return path


def _times(compared: Comparison) -> Iterable[tuple[object, ...]]:
    for model, runs in (("single chain", compared.single_chain), ("master-slave", compared.master_slave)):
        for measure in MEASURES:
            spreads = {str(turn): spread for turn, spread in enumerate(compared.per_trade(runs, measure), start=1)}
            spreads["total"] = compared.total(runs, measure)
            for trade, spread in spreads.items():
                times = (f"{seconds * 1e3:.4f}" for seconds in (spread.median, spread.lower, spread.upper))
                yield (model, measure, trade, *times)


def _write_table(path: Path, rows: Sequence[Row]) -> Path:
    header = ("user", "side", "status", "offered_kwh", "remaining_kwh", "price_yuan_per_kwh")
    return _write_csv(
        path,
        header,
        (
            (
                row.user,
                SIDES[row.side],
                row.status,
                format_kwh(row.offered_wh),
                format_kwh(row.remaining_wh),
                format_price(row.price_ticks),
            )
            for row in rows
        ),
    )


def _write_mechanisms(path: Path) -> Path:
    both = outcomes()
    header = ("user", "side", "limit_yuan_per_kwh", *(f"{one.name.replace(' ', '_')}_kwh" for one in both))
    users = (
        (
            order.participant,
            SIDES[order.side],
            format_price(order.limit_ticks),
            *(format_kwh(one.traded_by.get(order.participant, 0)) for one in both),
        )
        for order in ORDERS
    )
    return _write_csv(path, header, users)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def _model(result: ScaleResult) -> str:
    return "single chain" if result.single_chain else "master-slave"
