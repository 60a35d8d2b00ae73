"""The same transactions and questions on a chain of ours and on anvil: the same answers, where both mean the same.

Each transaction is a block of its own on both. What names a block by its hash differs, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep

import httpx
import pytest
from conformance.engines import Process, free_port
from foundry import program
from probe import ALICE, BOB, BYTECODE, CHAIN_ID, GENESIS, NOON, SEALER, call_data, deployment, signed, store, word

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.crypto.keys import Address, keccak256

PROBE = Address(bytes.fromhex("adc6cb7c63533a709d15bcb95d10b8358a31c46f"))
"""What Bob creates first."""
RAWS = [
    deployment(BOB),
    signed(BOB, 1, PROBE, store(1, 2)),
    signed(BOB, 2, PROBE, call_data("refuse()")),
    signed(BOB, 3, PROBE, store(1, 3)),
    signed(BOB, 4, PROBE, call_data("anonymousEvent(uint256)", 9)),
    signed(BOB, 5, PROBE, call_data("makeChild()"), gas_limit=500_000),
    signed(BOB, 6, PROBE, call_data("spin()"), gas_limit=60_000),
    signed(ALICE, 0, BOB.address),
]
HASHES = ["0x" + keccak256(raw).hex() for raw in RAWS]
STORED = "0x" + keccak256(b"Stored(uint256,address,uint256)").hex()
OTHERWISE = {"blockHash", "blockTimestamp", "logsBloom", "blobGasPrice", "blobGasUsed", "timestamp"}
"""What depends on how a block is hashed, on the clock, or on blobs, which only anvil has."""


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def comparable(value):
    """A result without what cannot be the same."""
    if isinstance(value, list):
        return [comparable(entry) for entry in value]
    if isinstance(value, dict):
        return {name: comparable(entry) for name, entry in value.items() if name not in OTHERWISE}
    return value


class Node:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    def post(self, method, *params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self._http.post("/", json=request).json()

    def ask(self, method, *params):
        answer = self.post(method, *params)
        assert "error" not in answer, answer
        return comparable(answer["result"])

    def refusal(self, method, *params):
        error = self.post(method, *params)["error"]
        return error["code"], error["message"], error.get("data")


@pytest.fixture(scope="module")
def anvil() -> Iterator[Node]:
    port = free_port()
    options = [
        "--gas-price",
        "0",
        "--base-fee",
        "0",
        "--hardfork",
        "prague",
        "--steps-tracing",
        "--accounts",
        "0",
        "--quiet",
    ]
    process = Process([str(program("anvil")), "--port", str(port), "--chain-id", str(CHAIN_ID), *options], port)
    process.start()
    node = Node(f"http://127.0.0.1:{port}")
    for raw in RAWS:
        sent = node.ask("eth_sendRawTransaction", hexed(raw))
        while node.ask("eth_getTransactionReceipt", sent) is None:
            sleep(0.01)  # else the next one may come into the same block
    yield node
    process.kill()


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Iterator[Node]:
    path = tmp_path_factory.mktemp("chain") / "main.chain"
    with EmbeddedChain(path, GENESIS, SEALER, clock=lambda: NOON) as chain, RpcServer(chain, port=0) as server:
        for raw in RAWS:
            chain.submit([raw])
        yield Node(server.url)


TO, FROM = hexed(PROBE), hexed(BOB.address)
CALL = {"from": FROM, "to": TO}
SAME = [
    ("eth_chainId",),
    ("net_version",),
    ("eth_blockNumber",),
    ("eth_syncing",),
    ("eth_getBalance", FROM, "latest"),
    ("eth_getTransactionCount", FROM, "latest"),
    ("eth_getTransactionCount", FROM, "pending"),
    ("eth_getCode", TO, "latest"),
    ("eth_getCode", FROM, "latest"),
    ("eth_getStorageAt", TO, "0x1", "latest"),
    ("eth_getStorageAt", TO, hexed(keccak256(word(1) + word(0))), "latest"),
    ("eth_getTransactionByHash", hexed(bytes(32))),
    ("eth_getTransactionReceipt", hexed(bytes(32))),
    ("eth_getBlockByNumber", "0x99", False),
    ("eth_getBlockByHash", hexed(bytes(32)), False),
    ("eth_getBlockTransactionCountByNumber", "0x1"),
    ("eth_getUncleCountByBlockNumber", "0x1"),
    ("eth_call", {**CALL, "data": hexed(call_data("values(uint256)", 1))}, "latest"),
    ("eth_call", {**CALL, "input": hexed(call_data("divide(uint256,uint256)", 7, 2))}, "latest"),
    ("eth_call", {"from": FROM, "data": hexed(BYTECODE)}, "latest"),
    ("eth_call", {"from": FROM, "to": hexed(ALICE.address), "data": "0x1234"}, "latest"),
    ("eth_getLogs", {"fromBlock": "0x1"}),
    ("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x2", "address": TO}),
    ("eth_getLogs", {"fromBlock": "earliest", "address": [TO, FROM], "topics": [STORED]}),
    ("eth_getLogs", {"fromBlock": "0x1", "topics": [[STORED, hexed(word(1))], hexed(word(1))]}),
    ("eth_getLogs", {"fromBlock": "0x1", "topics": [None, hexed(word(9))]}),
    ("eth_getLogs", {}),
]


@pytest.mark.parametrize("question", SAME, ids=lambda question: " ".join(map(str, question))[:100])
def test_the_same_question_has_the_same_answer(ours, anvil, question):
    assert ours.ask(*question) == anvil.ask(*question)


@pytest.mark.parametrize("tx_hash", HASHES)
def test_transactions_and_receipts_are_the_same(ours, anvil, tx_hash):
    for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"):
        found, expected = ours.ask(method, tx_hash), anvil.ask(method, tx_hash)
        assert found == ({name: expected[name] for name in found} if isinstance(found, dict) else expected)


@pytest.mark.parametrize("height", range(1, len(RAWS) + 1))
def test_blocks_hold_the_same(ours, anvil, height):
    for full in (False, True):
        found, expected = (node.ask("eth_getBlockByNumber", hex(height), full) for node in (ours, anvil))
        for name in ("number", "transactions", "gasUsed", "difficulty", "nonce", "uncles", "sha3Uncles", "extraData"):
            assert found[name] == expected[name], name
        assert found.keys() <= expected.keys()
    receipts = [node.ask("eth_getBlockReceipts", hex(height)) for node in (ours, anvil)]
    assert receipts[0] == [{name: entry[name] for name in receipts[0][0]} for entry in receipts[1]]


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [("refuse()", ()), ("refuseWith(uint256)", (5,)), ("divide(uint256,uint256)", (1, 0))],
)
def test_refusals_have_the_same_code_and_data(ours, anvil, signature, arguments):
    call = {**CALL, "data": hexed(call_data(signature, *arguments))}
    for method in ("eth_call", "eth_estimateGas"):
        found, expected = ours.refusal(method, call, "latest"), anvil.refusal(method, call, "latest")
        assert (found[0], found[2]) == (expected[0], expected[2])
        assert found[1].startswith("execution reverted")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBlockByNumber", ["latest", "yes"]),
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_getBalance", [FROM, "newest"]),
        ("eth_getStorageAt", [TO, "0xzz", "latest"]),
        ("eth_getLogs", [{"topics": ["0x12"]}]),
        ("eth_sendRawTransaction", ["0x0"]),
        ("eth_call", []),
    ],
)
def test_what_is_malformed_is_wrong_parameters(ours, anvil, method, params):
    assert ours.refusal(method, *params)[0] == anvil.refusal(method, *params)[0] == -32602


@pytest.mark.parametrize("raw", [RAWS[0], signed(BOB, 7, PROBE, gas_limit=20_000)], ids=["a used nonce", "little gas"])
def test_transactions_are_turned_away_with_the_same_words(ours, anvil, raw):
    found, expected = (
        ours.refusal("eth_sendRawTransaction", hexed(raw)),
        anvil.refusal("eth_sendRawTransaction", hexed(raw)),
    )
    assert found[1].lower().partition(":")[0] in {"nonce too low", "intrinsic gas too low"}
    assert found[1].lower()[:9] == expected[1].lower()[:9]


def traced(node, *question):
    """A trace without what anvil tells otherwise than geth: the first call's gas, empty accounts, how gas ran out."""
    found = node.ask(*question)
    if "calls" in found or "type" in found:
        found.pop("gas")
        found["error"] = str(found.get("error")).partition(":")[0]
        return found
    accounts = [found[name] for name in ("pre", "post")] if "pre" in found else [found]
    for state in accounts:
        nobody = [address for address, shown in state.items() if shown.keys() <= {"balance", "storage"}]
        for address in nobody if state is not found.get("post") else ():
            del state[address]
    return found


