"""New heads and events, pushed over a WebSocket."""

from __future__ import annotations

import json

import pytest
from probe import BOB, call_data, signed, stores
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.server import RpcServer


class Connection:
    def __init__(self, socket):
        self._socket = socket
        self.pushed = []

    def ask(self, method, *params):
        self._socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        while "id" not in (answer := self._receive()):
            self.pushed.append(answer["params"])
        return answer["result"] if "result" in answer else answer["error"]["code"]

    def next(self):
        while not self.pushed:
            self.pushed.append(self._receive()["params"])
        return self.pushed.pop(0)

    def _receive(self):
        return json.loads(self._socket.recv(timeout=60))


@pytest.fixture
def connection(server):
    with connect(server.url.replace("http", "ws")) as socket:
        yield Connection(socket)


def test_everything_can_be_asked_over_a_websocket(connection, caller):
    assert connection.ask("eth_blockNumber") == caller.ask("eth_blockNumber") == "0x3"
    assert connection.ask("eth_getLogs", {"fromBlock": "0x1"}) == caller.ask("eth_getLogs", {"fromBlock": "0x1"})


def test_new_heads_come_in_their_order_without_a_gap(connection, chain, probe):
    key = connection.ask("eth_subscribe", "newHeads")
    for nonce in range(5, 25):
        chain.submit(stores(probe, nonce, 1))
    heads = [connection.next() for _ in range(20)]
    assert {head["subscription"] for head in heads} == {key}
    assert [head["result"]["number"] for head in heads] == [hex(height) for height in range(4, 24)]
    assert heads[-1]["result"]["hash"] == "0x" + chain.head().hash.hex()
    assert "transactions" not in heads[-1]["result"]


def test_events_come_as_they_were_asked_for(connection, caller, chain, probe):
    word_6 = "0x" + (6).to_bytes(32, "big").hex()
    every = connection.ask("eth_subscribe", "logs", {"address": "0x" + probe.hex()})
    one = connection.ask("eth_subscribe", "logs", {"topics": [None, word_6]})
    chain.submit([signed(BOB, 1, probe, call_data("refuse()")), *stores(probe, 5, 3)])
    pushed = [connection.next() for _ in range(4)]
    logs = caller.ask("eth_getLogs", {"fromBlock": "0x4"})
    assert [push["result"] for push in pushed if push["subscription"] == every] == logs
    assert [push["result"] for push in pushed if push["subscription"] == one] == [logs[1]]


def test_an_ended_subscription_tells_nothing_more(connection, chain, probe):
    first, second = (connection.ask("eth_subscribe", "newHeads") for _ in range(2))
    assert connection.ask("eth_unsubscribe", first) is True
    assert connection.ask("eth_unsubscribe", first) is False
    chain.submit(stores(probe, 5, 1))
    assert connection.next()["subscription"] == second


def test_what_cannot_be_subscribed_to_is_refused(connection, caller):
    assert connection.ask("eth_subscribe", "newPendingTransactions") == -32602
    assert connection.ask("eth_subscribe", "logs", {"address": "0x1"}) == -32602
    assert caller.error("eth_subscribe", "newHeads")[0] == -32601, "there is nobody to push to over HTTP"


def test_subscriptions_of_a_connection_are_counted(chain):
    limits = Limits(subscriptions=2)
    with RpcServer(chain, port=0, limits=limits) as server, connect(server.url.replace("http", "ws")) as socket:
        connection = Connection(socket)
        assert all(str(connection.ask("eth_subscribe", "newHeads")).startswith("0x") for _ in range(2))
        assert connection.ask("eth_subscribe", "newHeads") == -32005


def test_a_server_that_stops_ends_its_connections(chain, probe):
    server = RpcServer(chain, port=0)
    with connect(server.url.replace("http", "ws")) as socket:
        Connection(socket).ask("eth_subscribe", "newHeads")
        server.close()
        server.close()
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=60)
