"""Runs the service: the web server, its log, and what it refuses to start with."""

from __future__ import annotations

import gc
import ipaddress
import json
import logging
import socket
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from gridbourse.console.exchange import Exchange
from gridbourse.console.settings import ServiceSettings
from gridbourse.errors import InvalidValue

GRACE_SECONDS = 10
YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER = 50_000, 2, 1_000_000_000


class JsonLines(logging.Formatter):
    """One JSON object for each line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        entry |= json.loads(message) if record.name == "gridbourse.access" else {"message": message}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


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
    return Server(
        app,
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=32_768,
        ),
    )


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve until the process is told to stop; then take nothing new, finish what was taken, and return."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What the market's state holds is no garbage, and nobody is answered while it is searched for cycles: the longer,
    # the more orders there are. The cycles that requests leave behind are found while they are young.
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)
    server(app, host, port).run()