class TestTraces:
    @pytest.mark.parametrize("tx_hash", HASHES)
    @pytest.mark.parametrize(
        "config",
        [
            {"tracer": "callTracer", "tracerConfig": {"withLog": True}},
            {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}},
            {"tracer": "prestateTracer"},
            {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}},
            {
                "tracer": "prestateTracer",
                "tracerConfig": {"diffMode": True, "disableCode": True, "disableStorage": True},
            },
        ],
        ids=str,
    )
    def test_a_transaction_did_the_same(self, ours, anvil, tx_hash, config):
        question = ("debug_traceTransaction", tx_hash, config)
        assert traced(ours, *question) == traced(anvil, *question)

    @pytest.mark.parametrize("tx_hash", HASHES)
    def test_it_took_the_same_steps(self, ours, anvil, tx_hash):
        found, expected = (node.ask("debug_traceTransaction", tx_hash) for node in (ours, anvil))
        assert [found[name] for name in ("gas", "failed", "returnValue")] == [
            expected[name] for name in ("gas", "failed", "returnValue")
        ]
        for mine, theirs in zip(found["structLogs"], expected["structLogs"], strict=True):
            # What a write that fails would have written geth shows, and anvil what is there.
            names = ["pc", "op", "gas", "gasCost", "depth", "stack", *([] if "error" in mine else ["storage"])]
            assert {name: mine.get(name) for name in names} == {name: theirs.get(name) for name in names}

    def test_a_block_did_the_same(self, ours, anvil):
        config = {"tracer": "callTracer"}
        found, expected = (node.ask("debug_traceBlockByNumber", "0x2", config) for node in (ours, anvil))
        assert [entry["txHash"] for entry in found] == [entry["txHash"] for entry in expected]
        assert found[0]["result"]["input"] == expected[0]["result"]["input"]

    def test_a_call_would_do_the_same(self, ours, anvil):
        call = {**CALL, "gas": "0x30d40", "data": hexed(call_data("makeChild()"))}
        question = ("debug_traceCall", call, "latest", {"tracer": "callTracer", "tracerConfig": {"withLog": True}})
        assert traced(ours, *question) == traced(anvil, *question)


