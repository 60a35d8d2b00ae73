"""A service that really runs: a region on disk, its node, the application, a server on a free port of this machine.

The node runs in threads of the test's own process, and is commanded over its socket like any other.
"""

import asyncio
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import httpx
from argon2 import PasswordHasher

from gridbourse.chain.local import system_clock
from gridbourse.node.commands.requests import ReadHealth
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.hosting.node import Node
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.region import Region
from gridbourse.service.app import create_app
from gridbourse.service.auth import keystore
from gridbourse.service.rights import Kind
from gridbourse.service.serving import server
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange
from gridbourse.web import add_pages

PASSWORD = "correct horse battery staple"
PATIENCE_SECONDS = 60.0
"""How long something may take on a machine that is busy with other tests."""
# What makes passwords hard to guess would only make the tests slow.
keystore._TIME_COST, keystore._MEMORY_KIB = 1, 64
keystore._hasher = PasswordHasher(1, 64, 1)
QUICK = JobSchedule(step_seconds=0.05, anchor_seconds=0.2)


class Service:
    """A running service, and the ways in which tests speak to it."""

    def __init__(self, folder, settings=None, broker=None, node=None, public_url=None, clock=system_clock, jobs=()):
        self.folder = folder
        self._clock, self._jobs = clock, jobs
        self._has_own_node = node is None
        self.node = node
        self._socket = socket.create_server(("127.0.0.1", 0))
        # As asyncio does where it makes the socket itself: otherwise every answer waits 40 ms for an acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        settings = settings or ServiceSettings(requests_per_second=10_000, burst=10_000, sign_ins_per_minute=10_000)
        self.settings = replace(settings, public_url=public_url or self.url, job_schedule=QUICK)
        self.app = create_app(
            lambda: Exchange.open(folder, job_schedule=QUICK, broker=broker, starts_node=False, clock=clock),
            self.settings,
            add_pages,
        )
        self._server = server(self.app)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.loop = None

    @property
    def exchange(self):
        return self.app.state.exchange

    def _serve(self):
        async def serve():
            self.loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def start(self):
        if self.node is None:
            self.node = Node(Region.open(self.folder, clock=self._clock), self.folder, QUICK, self._jobs)
            self.node.start()
        self._thread.start()
        until(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started, "the service starts"
        return self

    def stop(self):
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the service stops"
        if self._has_own_node:
            self.node.stop()

    def region(self, work, *arguments, **named):
        """Do something on the region, in the thread that owns it; the service knows of it when this returns."""
        answer = self.node.worker.run(work, *arguments, **named).result(PATIENCE_SECONDS)
        self.ask(self.exchange.node.ask(ReadHealth()))  # what the node told before this answer has arrived
        return answer

    def ask(self, question):
        """Wait for what the service does in its event loop."""
        return asyncio.run_coroutine_threadsafe(question, self.loop).result(PATIENCE_SECONDS)

    def left_by_a_kill(self, folder):
        """What a kill leaves: the files as they are at one moment, with their write-ahead logs, in another folder."""
        self.ask(self._copy_at_one_moment(folder))
        return folder

    async def _copy_at_one_moment(self, folder):
        # The web server's loop, in which this runs, does nothing else meanwhile, nor does the thread that copies.
        ignored = shutil.ignore_patterns("*.sock")
        copying = self.node.worker.run(lambda _: shutil.copytree(self.folder, folder, ignore=ignored))
        copying.result(PATIENCE_SECONDS)

    def account(self, name, kind=Kind.NODE):
        """An account of somebody, under its own name."""
        keys = RegionKeys(self.folder).nodes.load_node(name) if kind is Kind.NODE else None
        self.exchange.credentials.create_account(name, kind, name, PASSWORD, keys)

    @contextmanager
    def browser(self, name=None):
        """A browser, signed in if it is somebody's."""
        own = {"base_url": f"{self.url}/api/v1", "headers": {"Origin": self.url}}
        with httpx.Client(**own, timeout=PATIENCE_SECONDS) as client:
            if name is not None:
                answer = client.post("/sign-in/password", json={"account": name, "password": PASSWORD})
                assert answer.status_code == 200, answer.text
            yield client


def until(holds, seconds=PATIENCE_SECONDS):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it should have come true by now"
        time.sleep(0.02)
    return found
