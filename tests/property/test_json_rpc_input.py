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
from gridbourse.chain.rpc.methods.table import Methods
from gridbourse.chain.transaction import Transaction
from gridbourse.crypto.keys import SigningKey

KEY = SigningKey(b"\x01" * 32)
ADDRESS = "0x" + KEY.address.hex()
WORD = "0x" + "11" * 32
FAULT_OF_OURS = -32603

FILTER = ["fromBlock", "toBlock", "blockHash", "address", "topics"]
CALL = ["to", "from", "data", "input", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "nonce"]
OVERRIDES = ["balance", "nonce", "code", "state", "stateDiff", "movePrecompileToAddress", ADDRESS, WORD]
BLOCK = ["blockNumber", "requireCanonical", "number", "time", "gasLimit", "feeRecipient", "baseFeePerGas", "prevRandao"]
SIMULATION = ["blockStateCalls", "stateOverrides", "blockOverrides", "calls", "validation", "tracer", "tracerConfig"]
NAMES = [*FILTER, *CALL, *OVERRIDES, *BLOCK, *SIMULATION, "accessList", "chainId", "type", "storageKeys"]
GOOD = ["latest", "earliest", "pending", "0x0", "0x1", "0x2", "0x", "0x5208", "0x602a60005260206000f3", ADDRESS, WORD]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([*GOOD, "newHeads", "logs", "syncing", "callTracer", "prestateTracer", "0X1", "0x" + "f" * 64]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
# Nearly right: what is asked for goes on to the chain unless one of the fields is wrong.
PLAUSIBLE = st.one_of(
    st.sampled_from(GOOD),
    st.dictionaries(st.sampled_from(FILTER), st.sampled_from(GOOD) | st.lists(st.sampled_from(GOOD), max_size=3)),
    st.dictionaries(st.sampled_from(CALL), st.sampled_from(GOOD)),
    VALUES,
)


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain") / "main.chain"
    with EmbeddedChain(path, Genesis(7, KEY.address, gas_limit=1_000_000), KEY) as chain:
        for nonce in range(2):
            chain.submit([Transaction(7, nonce, 100_000, KEY.address).sign(KEY).raw])
        yield Dispatcher(Methods(chain, Limits(filters=10, sync_wait_seconds=0.01)), Limits())


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_parameters_are_answered_or_refused(dispatcher, data):
    method = data.draw(st.sampled_from(sorted(dispatcher._table)))
    params = data.draw(st.lists(PLAUSIBLE, max_size=3))
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = json.loads(dispatcher.answer(json.dumps(request).encode()))
    assert answer["id"] == 1
    assert ("result" in answer) != ("error" in answer)
    assert answer.get("error", {}).get("code") != FAULT_OF_OURS, answer


@settings(max_examples=200, deadline=None)
@given(body=st.one_of(st.binary(max_size=200), (VALUES | st.floats()).map(lambda value: json.dumps(value).encode())))
def test_any_body_is_answered(dispatcher, body):
    answered = dispatcher.answer(body)
    answers = json.loads(answered) if answered else []
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer["error"]["code"] in {-32700, -32600, -32601, -32602}


@settings(max_examples=100, deadline=None)
@given(
    requests=st.lists(st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "method": VALUES, "id": VALUES}), min_size=1)
)
def test_every_request_of_a_batch_is_answered_with_its_id(dispatcher, requests):
    answers = json.loads(dispatcher.answer(json.dumps(requests).encode()))
    assert len(answers) == len(requests)
    for request, answer in zip(requests, answers, strict=True):
        is_id = request["id"] is None or type(request["id"]) in {str, int, float}
        assert answer["id"] == (request["id"] if is_id else None)
        assert answer["error"]["code"] in {-32600, -32601}
