"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.delivery import DeliveryCalendar, date_day
from gridbourse.units import format_kwh, format_price, format_yuan

_Value = TypeVar("_Value")

Columns = Mapping[str, Callable[[_Value], object]]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
LANGUAGE = click.option(
    "--lang",
    "language",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Language of names and texts.",
)


class Times(Protocol):
    """Shows what only the region's clocks can tell."""

    def __call__(self) -> DeliveryCalendar:
        """The region's calendar."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A cell with a delivery period."""

    period: int

    def shown(self, calendar: DeliveryCalendar) -> str:
        """When it is."""
        return calendar.dated_span(self.period)


@dataclass(frozen=True, slots=True)
class Moment:
    """A cell with a moment, in seconds since the epoch."""

    seconds: int

    def shown(self, calendar: DeliveryCalendar) -> str:
        """When it is."""
        return f"{calendar.at(self.seconds):%Y-%m-%d %H:%M:%S}"


def read_day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """Read a delivery day, a local date; for options."""
    return None if value is None else date_day(value)


def show(
    values: Iterable[_Value],
    columns: Columns[_Value],
    *,
    times: Times = DeliveryCalendar,
    as_json: bool,
    title: str | None = None,
) -> None:
    """Print values as a table, or as a JSON list."""
    if as_json:
        print_json([asdict(value) for value in values])  # type: ignore[call-overload]
        return
    table = Table(title=title, title_justify="left")
    rows = [[_cell(column(value), times) for column in columns.values()] for value in values]
    for number, name in enumerate(columns):
        is_number = all(_is_numeric(row[number]) for row in rows) and rows
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def show_one(value: Any, rows: Mapping[str, object], *, times: Times = DeliveryCalendar, as_json: bool) -> None:
    """Print one value as a list of its fields, or as a JSON object."""
    if as_json:
        print_json(asdict(value))
        return
    table = Table(show_header=False, box=None)
    for name, cell in rows.items():
        table.add_row(name, escape(_cell(cell, times)))
    Console().print(table)


def print_json(content: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def kwh(energy_wh: int) -> str:
    """Energy as people write it."""
    return format_kwh(energy_wh)


def price(ticks: int | None) -> str:
    """A price as people write it."""
    return "" if ticks is None else format_price(ticks)


def yuan(money: int) -> str:
    """Money as people write it."""
    return format_yuan(money)


def period(number: int) -> Delivery:
    """A delivery period, by the region's clocks."""
    return Delivery(number)


def moment(seconds: int | None) -> Moment | str:
    """A time, by the region's clocks."""
    return "" if seconds is None else Moment(seconds)


def _cell(value: object, times: Times) -> str:
    if isinstance(value, Delivery | Moment):
        return value.shown(times())
    return "" if value is None else str(value)


def _is_numeric(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()
