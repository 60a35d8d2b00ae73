"""Node and web server as processes of their own: killed in every order while orders arrive; two web servers."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from serving_process import serving
from small_market import SPEC, ask

from gridbourse.errors import InvalidValue, NodeUnreachable
from gridbourse.index.database import Database
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.events import OrderPlaced
from gridbourse.node.commands.client import ask_once
from gridbourse.node.commands.requests import ReadHealth
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.region import Region
from gridbourse.region.layout import SERVICE_FILE
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth.credentials import Credentials
from gridbourse.service.rights import Kind, Principal, Scope
from gridbourse.service.use_cases.service import Exchange
from service import PATIENCE_SECONDS, until

GRIDBOURSE = str(Path(sys.executable).with_name("gridbourse"))


@contextlib.contextmanager
def running(folder):
    """`gridbourse run`: the node alone."""
    command = [GRIDBOURSE, "run", folder, "--step-seconds", "0.1", "--anchor-seconds", "0.5"]
    log = folder.with_suffix(".node.log").open("ab")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: node_of(folder) == process.pid)
            yield process
        finally:
            process.kill()


def node_of(folder):
    """The process that runs the node of a folder; None if there is none."""
    try:
        return ask_once(folder / "node.sock", ReadHealth())["process"]
    except (NodeUnreachable, OSError):
        return None


@pytest.fixture
def token(folder):
    """Anna's token; it is good whichever web server is asked, and after a restart."""
    with contextlib.closing(ServiceStore(folder / SERVICE_FILE)) as store:
        keys = RegionKeys(folder).nodes.load_node("Anna")
        registry = ParticipantRegistry(Database.of(folder))
        credentials = Credentials(store, registry, {}, SPEC.chain_id, lambda: int(time.time()))
        principal = Principal(Kind.NODE, "Anna", "roofs", keys=keys)
        _, secret = credentials.create_token(principal, "robot", [Scope.READ, Scope.TRADE], 86_400)
    return secret


