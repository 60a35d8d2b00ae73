"""Entry point of the `gridbourse` command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module

import click

from gridbourse import __version__
from gridbourse.errors import GridbourseError


@dataclass(frozen=True)
class _Entry:
    """A command in the list of commands: its module in `gridbourse.cli`, and what it does, in a few words."""

    module: str
    summary: str


SECTIONS = {
    "Try it": {
        "demo": _Entry("demo", "The paper's market: ten users, four masters, five chains"),
        "day": _Entry("day", "A day of a region, from meters to statements and an audit"),
        "consortium": _Entry("consortium", "The paper's market between four organisations"),
        "experiment": _Entry("experiment", "Experiments and their figures"),
    },
    "Run a region": {
        "serve": _Entry("serve", "Serve a region: API, events and web pages"),
        "run": _Entry("run", "Run a region's node without web pages"),
        "region": _Entry("region", "Make, look at, back up and restore regions"),
        "network": _Entry("network", "Make and run the nodes of a consortium"),
        "node": _Entry("node", "Run one node of a consortium"),
        "command": _Entry("command", "Send a command to a running node"),
        "index": _Entry("index", "Look after the index of a region"),
        "rpc": _Entry("rpc", "Serve a chain by Ethereum JSON-RPC"),
    },
    "Trade": {
        "order": _Entry("order", "Place, change and follow orders"),
        "deal": _Entry("deal", "Confirm, abandon and follow deals"),
        "book": _Entry("market", "Show the order book of a period"),
        "trade": _Entry("market", "Follow the trade tape"),
        "auction": _Entry("auction", "Call auctions"),
        "tariff": _Entry("tariff", "Delivered prices by dated market rules"),
        "deposit": _Entry("account", "Credit and show deposits"),
        "payout": _Entry("payout", "Have money paid out"),
        "statement": _Entry("statement", "What nodes paid and received for a day"),
        "metered": _Entry("statement", "What meters counted beside what was traded"),
        "meter": _Entry("meter", "Smart meters and their readings"),
    },
    "Take part": {
        "account": _Entry("account", "Accounts of a master's nodes"),
        "token": _Entry("account", "API tokens"),
        "member": _Entry("member", "Masters, their names and what they publish"),
        "key": _Entry("key", "Rotate and revoke keys"),
        "vote": _Entry("vote", "Vote as a master"),
        "device": _Entry("device", "Act as a function node, with its own key"),
    },
    "Look closely": {
        "trace": _Entry("trace", "From a deal to the proof of every detail"),
        "audit": _Entry("trace", "Check every record of every chain"),
        "capacity": _Entry("capacity", "From a transfer capacity to its schedules"),
        "disclosure": _Entry("disclosure", "Show single fields of a record, proven"),
        "chain": _Entry("chain", "Look at chains, and check them"),
    },
}
"""Each command by section; its module is loaded when it is asked for, because some take seconds to load."""

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class _Commands(click.Group):
    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gridbourse.cli.{COMMANDS[name].module}"), name)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, without loading any."""
        width = max(map(len, COMMANDS))
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.summary) for name, entry in entries.items()])


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
