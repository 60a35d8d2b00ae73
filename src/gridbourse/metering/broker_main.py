"""The process of `gridbourse.metering.broker`: `python -m gridbourse.metering.broker_main HOST PORT`.

The first line of its standard input is the head-end's password. It ends when its standard input does, and so with
whoever started it, even if that was killed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import Action  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin  # type: ignore[import-untyped]
from amqtt.session import Session  # type: ignore[import-untyped]

from gridbourse.metering.access import AccessList


class MeterAccess(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]
    """Asks the access list, for aMQTT."""

    @dataclass
    class Config:
        """What the plugin is given."""

        head_end_password: str = ""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._list = AccessList(context.config.head_end_password)

    async def authenticate(self, *, session: Session) -> bool:
        """Let a client in, or not."""
        return self._list.admit(session.client_id or "", session.username, session.password, int(time.time()))

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Let a client publish, subscribe or receive, or not."""
        client_id = session.client_id if session else None
        return self._list.allows(client_id or "", topic or "", publishes=action is Action.PUBLISH)


async def _serve(host: str, port: str) -> None:
    password = sys.stdin.readline().strip()
    # Sessions end with the broker, and `$SYS` topics are not needed.
    plugins = {"gridbourse.metering.broker_main.MeterAccess": {"head_end_password": password}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}}, "plugins": plugins})
    await broker.start()
    await asyncio.to_thread(sys.stdin.buffer.read)
    await broker.shutdown()


if __name__ == "__main__":
    # A terminal tells all processes to stop; the broker goes when the service that it serves has gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(*sys.argv[1:]))
