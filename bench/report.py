"""What a benchmark found: a table on the screen, and the same as JSON and Markdown in a folder."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.progress import track
from rich.table import Table

Cell = str | int | float

_SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of repetitions."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise repetitions, at least two."""
        repetitions = list(values)
        lower, _, upper = quantiles(repetitions, n=4, method="inclusive")
        return cls(median(repetitions), lower, upper)

    def __str__(self) -> str:
        return f"{_text(self.median)} ({_text(self.lower)} to {_text(self.upper)})"


Row = Mapping[str, Cell | Spread]


class Report:
    """Collects what one benchmark found.

    Parameters
    ----------
    folder
        Where ``<name>.json`` and ``<name>.md`` go; made if it does not exist.
    name
        The benchmark.
    title
        What it measures.
    """

    def __init__(self, folder: Path, name: str, title: str) -> None:
        self._folder = folder
        self._name = name
        self._console = Console()
        self._console.rule(title)
        self._machine = {
            "date": datetime.now(UTC).date().isoformat(),
            "cores": os.cpu_count(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "sqlite": sqlite3.sqlite_version,
        }
        machine = ", ".join(f"{key} {value}" for key, value in self._machine.items())
        self._markdown = [f"# {title}", machine]
        self._tables: dict[str, list[dict[str, Cell]]] = {}
        self._goals: list[dict[str, Cell | bool]] = []

    def progress(self, items: Sequence[int], what: str) -> Iterable[int]:
        """Show on the screen how far a loop has come."""
        return track(items, description=f"{what:<32}", console=self._console, transient=True)

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Add a table; all rows have the keys of the first."""
        headings = list(rows[0])
        shown = Table(title=title, title_justify="left")
        lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
        for turn, heading in enumerate(headings):
            shown.add_column(heading, justify="right" if turn else "left")
        for row in rows:
            cells = [_text(row[heading]) for heading in headings]
            shown.add_row(*cells)
            lines.append("| " + " | ".join(cells) + " |")
        self._console.print(shown)
        self._markdown += [f"## {title}", "\n".join(lines)]
        self._tables[title] = [_plain(row) for row in rows]

    def goal(self, what: str, value: float, unit: str, *, below: float = 0.0, at_least: float = 0.0) -> None:
        """Compare a number with what was set out to be reached; give one of the two limits."""
        met = value < below if below else value >= at_least
        limit = f"below {_text(below)}" if below else f"at least {_text(at_least)}"
        verdict = "met" if met else "MISSED"
        line = f"{what}: {_text(value)} {unit}, goal {limit}: {verdict}"
        self._console.print(line, style="green" if met else "red")
        self._markdown.append(f"**{line}**")
        self._goals.append({"goal": what, "value": value, "unit": unit, "limit": limit, "met": met})

    def write(self) -> None:
        """Write both files."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found = {"machine": self._machine, "goals": self._goals, "tables": self._tables}
        (self._folder / f"{self._name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        (self._folder / f"{self._name}.md").write_text("\n\n".join(self._markdown) + "\n", encoding="utf-8")


def output_folder() -> Path:
    """Read the folder to write to from the command line."""
    parser = ArgumentParser()
    parser.add_argument("output", type=Path, help="folder for the results; chains are kept there while measuring")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(cell: Cell | Spread) -> str:
    if isinstance(cell, float):
        if cell >= 10**_SIGNIFICANT_DIGITS:
            return f"{cell:,.0f}"
        return f"{cell:#.{_SIGNIFICANT_DIGITS}g}".rstrip(".")
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _plain(row: Row) -> dict[str, Cell]:
    plain: dict[str, Cell] = {}
    for heading, cell in row.items():
        if isinstance(cell, Spread):
            plain |= {heading: cell.median, f"{heading}, lower": cell.lower, f"{heading}, upper": cell.upper}
        else:
            plain[heading] = cell
    return plain
