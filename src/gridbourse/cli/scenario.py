"""`gridbourse scenario`: an experiment described by a folder, run, swept, compared and reported."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gridbourse.errors import InvalidValue
from gridbourse.simulation.experiment.charts import is_drawn, label
from gridbourse.simulation.experiment.report import estimate_cells, measure_rows, write_run, write_sweep
from gridbourse.simulation.experiment.run import run as run_scenario
from gridbourse.simulation.experiment.sweep import Result, read_results, require_other_folder, summarise
from gridbourse.simulation.experiment.sweep import compare as compare_mechanisms
from gridbourse.simulation.experiment.sweep import sweep as sweep_scenario
from gridbourse.simulation.scenario.description import Scenario, load_scenario
from gridbourse.simulation.scenario.shipped import copy_shipped, shipped_names
from gridbourse.simulation.scenario.values import Level, Mechanism

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
OUTPUT = click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for results; below FOLDER by default."
)
SET = click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Another value for a field; repeat it."
)
SEEDS = click.option("--seeds", type=click.IntRange(min=1), help="How many seeds; as scenario.toml says by default.")
WORKERS = click.option("--workers", type=click.IntRange(min=1), help="How many processes; all cores by default.")
LEVEL = click.option(
    "--level", type=click.Choice([str(one) for one in Level]), help="The market alone, one chain, or all chains."
)


@click.group()
def scenario() -> None:
    """Describe an experiment in a folder, run it, compare and sweep it."""


@scenario.command()
@FOLDER
@click.option("--from", "name", default="start", show_default=True, help="Which one to begin with; see `list`.")
def init(folder: Path, name: str) -> None:
    """Make a scenario in FOLDER: files to change, which run as they are."""
    for path in copy_shipped(name, folder):
        click.echo(path)
    click.echo(f"now: gridbourse scenario run {folder}")


@scenario.command(name="list")
def list_scenarios() -> None:
    """List the scenarios that come with gridbourse, for `init --from`."""
    for name in shipped_names():
        click.echo(name)


@scenario.command()
@FOLDER
@OUTPUT
@SET
@LEVEL
@click.option(
    "--mechanism", type=click.Choice([str(one) for one in Mechanism]), help="In the place of market.mechanism."
)
def run(folder: Path, output: Path | None, changes: tuple[str, ...], level: str | None, mechanism: str | None) -> None:
    """Run the scenario in FOLDER once; tables, figures and report.html go to FOLDER/results/run."""
    overrides = _overrides(changes, {"level": level, "market.mechanism": mechanism})
    place = output or folder / "results" / "run"
    loaded = load_scenario(folder, overrides)
    require_other_folder(loaded, place)
    with _progress() as progress:
        task = progress.add_task(f"{loaded.title}: delivery periods", total=len(loaded.periods))
        record = run_scenario(loaded, lambda done: progress.update(task, completed=done))
        progress.update(task, completed=len(loaded.periods))
    written = write_run(place, loaded, record)
    _say_written(written)
    for finding in record.audit or ():
        click.secho(f"audit: {finding}", fg="red", err=True)


@scenario.command()
@FOLDER
@OUTPUT
@SET
@LEVEL
@SEEDS
@WORKERS
@click.option(
    "--mechanism",
    "mechanisms",
    type=click.Choice([str(one) for one in Mechanism]),
    multiple=True,
    help="Which; repeat it.",
)
def compare(
    folder: Path,
    output: Path | None,
    changes: tuple[str, ...],
    level: str | None,
    seeds: int | None,
    workers: int | None,
    mechanisms: tuple[str, ...],
) -> None:
    """Run the scenario in FOLDER by several mechanisms and show them beside each other.

    Results go to FOLDER/results/compare; what is there is not run again.
    """
    fixed = _overrides(changes, {"level": level})
    loaded = load_scenario(folder, fixed)
    place = output or folder / "results" / "compare"
    with _counted(loaded) as progress:
        results = compare_mechanisms(
            loaded,
            place,
            mechanisms=mechanisms or None,
            seeds=seeds,
            fixed=fixed,
            workers=workers,
            progress=progress,
        )
    _finish(place, loaded, results)


@scenario.command()
@FOLDER
@OUTPUT
@SET
@LEVEL
@SEEDS
@WORKERS
@click.option(
    "--axis", "axes", multiple=True, metavar="FIELD=VALUE,VALUE", help="A field and its values; repeat for more."
)
def sweep(
    folder: Path,
    output: Path | None,
    changes: tuple[str, ...],
    level: str | None,
    seeds: int | None,
    workers: int | None,
    axes: tuple[str, ...],
) -> None:
    """Run the scenario in FOLDER for every combination of values and every seed.

    Without --axis the table [sweep.axes] of scenario.toml says which. Results go to FOLDER/results/sweep; a sweep that
    was stopped goes on with what is missing there.
    """
    fixed = _overrides(changes, {"level": level})
    loaded = load_scenario(folder, fixed)
    place = output or folder / "results" / "sweep"
    with _counted(loaded) as progress:
        results = sweep_scenario(
            loaded,
            place,
            axes={field: [_value(text) for text in values.split(",")] for field, values in map(_pair, axes)} or None,
            seeds=seeds,
            fixed=fixed,
            workers=workers,
            progress=progress,
        )
    _finish(place, loaded, results)


@scenario.command()
@FOLDER
@click.argument("results", type=click.Path(path_type=Path, file_okay=False))
def report(folder: Path, results: Path) -> None:
    """Write tables, figures and page of the RESULTS of a sweep or comparison of FOLDER anew, and run nothing."""
    loaded = load_scenario(folder)
    _finish(results, loaded, read_results(loaded, results))


def _finish(place: Path, loaded: Scenario, results: Sequence[Result]) -> None:
    estimates = summarise(results)
    table = Table(title=loaded.title, title_justify="left")
    table.add_column("measure")
    for name in dict.fromkeys(label(one.settings) for one in estimates):
        table.add_column(name, justify="right")
    shown = [one for one in estimates if is_drawn(one.measure)]
    for name, cells in measure_rows(estimate_cells(shown)):
        table.add_row(name, *cells)
    Console().print(table)
    _say_written(write_sweep(place, loaded, results))


def _say_written(written: Sequence[Path]) -> None:
    click.echo("Written:")
    for path in written:
        click.echo(f"  {path}")


def _overrides(changes: Sequence[str], options: dict[str, str | None]) -> dict[str, Any]:
    found = {field: _value(text) for field, text in map(_pair, changes)}
    return found | {field: value for field, value in options.items() if value is not None}


def _pair(text: str) -> tuple[str, str]:
    field, is_there, value = text.partition("=")
    if not is_there or not field or not value:
        raise InvalidValue(
            "FIELD=VALUE", text, "a field of scenario.toml, =, and its value, like market.mechanism=uniform"
        )
    return field.strip(), value.strip()


def _value(text: str) -> Any:
    """A value as TOML would read it, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@contextmanager
def _counted(loaded: Scenario) -> Iterator[Callable[[int, int], None]]:
    """Shows how many cases are done, of how many."""
    with _progress() as shown:
        task = shown.add_task(f"{loaded.title}: runs", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
