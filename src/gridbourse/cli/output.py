"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridbourse.errors import InvalidValue
from gridbourse.units import format_kwh, format_price, format_yuan, period_at, period_start

_Value = TypeVar("_Value")

Columns = Mapping[str, Callable[[_Value], object]]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


class PeriodType(click.ParamType[int]):
    """A delivery period: its number, or a time in it."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number or an ISO 8601 time; without an offset it is UTC."""
        if isinstance(value, int):
            return value
        if value.isascii() and value.isdigit():
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
            return period_at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, InvalidValue):
            self.fail(f"{value!r} is no number of a period and no time like 2026-06-01T12:15", param, ctx)


PERIOD = PeriodType()


def show(values: Iterable[_Value], columns: Columns[_Value], *, as_json: bool, title: str | None = None) -> None:
    """Print values as a table, or as a JSON list."""
    if as_json:
        print_json([asdict(value) for value in values])  # type: ignore[call-overload]
        return
    table = Table(title=title, title_justify="left")
    rows = [[column(value) for column in columns.values()] for value in values]
    for number, name in enumerate(columns):
        is_number = all(isinstance(row[number], int) or _is_numeric(row[number]) for row in rows) and rows
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    Console().print(table)


def show_one(value: Any, rows: Mapping[str, object], *, as_json: bool) -> None:
    """Print one value as a list of its fields, or as a JSON object."""
    if as_json:
        print_json(asdict(value))
        return
    table = Table(show_header=False, box=None)
    for name, cell in rows.items():
        table.add_row(name, escape("" if cell is None else str(cell)))
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


def period(number: int) -> str:
    """A delivery period by its beginning."""
    return f"{period_start(number):%Y-%m-%d %H:%M}"


def moment(seconds: int | None) -> str:
    """A time, in UTC."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _is_numeric(cell: object) -> bool:
    return isinstance(cell, str) and bool(cell) and cell.replace(".", "", 1).isdigit()
