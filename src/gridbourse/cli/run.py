"""`gridbourse run`: the node of a region, without a web server."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import click

from gridbourse.chain.rpc.server import RpcServer
from gridbourse.errors import ChainCorrupted, ChainError, ChainLocked, InvalidValue
from gridbourse.node.folder.chains import nodes_of, read_token
from gridbourse.node.hosting.lifeline import Lifeline
from gridbourse.node.hosting.logging import begin_process
from gridbourse.node.hosting.node import Node
from gridbourse.node.jobs.job import Job, JobSchedule
from gridbourse.node.jobs.metering.metered_files import MeteredFiles
from gridbourse.node.jobs.metering.statement_file import StatementFile
from gridbourse.node.jobs.money.customer_file import CustomerFile
from gridbourse.node.jobs.money.payment_file import PaymentFile
from gridbourse.node.jobs.money.payout_files import ConfirmationFile, PayoutFile
from gridbourse.node.region import Region

FILE = click.Path(path_type=Path, dir_okay=False)
_WAIT_SECONDS = 0.5
_LOCK_SECONDS = 20.0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--nodes-rpc", metavar="HOST:PORT", help="Serve the slave chain there to its function nodes.")
@click.option("--regulator-rpc", metavar="HOST:PORT", help="Let the regulator read the slave chain there.")
@click.option("--payments", type=FILE, help="As settlement agent: credit what the bank writes there, a CSV file.")
@click.option("--payouts", type=FILE, help="As settlement agent: keep what the bank is to pay there, a CSV file.")
@click.option(
    "--payout-confirmations", type=FILE, help="As settlement agent: take what the bank did from there, a CSV file."
)
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
@click.option(
    "--log-level",
    type=int,
    default=logging.INFO,
    hidden=True,
    help="The least severe that is logged: 20 what happens, 30 what is wrong.",
)
@click.option("--lifeline", "descriptor", type=int, hidden=True, help="What ties the node to the web server beside it.")
def run(
    folder: Path,
    nodes_rpc: str | None,
    regulator_rpc: str | None,
    payments: Path | None,
    payouts: Path | None,
    payout_confirmations: Path | None,
    customers: Path | None,
    metered: Path | None,
    statements: Path | None,
    step_seconds: float,
    anchor_seconds: float,
    log_level: int,
    descriptor: int | None,
) -> None:
    """Run the node of the region in FOLDER until interrupted: relay orders, deliver deals, settle, anchor, obey.

    It acts for the masters whose keys lie in FOLDER. At the first start each sets up its slave chain and registers it.
    Where the main chain is not to be reached, or not founded yet, this waits. Killed at any moment, it goes on where it
    was. Commands come over FOLDER/node.sock: `gridbourse command`, and web servers.
    """
    begin_process(log_level)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopping = Event()
    lifeline = None if descriptor is None else Lifeline(descriptor).watch(stopping.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A terminal and a service manager tell both processes to stop; a node beside a web server waits for that.
        signal.signal(number, signal.SIG_IGN if lifeline else lambda *_: stopping.set())
    jobs: list[Job] = [
        *([PaymentFile(payments)] if payments else []),
        *([ConfirmationFile(payout_confirmations)] if payout_confirmations else []),
        *([PayoutFile(payouts)] if payouts else []),
        *([CustomerFile(customers)] if customers else []),
        *([MeteredFiles(metered)] if metered else []),
        *([StatementFile(statements)] if statements else []),
    ]
    with ExitStack() as stack:
        try:
            region = _open(folder, stopping, can_wait=lifeline is None)
            if region is None:
                return
            node = stack.enter_context(_started(region, folder, JobSchedule(step_seconds, anchor_seconds), jobs))
            if not region.masters and lifeline is None:
                raise InvalidValue("folder", str(folder), "one with the keys of a master")
            if nodes_rpc:
                stack.enter_context(_serve(region, folder, nodes_rpc, for_regulator=False))
            if regulator_rpc:
                stack.enter_context(_serve(region, folder, regulator_rpc, for_regulator=True))
        except Exception as error:
            if lifeline is None:
                raise
            lifeline.report(error)
            return
        if lifeline:
            lifeline.report()
        else:
            click.echo(f"{', '.join(region.masters)}: running, main chain at {region.main.chain.head().height}")
        while not stopping.wait(_WAIT_SECONDS):
            if not node.is_running:
                raise SystemExit(1)


def _started(region: Region, folder: Path, job_schedule: JobSchedule, jobs: Sequence[Job]) -> Node:
    try:
        return Node(region, folder, job_schedule, jobs)
    except BaseException:
        region.close()
        raise


def _open(folder: Path, stopping: Event, *, can_wait: bool) -> Region | None:
    """Open the region; None if interrupted before.

    Parameters
    ----------
    can_wait
        Whether to wait for the main chain until it is there. For a node that is just ending, because its web server is
        gone, every other waits a moment.
    """
    said, patience = "", time.monotonic() + _LOCK_SECONDS
    while not stopping.is_set():
        try:
            return Region.open(folder)
        except ChainCorrupted:
            raise
        except ChainLocked:
            if time.monotonic() > patience:
                raise
        except ChainError as error:
            if not can_wait:
                raise
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
