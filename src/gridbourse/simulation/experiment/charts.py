"""Figures of runs and comparisons, each as PNG, SVG and the CSV that it was drawn from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gridbourse.simulation.experiment.measures import PeriodMeasures, UserMeasures
from gridbourse.simulation.experiment.sweep import Estimate, Settings
from gridbourse.simulation.figures import BLUE, GREY, VERMILLION, figure
from gridbourse.simulation.scenario.description import Scenario
from gridbourse.units import PERIOD_SECONDS


class Title(NamedTuple):
    """What a measure is called, and in which unit it is shown."""

    text: str
    unit: str = ""


TITLES: Mapping[str, Title] = {
    "orders": Title("orders"),
    "trades": Title("trades"),
    "traded_kwh": Title("energy traded", "kWh"),
    "turnover_yuan": Title("turnover", "yuan"),
    "welfare_yuan": Title("welfare", "yuan"),
    "optimum_yuan": Title("largest welfare possible", "yuan"),
    "welfare_share": Title("welfare, of the largest possible", "%"),
    "price_mean": Title("mean price", "yuan/kWh"),
    "price_low": Title("lowest price", "yuan/kWh"),
    "price_high": Title("highest price", "yuan/kWh"),
    "price_deviation": Title("standard deviation of prices", "yuan/kWh"),
    "price_alpha": Title("distance from equilibrium (Smith's alpha)", "%"),
    "price_alpha_first": Title("the same, first quarter of periods", "%"),
    "price_alpha_last": Title("the same, last quarter of periods", "%"),
    "self_sufficiency": Title("self-sufficiency", "%"),
    "self_consumption": Title("self-consumption", "%"),
    "cost_yuan": Title("cost of all users", "yuan"),
    "retail_cost_yuan": Title("their cost by the retail tariff", "yuan"),
    "saved_share": Title("saved, of the cost by the retail tariff", "%"),
    "gini_saved": Title("Gini coefficient of what users saved"),
    "loss_kwh": Title("losses of lines", "kWh"),
    "line_loading": Title("highest loading of a line", "%"),
    "carbon_kg": Title("carbon", "kg CO2"),
    "audit_findings": Title("findings of the audit"),
    "gas_per_trade": Title("gas per trade"),
    "bytes_per_trade": Title("bytes of transactions per trade"),
    "ms_per_trade": Title("time per trade", "ms"),
}
"""Of every measure, in the order in which reports show them."""

DRAWN = (
    "welfare_share",
    "traded_kwh",
    "price_mean",
    "price_alpha",
    "self_sufficiency",
    "saved_share",
    "gini_saved",
    "line_loading",
    "carbon_kg",
)
"""What a comparison draws, where it has values; and every measure of a chain."""


def title(measure: str) -> Title:
    """Of a measure by its name, that of a chain as ``gas_per_trade.main``."""
    name, _, chain = measure.partition(".")
    known = TITLES[name]
    return Title(f"{known.text}, {chain} chain", known.unit) if chain else known


def shown(measure: str, value: float) -> float:
    """A value in the unit of its title."""
    return value * 100 if title(measure).unit == "%" else value


def is_drawn(measure: str) -> bool:
    """Whether comparisons draw a measure, and print it."""
    return measure in DRAWN or "." in measure


def label(settings: Settings) -> str:
    """Settings as figures name them: values alone, with the field where there are several."""
    if len(settings) == 1:
        return str(next(iter(settings.values())))
    return ", ".join(f"{field.rpartition('.')[2]} {value}" for field, value in settings.items()) or "as described"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table; None is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def draw_estimates(folder: Path, estimates: Sequence[Estimate]) -> list[Path]:
    """Draw every measure that tells something over the settings; returns the PNG files."""
    by_measure: dict[str, list[Estimate]] = {}
    for one in estimates:
        by_measure.setdefault(one.measure, []).append(one)
    wanted = [name for name in TITLES if is_drawn(name) and name in by_measure]
    wanted += [name for name in by_measure if "." in name]
    return [_draw_measure(folder / f"{name.replace('.', '_')}.png", name, by_measure[name]) for name in wanted]


def _draw_measure(path: Path, name: str, estimates: Sequence[Estimate]) -> Path:
    rows = [
        (label(one.settings), *(None if v is None else shown(name, v) for v in (one.mean, one.low, one.high)), one.runs)
        for one in estimates
    ]
    write_csv(path.with_suffix(".csv"), ("setting", "mean", "low", "high", "runs"), rows)
    numbers = [number for one in estimates if (number := _number(one.settings)) is not None]
    text, unit = title(name)
    axis_title = f"{text}{f' in {unit}' if unit else ''}"
    means = [shown(name, one.mean) for one in estimates]
    below = [shown(name, one.mean - one.low) if one.low is not None else 0.0 for one in estimates]
    above = [shown(name, one.high - one.mean) if one.high is not None else 0.0 for one in estimates]
    with figure(path, max(2.0, 1.2 + 0.42 * len(rows)), vector=True) as drawing:
        axes = drawing.add_subplot(title=axis_title)
        if len(rows) > 1 and len(numbers) == len(rows):
            axes.errorbar(numbers, means, (below, above), color=BLUE, marker="o", capsize=3)
            axes.set(xlabel=next(iter(estimates[0].settings)), ylabel=unit or text)
        else:
            places = range(len(rows))
            axes.barh(places, means, color=BLUE, height=0.62, xerr=(below, above), capsize=3, ecolor=GREY)
            for place, mean, more in zip(places, means, above, strict=True):
                axes.text(max(mean, 0) + more, place, f" {mean:,.4g}", va="center")
            axes.set_yticks(places, [label(one.settings) for one in estimates], parse_math=False)
            axes.set(xlabel=unit or text)
            axes.invert_yaxis()
            axes.margins(x=0.14)
    return path


def _number(settings: Settings) -> float | None:
    """The value of a single numeric setting."""
    values = list(settings.values())
    if len(values) != 1 or not isinstance(values[0], int | float) or isinstance(values[0], bool):
        return None
    return float(values[0])


def draw_periods(path: Path, scenario: Scenario, periods: Sequence[PeriodMeasures]) -> Path:
    """Draw price and energy over the delivery periods."""
    times = [datetime.fromtimestamp(one.period * PERIOD_SECONDS, scenario.zone) for one in periods]
    header = ("time", "traded_kwh", "price_yuan_per_kwh", "equilibrium_yuan_per_kwh", "welfare_yuan", "optimum_yuan")
    rows = (
        (
            time.isoformat(timespec="minutes"),
            one.traded_kwh,
            one.price_yuan_per_kwh,
            one.equilibrium_yuan_per_kwh,
            one.welfare_yuan,
            one.optimum_yuan,
        )
        for time, one in zip(times, periods, strict=True)
    )
    write_csv(path.with_suffix(".csv"), header, rows)
    local = [time.replace(tzinfo=None) for time in times]
    nothing = float("nan")
    with figure(path, 4.6, vector=True) as drawing:
        upper, lower = drawing.subplots(2, 1, sharex=True)
        upper.bar(local, [one.traded_kwh for one in periods], width=PERIOD_SECONDS / 86_400 * 0.8, color=BLUE)
        upper.set(ylabel="kWh", title="energy traded in each delivery period")
        for name, colour, text in (
            ("equilibrium_yuan_per_kwh", GREY, "equilibrium"),
            ("price_yuan_per_kwh", VERMILLION, "mean price"),
        ):
            values = [getattr(one, name) for one in periods]
            lower.plot(local, [nothing if v is None else v for v in values], color=colour, marker=".", label=text)
        lower.set(ylabel="yuan/kWh", xlabel=f"local time, {scenario.region.time_zone}")
        lower.legend(loc="best", ncols=2)
        drawing.autofmt_xdate(rotation=30)
    return path


def draw_users(path: Path, users: Sequence[UserMeasures]) -> Path | None:
    """Draw what every user saved, the one who saved most first; None where no tariff says what things cost."""
    saved = [(one.participant, one.saved_yuan) for one in users if one.saved_yuan is not None]
    if not saved:
        return None
    saved.sort(key=lambda one: -one[1])
    write_csv(path.with_suffix(".csv"), ("participant", "saved_yuan"), saved)
    with figure(path, 3.6, vector=True) as drawing:
        axes = drawing.add_subplot(title="what each user saved against the retail tariff")
        axes.bar(range(len(saved)), [yuan for _, yuan in saved], color=BLUE)
        axes.set(ylabel="yuan", xlabel="users, the one who saved most first" if len(saved) > 20 else None)
        if len(saved) > 20:
            axes.set_xticks([])
        else:
            axes.set_xticks(range(len(saved)), [name for name, _ in saved], rotation=30, ha="right", parse_math=False)
    return path
