"""`gridbourse network`: make the folders of a consortium's nodes, and run them on one machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from gridbourse.chain.cometbft.description import read_network
from gridbourse.chain.cometbft.folder import NodeFolder, found_network
from gridbourse.chain.cometbft.methods import MISBEHAVIOURS, NODE, VALIDATORS
from gridbourse.chain.rpc.client import RpcClient
from gridbourse.errors import InvalidValue

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def network() -> None:
    """Make the folders of a consortium's nodes, and run them on one machine."""


@network.command()
@click.argument("folder", type=FOLDER)
def keys(folder: Path) -> None:
    """Make a node's keys in FOLDER; prints the public ones, to be handed in for `network init` or the contract."""
    made = NodeFolder(folder).make_keys()
    click.echo(f'validator_key = "{made.public_key.hex()}"')
    click.echo(f'node_id = "{made.node_id.hex()}"')


@network.command()
@click.argument("description", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("out", type=FOLDER)
def init(description: Path, out: Path) -> None:
    """Write the folder of each organisation in DESCRIPTION, a TOML file, below OUT.

    Whoever handed in public keys copies genesis.json and node.toml from there into the folder with its keys.
    """
    for folder in found_network(read_network(description), out):
        click.echo(f"{folder.path}: " + ("complete" if folder.validator_key.exists() else "without keys"))


@network.command()
@click.argument("url", metavar="NODE_URL")
def status(url: str) -> None:
    """Ask the node at NODE_URL, its JSON-RPC, how it is, who votes, and what CometBFT proved against whom."""
    client = RpcClient(url, patience_seconds=5)
    node = client.ask(NODE)
    peers = ", ".join(sorted(peer["name"] for peer in node["peers"])) or "nobody"
    click.echo(f"height {int(node['height'], 16)}, CometBFT's {int(node['cometHeight'], 16)}, connected to {peers}")
    for validator in client.ask(VALIDATORS):
        click.echo(f"votes: {_master(validator)}, validator {validator['address']}, node {validator['nodeId']}")
    for found in client.ask(MISBEHAVIOURS):
        place = f"block {int(found['block'], 16)}, CometBFT's height {int(found['cometHeight'], 16)}"
        click.secho(f"{found['kind']} by {_master(found)}, validator {found['validator']}: {place}", fg="red")


def _master(entry: dict[str, Any]) -> str:
    return "a founder" if entry["master"] is None else f"master {entry['master']}"


@network.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False, exists=True))
def start(out: Path) -> None:
    """Run all nodes below OUT on this machine, each in a process of its own, until they are interrupted."""
    folders = sorted(path.parent for path in out.glob("*/node.toml"))
    if not folders:
        raise InvalidValue("out", str(out), "a folder that `gridbourse network init` wrote")
    command = [sys.executable, "-m", "gridbourse", "node"]
    nodes = [subprocess.Popen([*command, str(folder)], start_new_session=True) for folder in folders]  # noqa: S603

    def stop(*_: object) -> None:
        for node in nodes:
            node.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    failed = [folder.name for folder, node in zip(folders, nodes, strict=True) if node.wait()]
    if failed:
        raise click.ClickException(f"stopped with an error: {', '.join(failed)}")
