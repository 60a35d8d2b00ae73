"""Sockets that say nothing, send slowly or do not read keep nobody else from the server."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, suppress

import httpx
import pytest
from caller import Caller
from probe import GENESIS, SEALER, deployment, stores
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.connections import ConnectionLimits
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.server import RpcServer

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
IDLE, SLOW = 260, 20


def ws(server):
    return server.url.replace("http", "ws")


def raw_socket(stack, server, sent=b""):
    opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
    opened.sendall(sent)
    return opened


def request_bytes(body, **headers):
    content = json.dumps(body).encode()
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(content), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + content


def upgrade_bytes():
    fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    return "\r\n".join(["GET / HTTP/1.1", *fields, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""]).encode()


def frame_bytes(body):
    """A text frame of RFC 6455, section 5.2, of 64 KiB or more; masked with zeros."""
    content = json.dumps(body).encode()
    return b"\x81\xff" + len(content).to_bytes(8, "big") + bytes(4) + content


def ends(opened):
    """What the server says to the end; it has to end the connection by itself."""
    opened.settimeout(60)
    said = b""
    try:
        while chunk := opened.recv(65_536):
            said += chunk
    except ConnectionResetError:
        pass
    return said


class TestIdle:
    def test_idle_websockets_lock_nobody_out(self, server):
        with ExitStack() as stack:
            refused = 0
            for _ in range(IDLE):
                try:
                    stack.enter_context(connect(ws(server), ping_interval=None))
                except InvalidStatus:
                    refused += 1
            assert refused == 0, "the longest idle one makes room"
            assert Caller(server).ask("eth_blockNumber") == "0x3"
            with connect(ws(server)) as speaking:
                speaking.send(json.dumps(REQUEST))
                assert json.loads(speaking.recv(timeout=60))["result"]

    def test_websockets_that_wait_for_something_are_not_pushed_out(self, chain, probe):
        subscribe = REQUEST | {"method": "eth_subscribe", "params": ["newHeads"]}
        with RpcServer(chain, port=0, limits=Limits(web_sockets=3)) as server, ExitStack() as stack:
            waiting = [stack.enter_context(connect(ws(server))) for _ in range(3)]
            for one in waiting:
                one.send(json.dumps(subscribe))
                assert json.loads(one.recv(timeout=60))["result"]
            with pytest.raises(InvalidStatus, match="503"):
                connect(ws(server))
            assert Caller(server).ask("eth_blockNumber") == "0x3"
            chain.submit(stores(probe, 5, 1))
            assert all("params" in json.loads(one.recv(timeout=60)) for one in waiting)

    def test_a_websocket_that_asks_nothing_is_ended(self, chain):
        with RpcServer(chain, port=0, limits=Limits(web_socket_idle_seconds=0.2)) as server:
            with connect(ws(server)) as idle, pytest.raises(ConnectionClosed, match="idle"):
                idle.recv(timeout=60)
            with connect(ws(server)) as subscribed:
                subscribed.send(json.dumps(REQUEST | {"method": "eth_subscribe", "params": ["newHeads"]}))
                subscribed.recv(timeout=60)
                with pytest.raises(TimeoutError):
                    subscribed.recv(timeout=1)

    def test_idle_connections_make_room(self, chain):
        limits = Limits(connections=ConnectionLimits(connections=20))
        with RpcServer(chain, port=0, limits=limits) as server, ExitStack() as stack:
            kept = [raw_socket(stack, server, request_bytes(REQUEST)) for _ in range(100)]
            assert Caller(server).ask("eth_chainId")
            assert all(ends(opened) is not None for opened in kept[:80])

    def test_many_sockets_that_say_nothing_lock_nobody_out(self, server):
        with ExitStack() as stack:
            for _ in range(IDLE):
                raw_socket(stack, server)
            assert Caller(server).ask("eth_blockNumber") == "0x3"


class TestSlow:
    def test_a_request_that_never_ends_is_ended(self, chain):
        limits = Limits(connections=ConnectionLimits(request_seconds=0.5))
        halves = [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x", request_bytes(REQUEST)[:-5]]
        with RpcServer(chain, port=0, limits=limits) as server, ExitStack() as stack:
            said = [ends(raw_socket(stack, server, half)) for half in halves]
            assert all(answer.startswith(b"HTTP/1.1 408") for answer in said)

    def test_half_sent_requests_lock_nobody_out(self, server):
        with ExitStack() as stack:
            for _ in range(300):
                raw_socket(stack, server, request_bytes(REQUEST)[:-5])
            caller = Caller(server)
            assert [caller.ask("eth_blockNumber") for _ in range(20)] == ["0x3"] * 20

    @pytest.mark.parametrize("is_web_socket", [False, True])
    def test_a_peer_that_does_not_read_is_cut_off_and_keeps_nobody_waiting(self, chain, probe, is_web_socket):
        batch = [REQUEST | {"method": "eth_getCode", "params": ["0x" + probe.hex()]}] * 5_000  # 13 MB of answers
        limits = Limits(connections=ConnectionLimits(check_seconds=0.5))
        with RpcServer(chain, port=0, limits=limits) as server, ExitStack() as stack:
            for _ in range(SLOW):
                sent = upgrade_bytes() + frame_bytes(batch) if is_web_socket else request_bytes(batch)
                raw_socket(stack, server, sent)
            caller = Caller(server)
            caller.http.timeout = 60
            assert [caller.ask("eth_blockNumber") for _ in range(10)] == ["0x3"] * 10
            open_connections = server._server.server_state.connections
            deadline = time.monotonic() + 60
            while len(open_connections) > 1 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(open_connections) <= 1, "only the caller's own"


class TestHeads:
    @pytest.mark.parametrize(
        "head",
        [
            b"POST / HTTP/1.1\r\nX-Long: " + b"a" * 2**20,
            b"POST /" + b"a" * 2**20,
            b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(100_000)),
        ],
        ids=["a long field", "a long path", "many fields"],
    )
    def test_a_head_without_end_is_refused(self, server, head):
        with socket.create_connection(("127.0.0.1", server.port)) as opened:
            with suppress(BrokenPipeError, ConnectionResetError):
                opened.sendall(head)
            assert ends(opened)[:12] in {b"HTTP/1.1 431", b""}
        assert Caller(server).ask("eth_blockNumber") == "0x3"

    def test_more_requests_than_it_answers_at_once_are_told_so(self, path):
        waiting = REQUEST | {"method": "eth_sendRawTransactionSync", "params": ["0x" + deployment().hex(), 9_000]}
        with (
            EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60) as chain,
            RpcServer(chain, port=0, limits=Limits(requests=1)) as server,
            ExitStack() as stack,
        ):
            raw_socket(stack, server, request_bytes(waiting))
            while (answer := httpx.post(server.url, json=REQUEST, trust_env=False)).status_code == 200:
                pass  # the one that waits has not come to the application yet
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == -32005
