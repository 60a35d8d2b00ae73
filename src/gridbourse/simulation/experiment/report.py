"""What a run or a sweep leaves in a folder: tables, figures, and one page that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from gridbourse.simulation.experiment.charts import (
    TITLES,
    draw_estimates,
    draw_periods,
    draw_users,
    label,
    shown,
    title,
    write_csv,
)
from gridbourse.simulation.experiment.measures import measure, measure_periods, measure_users
from gridbourse.simulation.experiment.sweep import Estimate, Result, summarise
from gridbourse.simulation.scenario.description import FILE, Scenario
from gridbourse.simulation.scenario.values import RunRecord
from gridbourse.units import PERIOD_SECONDS, format_kwh, format_price

PAGE = "report.html"
_NOISE = 1e-12


def write_run(folder: Path, scenario: Scenario, record: RunRecord) -> list[Path]:
    """Write a run's orders, trades, periods, users and measures, its figures and its page; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    users = measure_users(scenario, record)
    measures = measure(scenario, record).flat()
    names = ("participant", "generated_kwh", "used_kwh", "own_kwh", "bought_kwh", "sold_kwh")
    costs = ("cost_yuan", "retail_cost_yuan", "saved_yuan")
    written = [
        _write_orders(folder / "orders.csv", scenario, record),
        _write_trades(folder / "trades.csv", scenario, record),
        write_csv(
            folder / "users.csv",
            names + costs,
            ([getattr(one, name) for name in names + costs] for one in users),
        ),
        write_csv(folder / "measures.csv", ("measure", "value"), measures.items()),
    ]
    figures = {"periods": "energy and prices over time"}
    written.append(draw_periods(folder / "periods.png", scenario, measure_periods(record)))
    if drawn := draw_users(folder / "saved.png", users):
        figures["saved"] = "what each user saved"
        written.append(drawn)
    cells = {name: [_number(name, value)] for name, value in measures.items() if value is not None}
    written.append(_write_page(folder, scenario, ["value"], cells, figures))
    return written


def write_sweep(folder: Path, scenario: Scenario, results: Iterable[Result]) -> list[Path]:
    """Write a sweep's cases, estimates, figures and page; returns the files."""
    results = list(results)
    estimates = summarise(results)
    fields = list(dict.fromkeys(field for result in results for field in result.settings))
    names = list(dict.fromkeys(name for result in results for name in result.measures))
    written = [
        write_csv(
            folder / "cases.csv",
            [*fields, "seed", *names],
            (
                [*(one.settings.get(f) for f in fields), one.seed, *(one.measures.get(name) for name in names)]
                for one in results
            ),
        ),
        write_csv(
            folder / "summary.csv",
            [*fields, "measure", "runs", "mean", "low", "high"],
            (
                [*(one.settings.get(f) for f in fields), one.measure, one.runs, one.mean, one.low, one.high]
                for one in estimates
            ),
        ),
    ]
    drawn = draw_estimates(folder, estimates)
    columns = list(dict.fromkeys(label(one.settings) for one in estimates))
    figures = {path.stem: title(_measure_of(path.stem, names)).text for path in drawn}
    written += [*drawn, _write_page(folder, scenario, columns, estimate_cells(estimates), figures)]
    return written


def estimate_cells(estimates: Sequence[Estimate]) -> dict[str, list[str]]:
    """By measure, a cell for each setting: the mean, and how far its interval reaches either way."""
    columns = list(dict.fromkeys(label(one.settings) for one in estimates))
    cells: dict[str, list[str]] = {}
    for one in estimates:
        row = cells.setdefault(one.measure, ["–"] * len(columns))
        half = 0.0 if one.high is None else one.high - one.mean
        # What is less is the rounding of sums of floats.
        spread = f" ± {_number(one.measure, half)}" if half > _NOISE * abs(one.mean) else ""
        row[columns.index(label(one.settings))] = _number(one.measure, one.mean) + spread
    return cells


def measure_rows(cells: Mapping[str, Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    """Measures by their titles, in the order in which reports show them."""
    places = {name: place for place, name in enumerate(TITLES)}
    ordered = sorted(cells, key=lambda name: places[name.partition(".")[0]])
    return [(f"{text}{f', {unit}' if unit else ''}", cells[name]) for name in ordered for text, unit in (title(name),)]


def _write_page(
    folder: Path,
    scenario: Scenario,
    columns: Sequence[str],
    cells: Mapping[str, Sequence[str]],
    figures: Mapping[str, str],
) -> Path:
    template = files(__package__).joinpath("page.html.j2").read_text("utf-8")
    begin, end = (
        datetime.fromtimestamp(period * PERIOD_SECONDS, scenario.zone)
        for period in (scenario.periods.start, scenario.periods.stop)
    )
    note = (
        f"{len(scenario.participants)} participants, {len(scenario.periods)} delivery periods from "
        f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({scenario.region.time_zone}); "
        "± is half a 95 % interval of the mean over seeds"
    )
    page = Environment(autoescape=True).from_string(template)
    path = folder / PAGE
    path.write_text(
        page.render(
            title=scenario.title,
            note=note,
            columns=columns,
            rows=[{"name": name, "cells": row} for name, row in measure_rows(cells)],
            figures=[{"stem": stem, "text": text} for stem, text in figures.items()],
            described=(scenario.folder / FILE).read_text("utf-8"),
        ),
        "utf-8",
    )
    return path


def _write_orders(path: Path, scenario: Scenario, record: RunRecord) -> Path:
    header = ("time", "participant", "side", "energy_kwh", "limit_yuan_per_kwh", "price_yuan_per_kwh")
    rows = (
        (
            _time(scenario, order.want.period),
            order.want.participant,
            order.want.side.name.lower(),
            format_kwh(order.want.energy_wh),
            format_price(order.want.limit_ticks),
            format_price(order.price_ticks),
        )
        for order in record.orders
    )
    return write_csv(path, header, rows)


def _write_trades(path: Path, scenario: Scenario, record: RunRecord) -> Path:
    header = ("time", "seller", "buyer", "energy_type", "energy_kwh", "price_yuan_per_kwh")
    rows = (
        (
            _time(scenario, trade.period),
            trade.seller,
            trade.buyer,
            (trade.energy_type.name or "").lower(),
            format_kwh(trade.energy_wh),
            format_price(trade.price_ticks),
        )
        for trade in record.trades
    )
    return write_csv(path, header, rows)


def _time(scenario: Scenario, period: int) -> str:
    return datetime.fromtimestamp(period * PERIOD_SECONDS, scenario.zone).isoformat(timespec="minutes")


def _number(name: str, value: float) -> str:
    number = shown(name, value)
    return f"{number:,.0f}" if number == int(number) or abs(number) >= 10_000 else f"{number:,.4g}"


def _measure_of(stem: str, names: Sequence[str]) -> str:
    return next(name for name in names if name.replace(".", "_") == stem)
