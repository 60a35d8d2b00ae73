"""Entry point of the `gridbourse` command."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from gridbourse import __version__
from gridbourse.errors import GridbourseError

COMMANDS = {
    "demo": "demo",
    "consortium": "consortium",
    "day": "day",
    "experiment": "experiment",
    "scenario": "scenario",
    "region": "region",
    "network": "network",
    "node": "node",
    "run": "run",
    "command": "command",
    "index": "index",
    "device": "device",
    "rpc": "rpc",
    "key": "key",
    "vote": "vote",
    "trace": "trace",
    "audit": "trace",
    "tariff": "tariff",
    "auction": "auction",
    "capacity": "capacity",
    "statement": "statement",
    "metered": "statement",
    "meter": "meter",
    "disclosure": "disclosure",
    "serve": "serve",
    "book": "market",
    "trade": "market",
    "order": "order",
    "deal": "deal",
    "deposit": "account",
    "payout": "payout",
    "account": "account",
    "token": "account",
    "chain": "chain",
}
"""Each command and its module in `gridbourse.cli`, loaded when it is asked for: some take seconds to load."""


class _Commands(click.Group):
    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gridbourse.cli.{COMMANDS[name]}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gridbourse")
def gridbourse() -> None:
    """Regional energy exchange on a master-slave blockchain."""


def main() -> None:
    """Run the command line; what gridbourse raises on purpose, or a file denies, becomes one line and exit code 1."""
    try:
        gridbourse(prog_name="gridbourse")
    except (GridbourseError, OSError) as error:
        click.secho(f"gridbourse: {error}", fg="red", err=True)
        sys.exit(1)
