"""`gridbourse experiment`: what goes beyond the paper's own figures."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from gridbourse.paper.security_report import ROUNDS, write_security


@click.group()
def experiment() -> None:
    """Run an experiment and draw it."""


@experiment.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Folder for the text, the picture and the CSV files.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulation.")
@click.option("--rounds", type=int, default=ROUNDS, show_default=True, help="Simulated races for each share.")
def security(output: Path, seed: int, rounds: int) -> None:
    """Compare the paper's security formula with the right bounds and with a simulation (section 3.2)."""
    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task("Simulating forks", total=None)
        written = write_security(
            output,
            seed=seed,
            rounds=rounds,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for path in written:
        console.print(path)
