"""The same transactions and questions on a chain of ours and on anvil: the same answers, where both mean the same.

Each transaction is a block of its own on both. What names a block by its hash differs, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    options = ["--gas-price", "0", "--base-fee", "0", "--hardfork", "cancun", "--accounts", "0", "--quiet"]
    process = Process([str(program("anvil")), "--port", str(port), "--chain-id", str(CHAIN_ID), *options], port)
    process.start()
    node = Node(f"http://127.0.0.1:{port}")
    for raw in RAWS:
        node.ask("eth_sendRawTransaction", hexed(raw))
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