class TestSuppositions:
    CALLS = (
        {**CALL, "data": hexed(store(1, 9))},
        {**CALL, "data": hexed(call_data("makeChild()"))},
        {"from": FROM, "data": hexed(BYTECODE)},
        {"from": FROM, "to": hexed(ALICE.address)},
    )
    OVERRIDES = (
        {TO: {"code": "0x3360005260206000f3"}},
        {TO: {"stateDiff": {hexed(keccak256(word(1) + word(0))): hexed(word(77))}}},
        {TO: {"state": {}}},
        {FROM: {"balance": "0x64"}},
    )

    @pytest.mark.parametrize("call", CALLS, ids=str)
    def test_a_call_accesses_the_same(self, ours, anvil, call):
        def found(node):
            result = node.ask("eth_createAccessList", {**call, "gas": "0xf4240"}, "latest")
            items = {entry["address"]: set(entry["storageKeys"]) for entry in result["accessList"]}
            return items, result["gasUsed"], "error" in result

        assert found(ours) == found(anvil)

    @pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
    def test_a_supposed_state_answers_the_same(self, ours, anvil, overrides):
        for call in (
            {**CALL, "data": hexed(call_data("values(uint256)", 1))},
            {"from": FROM, "to": hexed(ALICE.address), "value": "0x1"},
        ):
            found, expected = (node.post("eth_call", call, "latest", overrides) for node in (ours, anvil))
            assert found.get("result") == expected.get("result")
            assert ("error" in found) == ("error" in expected)

    def test_a_supposed_block_is_seen(self, ours, anvil):
        code = "0x4360005242602052456040524860605241608052" + "60a06000f3"
        block = {
            "number": "0x99",
            "time": "0x77777777",
            "gasLimit": "0x5f5e100",
            "feeRecipient": FROM,
            "baseFeePerGas": "0x7",
        }
        question = ("eth_call", {"from": FROM, "to": TO, "gas": "0xf4240"}, "latest", {TO: {"code": code}}, block)
        assert ours.ask(*question) == anvil.ask(*question)

    def test_calls_build_on_each_other(self, ours, anvil):
        values = {**CALL, "data": hexed(call_data("values(uint256)", 1))}
        payload = {
            "blockStateCalls": [
                {"calls": [{**CALL, "data": hexed(store(1, 5))}, values]},
                {
                    "stateOverrides": {FROM: {"balance": "0x64"}},
                    "calls": [values, {**CALL, "data": hexed(call_data("refuse()"))}],
                },
                {"calls": [{"from": FROM, "to": hexed(ALICE.address), "value": "0x3"}, values]},
            ],
            "traceTransfers": True,
        }

        def found(node):
            names = ("status", "returnData", "gasUsed")
            logs = ("address", "topics", "data", "logIndex")
            return [
                [
                    [call[name] for name in names] + [[[log[name] for name in logs] for log in call["logs"]]]
                    for call in block["calls"]
                ]
                for block in node.ask("eth_simulateV1", payload, "latest")
            ]

        assert found(ours) == found(anvil)
