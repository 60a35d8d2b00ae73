"""`gridbourse serve`: the exchange as a service, for people and programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from gridbourse.console.app import create_app
from gridbourse.console.example import ExampleAccount, ExampleMarket, open_accounts
from gridbourse.console.exchange import Exchange
from gridbourse.console.serving import require_safe, run
from gridbourse.console.settings import ServiceSettings
from gridbourse.network.description import read_region
from gridbourse.network.region import Region


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, envvar="GRIDBOURSE_HOST", help="Address to bind.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8000,
    show_default=True,
    envvar="GRIDBOURSE_PORT",
    help="Port to bind.",
)
@click.option(
    "--public-url",
    envvar="GRIDBOURSE_PUBLIC_URL",
    help="Where it is reached, if through a proxy: https://exchange.example.org. Sign-in messages name it.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help="Another name to answer to; may be repeated. The name in --public-url is always one.",
)
@click.option(
    "--example",
    "description",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Make the region from this description if FOLDER is new, with accounts, and let its nodes trade by chance.",
)
def serve(
    folder: Path,
    host: str,
    port: int,
    public_url: str | None,
    allowed_hosts: tuple[str, ...],
    description: Path | None,
) -> None:
    """Serve the region in FOLDER: API, events and web pages. Ctrl-C or SIGTERM stops it; killed, it loses nothing."""
    shown_host = f"[{host}]" if ":" in host else host
    url = (public_url or f"http://{shown_host}:{port}").rstrip("/")
    names = (*ServiceSettings().allowed_hosts, *allowed_hosts, _host_of(url))
    settings = ServiceSettings(public_url=url, allowed_hosts=tuple(dict.fromkeys(names)))
    require_safe(host, settings)
    is_new = description is not None and not folder.exists()
    if description is not None and is_new:
        Region.create(folder, read_region(description)).close()
    app = create_app(lambda: Exchange.open(folder, pace=settings.pace), settings)
    if description is not None:
        _play(app, is_new=is_new)
    click.echo(f"gridbourse serves {folder} at {url}")
    run(app, host, port)


def _play(app: FastAPI, *, is_new: bool) -> None:
    """Let the example's nodes trade while the application runs; a new region gets accounts first."""
    serving = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app):
            exchange: Exchange = app.state.exchange
            if is_new:
                _show(await asyncio.to_thread(open_accounts, exchange))
            market = asyncio.create_task(ExampleMarket(exchange).run())
            try:
                yield
            finally:
                market.cancel()

    app.router.lifespan_context = lifespan


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
