"""The process of `gridbourse.metering.broker`: `python -m gridbourse.metering.broker_main HOST PORT`.

It ends when its standard input does, and so with whoever started it, even if that was killed.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from amqtt.broker import Broker  # type: ignore[import-untyped]

# A broker that only this machine reaches lets everybody in; sessions end with it, and `$SYS` topics are not needed.
_PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


async def _serve(host: str, port: str) -> None:
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}}, "plugins": _PLUGINS})
    await broker.start()
    await asyncio.to_thread(sys.stdin.buffer.read)
    await broker.shutdown()


if __name__ == "__main__":
    # A terminal tells all processes to stop; the broker goes when the service that it serves has gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(*sys.argv[1:]))