class Orders:
    """Somebody who places orders all the time, each under a key of its own, and again until it is answered."""

    def __init__(self, token, *urls):
        self.urls = urls
        self.sent, self.answered, self.refusals = [], {}, set()
        self._token = token
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._place, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.join()

    def stop(self):
        """Place no further order."""
        self._stopping.set()

    def join(self):
        self._thread.join(2 * PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"every order is answered in the end; not after {self.refusals}"

    def _place(self):
        while not self._stopping.is_set():
            energy_wh, key = 1_000 + len(self.sent), uuid4().hex
            self.sent.append(energy_wh)
            self.answered[energy_wh] = self._placed(ask(energy_wh), key)

    def _placed(self, order, key):
        turn = 0
        while True:
            url = self.urls[turn % len(self.urls)]
            turn += 1
            try:
                with browser(url, self._token) as anna:
                    answer = anna.post("/orders", json=order, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 201:
                return answer.json()["order_id"]
            self.refusals.add((answer.status_code, answer.text, answer.headers.get("Retry-After")))
            time.sleep(0.1)


def browser(url, token):
    own = {"base_url": f"{url}/api/v1", "headers": {"Authorization": f"Bearer {token}"}}
    return httpx.Client(**own, timeout=PATIENCE_SECONDS)


def recorded(folder):
    """Quantities of Anna's orders, as they lie on her slave chain and on the main chain, once nobody has them open."""
    with Region.open(folder) as region:
        region.submit()
        master = region.master_of("Anna")
        details = map(master.encryption_node.open, master.slave.records())
        signed = [own.energy_wh for own in details if isinstance(own, OrderDetails) and own.user_id == "Anna"]
        events = region.main.market.events_between(1, region.main.chain.head().height)
        placed = [event.energy_wh for event in events if isinstance(event, OrderPlaced)]
    return sorted(signed), sorted(placed)


def some_more(orders, count=3):
    """Let some more orders be answered."""
    reached = len(orders.answered) + count
    until(lambda: len(orders.answered) >= reached)


def test_whatever_is_killed_in_whatever_order_no_order_is_lost_or_doubled(folder, token):
    with serving(folder) as first, Orders(token, first.url) as orders:
        some_more(orders)
        node = node_of(folder)
        os.kill(node, signal.SIGKILL)  # the web server starts another
        some_more(orders)
        assert node_of(folder) not in {None, node}
        assert {(status, retry_after) for status, _, retry_after in orders.refusals} <= {(503, "2")}
        node = node_of(folder)
        first.process.kill()  # its node finishes and ends
        until(lambda: node_of(folder) != node)
        with serving(folder, port=first.port) as second:
            some_more(orders)
            os.killpg(second.process.pid, signal.SIGKILL)  # both at once
            with serving(folder, port=first.port) as third:
                some_more(orders)
                third.process.terminate()
                third.process.wait(PATIENCE_SECONDS)
                orders.stop()
                with serving(folder, port=first.port) as last:
                    orders.join()
                    last.process.terminate()
                    last.process.wait(PATIENCE_SECONDS)
    until(lambda: node_of(folder) is None)
    signed, placed = recorded(folder)
    assert signed == placed == sorted(orders.sent)
    assert len(set(orders.answered.values())) == len(orders.sent)


def test_two_web_servers_on_one_node_are_one_exchange_and_outlive_each_other(folder, token):
    with running(folder) as node, serving(folder, "--attach") as one, serving(folder, "--attach") as other:
        with Orders(token, one.url) as here, Orders(token, other.url) as there:
            some_more(here)
            some_more(there)
        for server in (one, other):
            with browser(server.url, token) as anna:
                assert sorted(own_quantities(anna)) == sorted([*here.sent, *there.sent])
        with Orders(token, one.url, other.url) as orders:
            some_more(orders)
            one.process.kill()
            some_more(orders)
            assert node_of(folder) == node.pid
        node.kill()
        node.wait()
        with browser(other.url, token) as anna:
            refused = anna.post("/orders", json=ask())
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            assert anna.get("/orders").status_code == 200
        with running(folder):
            until(other.is_ready)
            with Orders(token, other.url) as again:
                some_more(again)
        other.process.terminate()
        other.process.wait(PATIENCE_SECONDS)
    until(lambda: node_of(folder) is None)
    signed, placed = recorded(folder)
    assert signed == placed == sorted([*here.sent, *there.sent, *orders.sent, *again.sent])


def own_quantities(anna):
    found, cursor = [], ""
    while True:
        page = anna.get(f"/orders?limit=100{cursor}").json()
        found += [order["energy_wh"] for order in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_a_web_server_may_be_there_before_its_node(folder, token):
    started = threading.Event()

    def later():
        started.wait(PATIENCE_SECONDS)
        with running(folder):
            ended.wait(PATIENCE_SECONDS)

    ended = threading.Event()
    thread = threading.Thread(target=later)
    thread.start()
    try:
        started.set()
        with serving(folder, "--attach") as web, Orders(token, web.url) as orders:
            some_more(orders)
    finally:
        ended.set()
        thread.join()


def test_a_node_that_runs_is_found_and_left_running(folder, token):
    with running(folder) as node:
        with serving(folder) as web:
            with Orders(token, web.url) as orders:
                some_more(orders)
            web.process.terminate()
            web.process.wait(PATIENCE_SECONDS)
        assert node_of(folder) == node.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_node_beside_a_web_server_goes_on_when_a_terminal_tells_both_to_stop(folder, number):
    with serving(folder):
        node = node_of(folder)
        os.kill(node, number)
        time.sleep(0.5)
        assert node_of(folder) == node


def test_a_folder_that_holds_no_region_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidValue, match=str(tmp_path)):
        asyncio.run(Exchange.open(tmp_path))


def test_what_the_node_cannot_open_the_web_server_says(folder, token):
    shutil.rmtree(folder / "keys" / "nodes")
    with pytest.raises(InvalidValue, match="key"):
        asyncio.run(Exchange.open(folder))


def test_what_is_asked_while_there_is_no_node_is_refused(service):
    until(lambda: service.exchange.is_running)
    service.node.stop()
    service.node.stop = lambda: None
    until(lambda: not service.exchange.node.is_connected)
    with pytest.raises(NodeUnreachable):
        service.ask(service.exchange.node.ask(ReadHealth()))
    assert not service.exchange.is_running
