"""`gridbourse rpc`: serve a chain of a region to Ethereum tools."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.server import DEFAULT_PORT, LOOPBACK, RpcServer
from gridbourse.errors import InvalidValue
from gridbourse.node.region import Region

_ENDING = {signal.SIGINT, signal.SIGTERM}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--chain", "chain_name", default="main", show_default=True, help="Main chain, or the name of a master.")
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the token that callers must show; needed if --host is not this machine's own.",
)
@click.option("--name", "names", multiple=True, help="Further host name by which callers address this server.")
@click.option("--origin", "origins", multiple=True, help="Web origin whose pages may use it, as http://localhost:5100.")
def rpc(
    folder: Path,
    chain_name: str,
    host: str,
    port: int,
    token_file: Path | None,
    names: tuple[str, ...],
    origins: tuple[str, ...],
) -> None:
    """Serve a chain of the region in FOLDER by Ethereum JSON-RPC, over HTTP and WebSocket, until interrupted.

    While it runs, no other process can open the region.
    """
    token = token_file.read_text("utf-8").strip() if token_file else None
    if token == "":
        raise InvalidValue("token file", str(token_file), "one with a token in it")
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    with (
        Region.open(folder) as region,
        RpcServer(
            _chain(region, chain_name), host=host, port=port, token=token, names=names, origins=origins
        ) as server,
    ):
        click.echo(f"{server.url} serves {chain_name} of {region.spec.name}; stop with Ctrl-C")
        signal.sigwait(_ENDING)


def _chain(region: Region, name: str) -> Chain:
    if name == "main":
        return region.main.chain
    if name not in region.masters:
        raise InvalidValue("chain", name, f"main, or one of {', '.join(region.masters)}")
    return region.masters[name].slave.chain
