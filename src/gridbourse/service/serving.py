"""Runs the service: the web server, its log, and what it refuses to start with."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from gridbourse.chain.rpc.connections import ConnectionLimits, bounded
from gridbourse.errors import InvalidValue
from gridbourse.node.hosting.logging import begin_process
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange

GRACE_SECONDS = 10


def require_safe(host: str, settings: ServiceSettings) -> None:
    """Refuse to be reached from other machines without TLS in front and names of its own.

    Raises
    ------
    InvalidValue
        `host` is not this machine's own, and `public_url` is not that of a proxy that speaks TLS.
    """
    parts = urlsplit(settings.public_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
        raise InvalidValue("public_url", settings.public_url, "an address like https://exchange.example.org")
    if is_loopback(host):
        return
    if not settings.is_secure:
        remedy = "the https:// address of the TLS proxy in front of it, or bind 127.0.0.1"
        raise InvalidValue("public_url", settings.public_url, remedy)
    if parts.hostname not in settings.allowed_hosts:
        raise InvalidValue("allowed_hosts", settings.allowed_hosts, f"{parts.hostname} among them")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server(uvicorn.Server):
    """A web server that ends event streams when it is told to stop: they would never end by themselves.

    Parameters
    ----------
    app
        What it serves.
    config
        How.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for what is being answered."""
        exchange: Exchange = self._app.state.exchange
        exchange.feed.close()
        await super().shutdown(sockets)


def server(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Make the web server of an application."""
    settings: ServiceSettings = app.state.settings
    http, _ = bounded(ConnectionLimits(connections=settings.connections))
    return Server(
        app,
        uvicorn.Config(
            app,
            http=http,
            ws="none",
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
    )


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve until the process is told to stop; then take nothing new, finish what was taken, and return."""
    begin_process()
    server(app, host, port).run()
