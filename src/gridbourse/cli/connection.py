"""How commands reach an exchange: a service by its address, or a region on disk, in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import httpx

from gridbourse.api.schema import Page
from gridbourse.client import AsyncClient, Client, market
from gridbourse.client.request import Request
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.service.app import create_app
from gridbourse.service.rights import Kind, Principal, Scope
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange
from gridbourse.units import PERIOD_SECONDS

_Answer = TypeVar("_Answer")
_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_URL = "http://127.0.0.1:8000"
_LOCAL_URL = "http://127.0.0.1"
_LOCAL_SECONDS = 3_600


class Connection(Protocol):
    """Sends requests."""

    def send(self, request: Request[_Answer]) -> _Answer:
        """Send a request and read the answer."""
        ...

    def entries(self, request: Request[Page[_Answer]]) -> Iterator[_Answer]:
        """Read a list to its end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class RegionTimes:
    """The clocks of the region that a connection leads to, asked for when something is to be shown or read by them.

    Parameters
    ----------
    connection
        The connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calendar: DeliveryCalendar | None = None

    def __call__(self) -> DeliveryCalendar:
        """The region's calendar."""
        if self._calendar is None:
            self._calendar = DeliveryCalendar(self._connection.send(market.settings()).time_zone)
        return self._calendar

    def period(self, text: str) -> int:
        """The delivery period in which a time lies that somebody wrote: local, or with its offset."""
        return self().moment(text, "period") // PERIOD_SECONDS

    @property
    def today(self) -> int:
        """The delivery day that it is there."""
        return self().day_at(time.time())


class LocalExchange:
    """A region on disk: its service runs in this process, for one command, beside the node that runs or is started.

    Whoever may read the folder has all its keys, and so may act as anybody in it.

    Parameters
    ----------
    folder
        The region.
    name
        As whom: a function node, a master, or ``regulator``; None for what everybody may ask.
    """

    def __init__(self, folder: Path, name: str | None) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        try:
            self._client = self._runner.run(self._open(folder, name))
        except BaseException:
            self.close()
            raise

    def send(self, request: Request[_Answer]) -> _Answer:
        """Send a request and read the answer."""
        return self._runner.run(self._client.send(request))

    def entries(self, request: Request[Page[_Answer]]) -> Iterator[_Answer]:
        """Read a list to its end."""

        async def read() -> list[_Answer]:
            return [entry async for entry in self._client.entries(request)]

        yield from self._runner.run(read())

    def close(self) -> None:
        """Close the region."""
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()

    async def _open(self, folder: Path, name: str | None) -> AsyncClient:
        settings = ServiceSettings(public_url=_LOCAL_URL)
        app = create_app(lambda: Exchange.open(folder), settings)
        await self._stack.enter_async_context(app.router.lifespan_context(app))
        exchange: Exchange = app.state.exchange
        token = None
        if name is not None:
            principal = _principal(exchange, name)
            made, token = exchange.credentials.create_token(principal, "this command", Scope, _LOCAL_SECONDS)
            self._stack.callback(exchange.credentials.revoke_token, principal, made.token_id)
        client = AsyncClient(_LOCAL_URL, token=token, transport=httpx.ASGITransport(app))
        return await self._stack.enter_async_context(client)


def connected(command: _Command) -> _Command:
    """Give a command the options that say which exchange, and an open `Connection` as its first argument."""

    @click.option(
        "--url",
        envvar="GRIDBOURSE_URL",
        help=f"Address of the service; {DEFAULT_URL} by default.",
    )
    @click.option("--token", envvar="GRIDBOURSE_TOKEN", help="API token; from the environment it shows in no history.")
    @click.option(
        "--region",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="Folder of a region on disk, instead of an address.",
    )
    @click.option("--as", "acting_as", help='With --region, as whom: a function node, a master, or "regulator".')
    @wraps(command)
    def run(url: str | None, token: str | None, region: Path | None, acting_as: str | None, **arguments: Any) -> Any:
        connection: Client | LocalExchange
        if region is None:
            if acting_as is not None:
                raise InvalidValue("--as", acting_as, "a token instead: only with --region one may act as anybody")
            connection = Client(url or DEFAULT_URL, token=token)
        else:
            connection = LocalExchange(region, acting_as)
        with closing(connection):
            return command(connection, **arguments)

    return run  # type: ignore[return-value]


def _principal(exchange: Exchange, name: str) -> Principal:
    for master in exchange.spec.masters:
        if master.name == name:
            return Principal(Kind.MASTER, name, name)
        if name in [node.node_id for node in master.nodes]:
            keys = RegionKeys(exchange.folder).nodes.load_node(name)
            return Principal(Kind.NODE, name, master.name, keys=keys)
    if name == Kind.REGULATOR:
        return Principal(Kind.REGULATOR, name)
    raise InvalidValue("--as", name, 'a function node, a master, or "regulator"')
