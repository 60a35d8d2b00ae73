from __future__ import annotations

from collections.abc import Iterator

import pytest
from caller import Caller
from probe import BOB, call_data, deploy, signed, stores

from gridbourse.chain.rpc.server import RpcServer


@pytest.fixture
def probe(chain):
    """Block 1 makes the contract, block 2 has three events in three transactions, block 3 a refused call."""
    probe = deploy(chain)
    chain.submit(stores(probe, 1, 3))
    chain.submit([signed(BOB, 0, probe, call_data("refuse()")), *stores(probe, 4, 1)])
    return probe


@pytest.fixture
def server(chain, probe) -> Iterator[RpcServer]:
    with RpcServer(chain, port=0) as server:
        yield server


@pytest.fixture
def caller(server) -> Iterator[Caller]:
    caller = Caller(server)
    with caller.http:
        yield caller
