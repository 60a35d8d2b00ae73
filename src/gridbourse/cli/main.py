"""Entry point of the `gridbourse` command."""

from __future__ import annotations

import sys

import click

from gridbourse import __version__
from gridbourse.cli.day import day
from gridbourse.cli.demo import demo
from gridbourse.cli.disclosure import disclosure
from gridbourse.cli.experiment import experiment
from gridbourse.cli.key import key
from gridbourse.cli.network import network
from gridbourse.cli.node import node
from gridbourse.cli.region import region
from gridbourse.cli.rpc import rpc
from gridbourse.cli.serve import serve
from gridbourse.cli.trace import audit, trace
from gridbourse.errors import GridbourseError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def gridbourse() -> None:
    """Regional energy exchange on a master-slave blockchain."""


for command in (demo, day, experiment, region, network, node, rpc, key, trace, audit, disclosure, serve):
    gridbourse.add_command(command)


def main() -> None:
    """Run the command line; what gridbourse raises on purpose, or a file denies, becomes one line and exit code 1."""
    try:
        gridbourse()
    except (GridbourseError, OSError) as error:
        click.secho(f"gridbourse: {error}", fg="red", err=True)
        sys.exit(1)
