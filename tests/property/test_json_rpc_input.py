"""Whatever a caller sends, the JSON-RPC answers it, and never by a fault of its own."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.dispatch import Dispatcher
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods import Methods
from gridbourse.chain.transaction import Transaction
from gridbourse.crypto.keys import SigningKey

KEY = SigningKey(b"\x01" * 32)
ADDRESS = "0x" + KEY.address.hex()
WORD = "0x" + "11" * 32
FAULT_OF_OURS = -32603

NAMES = ["fromBlock", "toBlock", "blockHash", "blockNumber", "address", "topics", "to", "from", "data", "gas", "value"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["latest", "earliest", "pending", "0x0", "0x1", "0x2", "0x", ADDRESS, WORD, "newHeads", "logs"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain") / "main.chain"
    with EmbeddedChain(path, Genesis(7, KEY.address, gas_limit=1_000_000), KEY) as chain:
        for nonce in range(2):
            chain.submit([Transaction(7, nonce, 100_000, KEY.address).sign(KEY).raw])
        yield Dispatcher(Methods(chain, Limits(filters=10, sync_wait_seconds=0.01)), Limits())


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_parameters_are_answered_or_refused(dispatcher, data):
    method = data.draw(st.sampled_from(sorted(dispatcher._table)))
    params = data.draw(st.lists(VALUES, max_size=3))
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = json.loads(dispatcher.answer(json.dumps(request).encode()))
    assert answer["id"] == 1
    assert ("result" in answer) != ("error" in answer)
    assert answer.get("error", {}).get("code") != FAULT_OF_OURS, answer


@settings(max_examples=200, deadline=None)
@given(body=st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode())))
def test_any_body_is_answered(dispatcher, body):
    answered = dispatcher.answer(body)
    answers = json.loads(answered) if answered else []
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer["error"]["code"] in {-32700, -32600, -32601, -32602}
