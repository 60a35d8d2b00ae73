"""JSON-RPC 2.0 as its specification has it: requests, notifications, batches, errors."""

from __future__ import annotations

import json

import pytest
from probe import BOB, deployment, stores

from gridbourse.chain.rpc.dispatch import Dispatcher
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.table import Methods
from gridbourse.errors import ChainError, TransactionRejected

VERSION = {"jsonrpc": "2.0", "id": 7, "method": "net_version", "params": []}


@pytest.fixture
def answer(chain):
    limits = Limits(batch_requests=4, answer_bytes=600)
    dispatcher = Dispatcher(Methods(chain, limits), limits)

    def answer(body):
        answered = dispatcher.answer((body if isinstance(body, str) else json.dumps(body)).encode())
        return json.loads(answered) if answered else None

    return answer


def test_an_answer_has_the_id_of_its_request(answer):
    assert answer(VERSION) == {"jsonrpc": "2.0", "id": 7, "result": "2021"}
    assert answer(VERSION | {"id": "a"})["id"] == "a"
    assert answer(VERSION | {"id": None})["id"] is None
    without_params = {key: value for key, value in VERSION.items() if key != "params"}
    assert answer(without_params)["result"] == "2021"


def test_a_notification_has_no_answer(answer):
    notification = {key: value for key, value in VERSION.items() if key != "id"}
    assert answer(notification) is None
    assert answer([notification, notification]) is None
    assert [entry["id"] for entry in answer([notification, VERSION])] == [7]


@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        pytest.param("{", -32700, None, id="no JSON"),
        pytest.param("[" * 100_000, -32700, None, id="too deep"),
        pytest.param("", -32700, None, id="empty"),
        pytest.param([], -32600, None, id="empty batch"),
        pytest.param(7, -32600, None, id="a number"),
        pytest.param(VERSION | {"id": {}}, -32600, None, id="an object as id"),
        pytest.param(VERSION | {"jsonrpc": "1.0"}, -32600, 7, id="another version"),
        pytest.param(VERSION | {"method": 3}, -32600, 7, id="a number as method"),
        pytest.param(VERSION | {"method": "eth_mine"}, -32601, 7, id="an unknown method"),
        pytest.param(VERSION | {"method": "__class__"}, -32601, 7, id="not everything is a method"),
        pytest.param(VERSION | {"params": {"a": 1}}, -32602, 7, id="named parameters"),
        pytest.param(VERSION | {"params": [1]}, -32602, 7, id="too many parameters"),
        pytest.param(VERSION | {"method": "eth_getCode"}, -32602, 7, id="too few parameters"),
        pytest.param(VERSION | {"method": "eth_getCode", "params": ["0x1"]}, -32602, 7, id="a short address"),
        pytest.param(VERSION | {"method": "eth_sendRawTransaction"}, -32602, 7, id="nothing to send"),
        pytest.param(VERSION | {"method": "eth_sendRawTransaction", "params": [1]}, -32602, 7, id="a number to send"),
        pytest.param([VERSION] * 5, -32005, None, id="a batch that is too long"),
    ],
)
def test_a_fault_has_its_code(answer, body, code, request_id):
    answered = answer(body)
    assert (answered["id"], answered["error"]["code"]) == (request_id, code)
    assert answered["error"]["message"]


def test_a_batch_answers_each_request_and_only_the_faulty_ones_fail(answer):
    answers = answer([VERSION, 1, VERSION | {"id": 8, "method": "nothing"}, VERSION | {"id": 9}])
    assert [(entry["id"], entry.get("result")) for entry in answers] == [
        (7, "2021"),
        (None, None),
        (8, None),
        (9, "2021"),
    ]


def test_a_batch_is_cut_off_where_its_answer_becomes_too_long(answer):
    block = VERSION | {"method": "eth_getBlockByNumber", "params": ["0x0", False]}
    first, *others = answer([block] * 3)
    assert first["result"]["number"] == "0x0"
    assert [entry["error"]["code"] for entry in others] == [-32005, -32005]


def test_what_the_chain_cannot_take_now_is_told_for_each_transaction(answer, chain, monkeypatch):
    taken = chain.send

    def take_one(raws):
        if len(raws) > 1 and not chain.head().height:
            raise TransactionRejected("one at a time")
        if chain.head().height:
            raise ChainError("too many wait")
        return taken(raws)

    monkeypatch.setattr(chain, "send", take_one)
    send = VERSION | {"method": "eth_sendRawTransaction"}
    answers = answer([send | {"params": ["0x" + raw.hex()]} for raw in (deployment(), *stores(BOB.address, 1, 2))])
    assert [entry.get("error", {}).get("code", 0) for entry in answers] == [0, -32603, -32603]


def test_a_fault_of_our_own_tells_no_secrets(answer, chain, monkeypatch):
    monkeypatch.setattr(chain, "head", lambda: 1 / 0)
    error = answer(VERSION | {"method": "eth_blockNumber"})["error"]
    assert (error["code"], "ZeroDivision" in error["message"]) == (-32603, False)


@pytest.mark.parametrize("text", ["0x", "0x00", "0x0400", "ff", "0xg", "0X1", "", "0x1" + "0" * 64, 5, None, True])
def test_a_quantity_that_is_none_is_refused(answer, text):
    error = answer(VERSION | {"method": "eth_getBlockByNumber", "params": [text, False]})["error"]
    assert error["code"] == -32602
