"""`gridbourse node`: run one organisation's node of a consortium."""

from __future__ import annotations

import gc
import signal
from hashlib import sha256
from pathlib import Path

import click

from gridbourse.chain.cometbft.config import Trust
from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.node import Node
from gridbourse.errors import ChainCorrupted, InvalidValue

YOUNG_OBJECTS = 50_000


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--rejoin", is_flag=True, help="Set chain and blocks aside, and fetch both again; keys stay.")
@click.option(
    "--snapshot-from",
    "servers",
    multiple=True,
    metavar="HOST:PORT",
    help="Join from a snapshot instead of running every block; give at least two members' light_client places.",
)
@click.option(
    "--trust", metavar="HEIGHT:HASH", help="With --snapshot-from: a block of CometBFT that you know is right."
)
def node(folder: Path, *, rejoin: bool, servers: tuple[str, ...], trust: str | None) -> None:
    """Run the node in FOLDER, with its CometBFT, until it is interrupted."""
    begin = _trust(servers, trust)
    if rejoin:
        for path in NodeFolder(folder).set_aside():
            click.echo(f"set aside: {path}")
    try:
        running = Node(folder, trust=begin)
    except ChainCorrupted as error:
        raise click.ClickException(f"{error}\nTo fetch the chain from the others again: add --rejoin") from error
    with running:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop())
        running.wait_ready()
        height, comet = running.chain.head().height, running.comet_pid
        click.echo(f"{running.settings.name}: height {height}; CometBFT is process {comet}")
        # A block makes tens of thousands of objects at once, none of them part of a cycle: by default they are searched
        # for cycles again and again while it is run.
        gc.set_threshold(YOUNG_OBJECTS)
        running.run()


def _trust(servers: tuple[str, ...], text: str | None) -> Trust | None:
    if not servers and text is None:
        return None
    if len(servers) < 2:
        raise InvalidValue("--snapshot-from", servers, "at least two of them, of different organisations")
    height, _, digest = (text or "").partition(":")
    try:
        begin = Trust(int(height), bytes.fromhex(digest), servers)
    except ValueError:
        begin = Trust(0, b"", servers)
    if begin.height < 1 or len(begin.hash) != sha256().digest_size:
        raise InvalidValue("--trust", text, "a height and a block hash, as in 1234:9F.. with 64 digits")
    return begin
