"""The execution-apis specification: every result validates against its schema, and the docs say what we do for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from probe import ALICE, BOB, BYTECODE, call_data, signed, stores
from shared_data import shared_file
from specification import Specification

from gridbourse.chain.cometbft.methods import MISBEHAVIOURS, NODE, VALIDATORS
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.table import Methods
from gridbourse.chain.rpc.subscriptions import Subscriptions

DOCS = Path(__file__).parents[3] / "docs" / "json-rpc.md"
ROW = re.compile(r"^\| `(?P<method>\w+)` \| (?P<offered>yes|no) \| .+ \|$", re.MULTILINE)
UNKNOWN = "0x" + "77" * 32


def hexed(value):
    return "0x" + value.hex()


@pytest.fixture(scope="module")
def specification():
    return Specification(shared_file("execution-apis.tar.xz"))


@pytest.fixture
def documented():
    rows = {row["method"]: row["offered"] == "yes" for row in ROW.finditer(DOCS.read_text("utf-8"))}
    assert len(rows) > 50
    return rows


@pytest.fixture
def methods(chain):
    return Methods(chain, Limits())


@pytest.fixture
def asked(caller, chain, probe):
    """Parameters of every method, of each kind that its result may have."""
    to, sender = hexed(probe), hexed(BOB.address)
    created, stored = (hexed(chain.block(height).receipts[0].transaction_hash) for height in (1, 2))
    [refused, _] = (hexed(receipt.transaction_hash) for receipt in chain.block(3).receipts)
    second, genesis = hexed(chain.header(2).hash), hexed(chain.header(0).hash)
    call = {"from": sender, "to": to, "data": hexed(call_data("store(uint256,uint256)", 1, 2))}
    events, blocks = caller.ask("eth_newFilter", {"fromBlock": "0x1"}), caller.ask("eth_newBlockFilter")
    chain.submit(stores(probe, 5, 2))
    rich = {sender: {"balance": "0x64"}}
    simulated = [
        {"calls": [call, {**call, "data": "0x"}, {**call, "data": hexed(call_data("spin()")), "gas": "0x186a0"}]},
        {
            "stateOverrides": rich,
            "blockOverrides": {"number": "0x9"},
            "calls": [{"from": sender, "to": to, "value": "0x1"}],
        },
        {"calls": [{"from": sender, "to": hexed(ALICE.address), "value": "0x1"}, {"data": hexed(BYTECODE)}]},
    ]
    transfers = {"traceTransfers": True, "returnFullTransactions": True}
    numbers, hashes = ["0x0", "0x1", "0x2", "0x3", "0x99"], [second, genesis, UNKNOWN]
    return {
        "debug_getBadBlocks": [[]],
        "debug_getRawHeader": [["0x0"], ["0x1"], ["latest"]],
        "debug_getRawTransaction": [[created], [UNKNOWN]],
        "debug_traceBlockByHash": [[second], [second, {"tracer": "callTracer"}]],
        "debug_traceBlockByNumber": [["0x3"], ["latest", {"tracer": "prestateTracer"}]],
        "debug_traceTransaction": [[created], [refused], [stored, {"enableMemory": True, "enableReturnData": True}]],
        "eth_accounts": [[]],
        "eth_baseFee": [[]],
        "eth_blobBaseFee": [[]],
        "eth_blockNumber": [[]],
        "eth_call": [[{**call, "data": hexed(call_data("values(uint256)", 1))}], [{"data": hexed(BYTECODE)}]],
        "eth_capabilities": [[]],
        "eth_chainId": [[]],
        "eth_coinbase": [[]],
        "eth_createAccessList": [[call], [{"data": hexed(BYTECODE)}], [{**call, "data": "0x"}]],
        "eth_simulateV1": [[{"blockStateCalls": simulated}, "latest"], [{**transfers, "blockStateCalls": simulated}]],
        "eth_estimateGas": [[call], [{"data": hexed(BYTECODE)}]],
        "eth_feeHistory": [["0x4", "latest", [10, 90]], ["0x400", "0x1", []], ["0x0", "0x1", []]],
        "eth_fillTransaction": [[call], [{"from": sender, "data": hexed(BYTECODE)}]],
        "eth_gasPrice": [[]],
        "eth_getBalance": [[to], [sender, "latest"]],
        "eth_getBlockByHash": [[block, full] for block in hashes for full in (False, True)],
        "eth_getBlockByNumber": [[block, full] for block in [*numbers, "latest"] for full in (False, True)],
        "eth_getBlockReceipts": [[block] for block in [*numbers, *hashes, "latest"]],
        "eth_getBlockTransactionCountByHash": [[block] for block in hashes],
        "eth_getBlockTransactionCountByNumber": [[block] for block in numbers],
        "eth_getCode": [[to, "latest"], [sender]],
        "eth_getFilterChanges": [[events], [blocks]],
        "eth_getFilterLogs": [[events]],
        "eth_getLogs": [[{"fromBlock": "0x1"}], [{"blockHash": second}]],
        "eth_getProof": [[to, ["0x1", "0x" + "0" * 64]], [hexed(bytes(20)), []]],
        "eth_getStorageAt": [[to, "0x1"], [sender, "0x" + "0" * 64, "latest"]],
        "eth_getStorageValues": [[{to: ["0x0", "0x1"], sender: []}]],
        "eth_getTransactionByBlockHashAndIndex": [[second, "0x0"], [second, "0x9"], [UNKNOWN, "0x0"]],
        "eth_getTransactionByBlockNumberAndIndex": [["0x1", "0x0"], ["0x2", "0x9"], ["0x99", "0x0"]],
        "eth_getTransactionByHash": [[created], [stored], [refused], [UNKNOWN]],
        "eth_getTransactionCount": [[hexed(ALICE.address)], [sender, "pending"]],
        "eth_getTransactionReceipt": [[created], [stored], [refused], [UNKNOWN]],
        "eth_maxPriorityFeePerGas": [[]],
        "eth_newBlockFilter": [[]],
        "eth_newFilter": [[{"fromBlock": "0x1", "toBlock": "0x2", "address": to, "topics": [None]}]],
        "eth_sendRawTransaction": [[hexed(signed(BOB, 1, probe, call_data("spin()")))]],
        "eth_syncing": [[]],
        "eth_uninstallFilter": [[events], [blocks], ["0x1"]],
        "net_version": [[]],
    }


def test_every_result_validates_against_its_schema(caller, specification, methods, asked):
    assert asked.keys() == specification.methods & methods.table().keys()
    for method, calls in asked.items():
        for params in calls:
            assert specification.faults(method, caller.ask(method, *params)) == [], (method, params)


def test_the_docs_name_every_method_of_the_specification(specification, documented):
    assert specification.methods <= documented.keys()


def test_the_docs_say_of_every_method_whether_it_is_offered(chain, methods, documented):
    ours = methods.table() | Subscriptions(chain, methods, Limits()).table()
    offered = {method for method, is_offered in documented.items() if is_offered}
    assert offered == ours.keys() | {MISBEHAVIOURS, NODE, VALIDATORS}
