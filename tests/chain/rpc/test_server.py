"""Who may ask the server, and how much."""

from __future__ import annotations

import re
from threading import Thread

import httpx
import pytest
from caller import Caller
from probe import GENESIS, SEALER, signed, stores
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.filters import Filters
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainError, InvalidValue, RpcError

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


def status(server, headers=None, **request):
    return httpx.post(server.url, headers=headers, trust_env=False, **(request or {"json": REQUEST})).status_code


class TestAccess:
    def test_only_this_machine_is_served_without_a_token(self, chain):
        for host in ("0.0.0.0", "::"):
            with pytest.raises(InvalidValue, match="a token as well"):
                RpcServer(chain, host=host, port=0)

    def test_a_token_has_to_be_shown(self, chain):
        with RpcServer(chain, port=0, token="s3cret") as server:
            for shown in (None, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
                assert status(server, shown) == 401
            assert status(server, {"Authorization": "Bearer s3cret"}) == 200
            url = server.url.replace("http", "ws")
            with pytest.raises(InvalidStatus, match="401"):
                connect(url)
            with connect(url, additional_headers={"Authorization": "Bearer s3cret"}):
                pass
            assert EthereumChain(server.url, token="s3cret").chain_id == chain.chain_id
            with pytest.raises(ChainError, match="token"):
                EthereumChain(server.url, token="wrong")

    def test_pages_of_strangers_are_kept_out(self, chain):
        page = "http://explorer.example"
        with RpcServer(chain, port=0, origins=[page], names=["node.example"]) as server:
            assert status(server, {"Host": "evil.example"}) == 400, "a name that leads here, with DNS rebinding"
            assert status(server, {"Host": "node.example"}) == 200
            assert status(server, content="{}", headers={"Content-Type": "text/plain"}) == 415, "a form's way to post"
            url = server.url.replace("http", "ws")
            with pytest.raises(InvalidStatus, match="403"):
                connect(url, origin="http://evil.example")
            with connect(url, origin=page):
                pass
            allowed = httpx.post(server.url, json=REQUEST, headers={"Origin": page}, trust_env=False).headers
            assert allowed["access-control-allow-origin"] == page

    def test_other_ways_to_ask_are_refused(self, server):
        assert httpx.get(server.url, trust_env=False).status_code == 405
        assert httpx.post(server.url + "/other", json=REQUEST, trust_env=False).status_code == 404

    def test_a_port_in_use_is_named(self, server, chain):
        with pytest.raises(InvalidValue, match=re.escape(f"127.0.0.1:{server.port}")):
            RpcServer(chain, port=server.port)


class TestLimits:
    def test_callers_that_wait_for_a_block_wait_for_it_together(self, path):
        def send(caller, raw):
            caller.ask("eth_sendRawTransactionSync", "0x" + raw.hex())

        keys = [SigningKey(bytes([number]) * 32) for number in range(1, 31)]
        raws = [signed(key, 0, key.address) for key in keys]
        with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=1) as chain, RpcServer(chain, port=0) as server:
            waiting = [Thread(target=send, args=(Caller(server), raw)) for raw in raws]
            for thread in waiting:
                thread.start()
            for thread in waiting:
                thread.join()
            assert max(len(chain.block(height).transactions) for height in range(1, chain.head().height + 1)) > 8

    def test_a_long_body_is_refused(self, chain):
        with RpcServer(chain, port=0, limits=Limits(body_bytes=1_000)) as server:
            answer = httpx.post(server.url, json=[REQUEST] * 50, trust_env=False)
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == -32005
            assert status(server) == 200
            with connect(server.url.replace("http", "ws")) as socket:
                socket.send("1" * 2_000)
                with pytest.raises(ConnectionClosedError, match="1009"):
                    socket.recv(timeout=60)

    def test_too_many_blocks_and_events_are_refused(self, chain, probe):
        with RpcServer(chain, port=0, limits=Limits(log_blocks=3, logs=3)) as server:
            caller = Caller(server)
            assert len(caller.ask("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"})) == 3
            code, text = caller.error("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x3"})
            assert (code, text) == (-32005, "4 blocks; ask for at most 3 at once")
            chain.submit(stores(probe, 5, 4))
            assert caller.error("eth_getLogs", {"fromBlock": "0x4", "toBlock": "0x4"})[0] == -32005

    def test_a_filter_that_fell_behind_catches_up_in_steps(self, chain, probe):
        with RpcServer(chain, port=0, limits=Limits(log_blocks=2)) as server:
            caller = Caller(server)
            key = caller.ask("eth_newBlockFilter")
            for nonce in range(5, 10):
                chain.submit(stores(probe, nonce, 1))
            found = [caller.ask("eth_getFilterChanges", key) for _ in range(4)]
            assert [len(hashes) for hashes in found] == [2, 2, 1, 0]

    def test_filters_are_counted_and_forgotten(self, chain):
        now = 0.0
        filters = Filters(chain, Limits(filters=2, filter_idle_seconds=10), clock=lambda: now)
        first, _ = filters.add(None), filters.add(None)
        with pytest.raises(RpcError, match="2 filters exist"):
            filters.add(None)
        now = 9.0
        filters.changes(first)
        now = 12.0
        filters.add(None)
        assert filters.changes(first) == []
        now = 30.0
        with pytest.raises(RpcError, match="filter not found"):
            filters.changes(first)

    def test_the_engine_pages_through_a_server_with_narrow_limits(self, chain, probe):
        for nonce in range(5, 12):
            chain.submit(stores(probe, nonce, 1))
        limits = Limits(log_blocks=3, logs=3)
        with RpcServer(chain, port=0, limits=limits) as server, EthereumChain(server.url) as client:
            assert list(client.logs(address=probe)) == list(chain.logs(address=probe))
