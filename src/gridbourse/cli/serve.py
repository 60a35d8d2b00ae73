"""`gridbourse serve`: the exchange as a service, for people and programs."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from gridbourse.cli.service_file import take_from_file
from gridbourse.errors import GridbourseError, InvalidValue
from gridbourse.metering.broker import local_broker
from gridbourse.metering.mqtt import Broker
from gridbourse.node.region import Region
from gridbourse.region.description_file import read_region
from gridbourse.service.app import create_app
from gridbourse.service.serving import is_loopback, require_safe, run
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange
from gridbourse.simulation.example import ExampleAccount, ExampleMarket, open_accounts
from gridbourse.simulation.example_meters import ExampleMeters
from gridbourse.web import add_pages

logger = logging.getLogger(__name__)

_OWN_BROKER = "mqtt://127.0.0.1:1883"


@click.command(context_settings={"auto_envvar_prefix": "GRIDBOURSE"})
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=take_from_file,
    help="TOML file; its [service] table says what neither options nor GRIDBOURSE_... variables do.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, help="Port to bind.")
@click.option(
    "--public-url",
    help="Where it is reached, if through a proxy: https://exchange.example.org. Sign-in messages name it.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help="Another name to answer to; may be repeated. The name in --public-url is always one.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="NETWORK",
    help="Address or network (CIDR) of a reverse proxy in front, whose X-Forwarded-For is believed; may be repeated.",
)
@click.option(
    "--example",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Make the region from this description if FOLDER is new, with accounts, let its nodes trade by chance, and "
    "simulate their meters.",
)
@click.option(
    "--broker",
    metavar="URL",
    help="MQTT broker that the meters publish to, mqtt://host:port or mqtts://host:port.",
)
@click.option(
    "--own-broker",
    is_flag=True,
    help=f"Run that broker here, at a loopback address; {_OWN_BROKER} by default.",
)
@click.option(
    "--attach",
    is_flag=True,
    help="Start no node: use the one that `gridbourse run` runs in FOLDER, and wait while there is none.",
)
@click.option(
    "--backups",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder in which a backup is written every --backup-hours, and at once on SIGUSR1.",
)
@click.option(
    "--backup-hours", type=click.FloatRange(min=0.1), default=24.0, show_default=True, help="Between backups."
)
def serve(
    folder: Path,
    host: str,
    port: int,
    public_url: str | None,
    allowed_hosts: tuple[str, ...],
    trusted_proxies: tuple[str, ...],
    example: Path | None,
    broker: str | None,
    own_broker: bool,  # noqa: FBT001 - click gives it by name
    attach: bool,  # noqa: FBT001 - click gives it by name
    backups: Path | None,
    backup_hours: float,
) -> None:
    """Serve the region in FOLDER: API, events and web pages. Ctrl-C or SIGTERM stops it; killed, it loses nothing."""
    shown_host = f"[{host}]" if ":" in host else host
    url = (public_url or f"http://{shown_host}:{port}").rstrip("/")
    names = (*ServiceSettings().allowed_hosts, *allowed_hosts, _host_of(url))
    settings = ServiceSettings(
        public_url=url, allowed_hosts=tuple(dict.fromkeys(names)), trusted_proxies=trusted_proxies
    )
    require_safe(host, settings)
    is_new = example is not None and not folder.exists()
    if example is not None and is_new:
        Region.create(folder, read_region(example)).close()
    with _broker(broker, is_own=own_broker, is_example=example is not None) as meters_broker:
        app = create_app(
            lambda: Exchange.open(
                folder, job_schedule=settings.job_schedule, broker=meters_broker, starts_node=not attach
            ),
            settings,
            add_pages,
        )
        if example is not None and meters_broker is not None:
            _beside(app, partial(_play, is_new=is_new))
            _beside(app, partial(_simulate_meters, broker=meters_broker))
        if backups is not None:
            _beside(app, partial(_back_up, folder=backups, pause_seconds=backup_hours * 3_600))
        click.echo(f"gridbourse serves {folder} at {url}")
        run(app, host, port)


def _broker(url: str | None, *, is_own: bool, is_example: bool) -> AbstractContextManager[Broker | None]:
    """The broker that was named, run here if that was asked for; one for the example, which needs some; or none."""
    if not is_own:
        return nullcontext(Broker.at(url)) if url else local_broker() if is_example else nullcontext()
    broker = Broker.at(url or _OWN_BROKER)
    if not is_loopback(broker.host) or broker.tls is not None:
        raise InvalidValue(
            "--broker", url, f"an address like {_OWN_BROKER} with --own-broker: it serves this machine only"
        )
    return local_broker(broker.port)


def _beside(app: FastAPI, work: Callable[[Exchange], Coroutine[None, None, None]]) -> None:
    """Let something be done beside serving, from the start of the application to its end."""
    serving = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app):
            task = asyncio.create_task(work(app.state.exchange))
            try:
                yield
            finally:
                task.cancel()

    app.router.lifespan_context = lifespan


async def _play(exchange: Exchange, *, is_new: bool) -> None:
    """Let the example's nodes trade; a new region gets accounts first."""
    if is_new:
        _show(await asyncio.to_thread(open_accounts, exchange))
    await ExampleMarket(exchange).run()


async def _simulate_meters(exchange: Exchange, *, broker: Broker) -> None:
    """Let the example's meters count and publish."""
    try:
        await ExampleMeters(exchange, broker).run()
    except GridbourseError:
        logger.exception("the example's meters are not simulated any more")


async def _back_up(exchange: Exchange, *, folder: Path, pause_seconds: float) -> None:
    """Write a backup every now and then, and when asked to by a signal."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), pause_seconds)
        asked.clear()
        archive = folder / f"{exchange.folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
        try:
            await exchange.back_up(archive)
            logger.info("backed up in %s", archive)
        except (GridbourseError, OSError):
            logger.exception("no backup was written")


def _show(accounts: list[ExampleAccount]) -> None:
    table = Table(title="Accounts. These passwords are shown this once and kept nowhere.", title_justify="left")
    for column in ("account", "password", "speaks for", "as"):
        table.add_column(column)
    for account in accounts:
        table.add_row(account.name, account.password, account.subject, account.kind)
    Console().print(table)


def _host_of(url: str) -> str:
    host = url.split("://", 1)[-1].split("/", 1)[0]
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host
