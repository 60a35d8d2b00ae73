"""`gridbourse run`: what an organisation's masters do all the time."""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import click

from gridbourse.chain.rpc.server import RpcServer
from gridbourse.errors import ChainCorrupted, ChainError, ChainLocked, InvalidValue
from gridbourse.node.billing_files import MeteredFolder, StatementFile
from gridbourse.node.chains import nodes_of, read_token
from gridbourse.node.jobs import JobSchedule, RegionLoop
from gridbourse.node.node import Region
from gridbourse.node.payments import CustomerFile, PaymentFile

FILE = click.Path(path_type=Path, dir_okay=False)
_WAIT_SECONDS = 1.0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--nodes-rpc", metavar="HOST:PORT", help="Serve the slave chain there to its function nodes.")
@click.option("--regulator-rpc", metavar="HOST:PORT", help="Let the regulator read the slave chain there.")
@click.option("--payments", type=FILE, help="As settlement agent: credit what the bank writes there, a CSV file.")
@click.option("--customers", type=FILE, help="Keep the own customers' numbers on the market there, a CSV file.")
@click.option(
    "--metered",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of CSV files with what the own customers' meters say, one for each day.",
)
@click.option("--statements", type=FILE, help="Keep what settled days come to for own customers there, a CSV file.")
@click.option("--step-seconds", type=click.FloatRange(min=0.01), default=0.5, show_default=True, help="Between steps.")
@click.option(
    "--anchor-seconds", type=click.FloatRange(min=0.0), default=20.0, show_default=True, help="Between two anchors."
)
def run(
    folder: Path,
    nodes_rpc: str | None,
    regulator_rpc: str | None,
    payments: Path | None,
    customers: Path | None,
    metered: Path | None,
    statements: Path | None,
    step_seconds: float,
    anchor_seconds: float,
) -> None:
    """Run the masters whose keys lie in FOLDER until interrupted: take up orders, bring news down, settle, anchor.

    At the first start each sets up its slave chain and registers it. Where the main chain is not to be reached, or not
    founded yet, this waits. Killed at any moment, it goes on where it was.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        region = _open(folder, stopping)
        if region is None:
            return
        stack.enter_context(region)
        if not region.masters:
            raise InvalidValue("folder", str(folder), "one with the keys of a master")
        if nodes_rpc:
            stack.enter_context(_serve(region, folder, nodes_rpc, for_regulator=False))
        if regulator_rpc:
            stack.enter_context(_serve(region, folder, regulator_rpc, for_regulator=True))
        jobs = [
            *([PaymentFile(payments).credit] if payments else []),
            *([CustomerFile(customers).write] if customers else []),
            *([MeteredFolder(metered).hand_in] if metered else []),
            *([StatementFile(statements).write] if statements else []),
        ]
        click.echo(f"{', '.join(region.masters)}: running, main chain at {region.main.chain.head().height}")
        RegionLoop(region, JobSchedule(step_seconds, anchor_seconds), jobs).run(stopping)


def _open(folder: Path, stopping: Event) -> Region | None:
    """Open the region as soon as the main chain is there; None if interrupted before."""
    said = ""
    while not stopping.is_set():
        try:
            return Region.open(folder)
        except (ChainCorrupted, ChainLocked):
            raise
        except ChainError as error:
            if str(error) != said:
                click.echo(f"waiting for the main chain: {error}")
            said = str(error)
        stopping.wait(_WAIT_SECONDS)
    return None


def _serve(region: Region, folder: Path, endpoint: str, *, for_regulator: bool) -> RpcServer:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidValue("HOST:PORT", endpoint, "an address and a port, as in 127.0.0.1:9001")
    if len(region.masters) > 1:
        raise InvalidValue("folder", str(folder), "a folder of one master, whose slave chain is then served")
    ((name, master),) = region.masters.items()
    token = read_token(folder, name if for_regulator else nodes_of(name))
    return RpcServer(master.slave.chain, host=host.strip("[]"), port=int(port), token=token, read_only=for_regulator)
