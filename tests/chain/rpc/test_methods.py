"""What the methods answer over a chain of three blocks."""

from __future__ import annotations

import re
from threading import Thread

import pytest
from caller import Caller
from probe import (
    ALICE,
    BOB,
    BYTECODE,
    CHAIN_ID,
    GENESIS,
    NOON,
    SEALER,
    call_data,
    deployment,
    signed,
    store,
    stores,
    word,
)

from gridbourse._native import verify_proof
from gridbourse.chain import rlp
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.crypto.keys import keccak256

UNKNOWN = "0x" + "77" * 32
STORED = "0x" + keccak256(b"Stored(uint256,address,uint256)").hex()


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


class TestNode:
    def test_it_says_which_chain_it_serves(self, caller):
        assert caller.ask("eth_chainId") == hex(CHAIN_ID)
        assert caller.ask("net_version") == str(CHAIN_ID)
        assert caller.ask("web3_clientVersion").startswith("gridbourse/")
        assert caller.ask("eth_blockNumber") == "0x3"
        assert (caller.ask("eth_syncing"), caller.ask("eth_accounts")) == (False, [])
        assert caller.ask("eth_coinbase") == hexed(SEALER.address)
        assert caller.ask("web3_sha3", "0x68656c6c6f20776f726c64") == hexed(keccak256(b"hello world"))

    def test_gas_costs_nothing(self, caller):
        assert caller.ask("eth_gasPrice") == caller.ask("eth_maxPriorityFeePerGas") == "0x0"
        history = caller.ask("eth_feeHistory", "0x2", "latest", [25, 75])
        assert (history["oldestBlock"], history["baseFeePerGas"]) == ("0x2", ["0x0"] * 3)
        assert history["reward"] == [["0x0", "0x0"]] * 2
        assert len(history["gasUsedRatio"]) == 2
        assert all(0 < ratio < 1 for ratio in history["gasUsedRatio"])
        assert caller.ask("eth_feeHistory", "0x400", "0x1")["oldestBlock"] == "0x0"
        assert caller.error("eth_feeHistory", -1, "latest")[0] == -32602


class TestBlocks:
    def test_a_block_is_shown_by_number_and_by_hash(self, caller, chain):
        block, header = caller.ask("eth_getBlockByNumber", "0x2", False), chain.header(2)
        assert block == caller.ask("eth_getBlockByHash", hexed(header.hash), False)
        assert (block["number"], block["hash"], block["parentHash"]) == (
            "0x2",
            hexed(header.hash),
            hexed(chain.header(1).hash),
        )
        assert (block["timestamp"], block["miner"]) == (hex(NOON), hexed(SEALER.address))
        assert (block["gasUsed"], block["gasLimit"]) == (hex(header.gas_used), hex(header.gas_limit))
        assert block["transactions"] == [hexed(receipt.transaction_hash) for receipt in chain.block(2).receipts]

    def test_whole_transactions_are_shown_on_request(self, caller, chain, probe):
        [first, *_] = caller.ask("eth_getBlockByNumber", "0x2", True)["transactions"]
        raw = chain.block(2).transactions[0]
        assert first["hash"] == hexed(keccak256(raw))
        assert (first["from"], first["to"], first["nonce"]) == (hexed(ALICE.address), hexed(probe), "0x1")
        assert (first["type"], first["chainId"], first["value"]) == ("0x2", hex(CHAIN_ID), "0x0")
        assert first["input"] == hexed(store(1, 2))
        assert first == caller.ask("eth_getTransactionByHash", first["hash"])
        assert first == caller.ask("eth_getTransactionByBlockNumberAndIndex", "0x2", "0x0")
        assert first == caller.ask("eth_getTransactionByBlockHashAndIndex", first["blockHash"], "0x0")
        assert caller.ask("eth_getRawTransactionByHash", first["hash"]) == hexed(raw)

    def test_every_tag_of_a_new_block_is_the_newest_one_because_all_are_final(self, caller):
        newest = caller.ask("eth_getBlockByNumber", "0x3", False)
        for tag in ("latest", "finalized", "safe", "pending"):
            assert caller.ask("eth_getBlockByNumber", tag, False) == newest
        genesis = caller.ask("eth_getBlockByNumber", "earliest", True)
        assert (genesis["hash"], genesis["transactions"]) == (hexed(GENESIS.header.hash), [])

    def test_counts_and_uncles(self, caller, chain):
        assert caller.ask("eth_getBlockTransactionCountByNumber", "0x2") == "0x3"
        assert caller.ask("eth_getBlockTransactionCountByHash", hexed(chain.header(3).hash)) == "0x2"
        assert caller.ask("eth_getBlockTransactionCountByNumber", "earliest") == "0x0"
        assert caller.ask("eth_getUncleCountByBlockNumber", "latest") == "0x0"

    @pytest.mark.parametrize(
        ("method", "params"),
        [
            ("eth_getBlockByNumber", ["0x9", False]),
            ("eth_getBlockByHash", [UNKNOWN, False]),
            ("eth_getBlockReceipts", ["0x9"]),
            ("eth_getTransactionByHash", [UNKNOWN]),
            ("eth_getTransactionReceipt", [UNKNOWN]),
            ("eth_getTransactionByBlockNumberAndIndex", ["0x2", "0x3"]),
            ("eth_getRawTransactionByHash", [UNKNOWN]),
        ],
    )
    def test_what_there_is_not_is_null(self, caller, method, params):
        assert caller.ask(method, *params) is None


class TestReceipts:
    def test_a_receipt_counts_gas_and_events_through_its_block(self, caller, chain, probe):
        receipts = caller.ask("eth_getBlockReceipts", "0x2")
        assert receipts == [caller.ask("eth_getTransactionReceipt", receipt["transactionHash"]) for receipt in receipts]
        assert receipts == caller.ask("eth_getBlockReceipts", hexed(chain.header(2).hash))
        gas = [int(receipt["gasUsed"], 16) for receipt in receipts]
        assert [int(receipt["cumulativeGasUsed"], 16) for receipt in receipts] == [gas[0], sum(gas[:2]), sum(gas)]
        logs = [log for receipt in receipts for log in receipt["logs"]]
        assert [log["logIndex"] for log in logs] == ["0x0", "0x1", "0x2"]
        assert [log["transactionIndex"] for log in logs] == ["0x0", "0x1", "0x2"]
        assert logs == caller.ask("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x2"})
        assert {receipt["status"] for receipt in receipts} == {"0x1"}
        assert {receipt["effectiveGasPrice"] for receipt in receipts} == {"0x0"}
        assert (receipts[0]["from"], receipts[0]["to"]) == (hexed(ALICE.address), hexed(probe))

    def test_a_creation_names_its_contract(self, caller, probe):
        [receipt] = caller.ask("eth_getBlockReceipts", "0x1")
        assert (receipt["contractAddress"], receipt["to"]) == (hexed(probe), None)

    def test_a_refused_call_keeps_the_contracts_words(self, caller):
        refused, stored = caller.ask("eth_getBlockReceipts", "0x3")
        assert (refused["status"], refused["logs"]) == ("0x0", [])
        why = caller.ask("gridbourse_getFailure", refused["transactionHash"])
        assert b"not today" in bytes.fromhex(why["revertData"][2:])
        assert why["halt"] == ""
        assert caller.ask("gridbourse_getFailure", stored["transactionHash"]) is None
        assert caller.ask("gridbourse_getFailure", UNKNOWN) is None


class TestEvents:
    def logs(self, caller, **criteria):
        found = caller.ask("eth_getLogs", {"fromBlock": "earliest", **criteria})
        return [int(log["topics"][1], 16) for log in found]

    def test_events_are_found_by_address_topics_and_blocks(self, caller, chain, probe):
        assert self.logs(caller) == [1, 2, 3, 4]
        assert self.logs(caller, address=hexed(probe)) == [1, 2, 3, 4]
        assert self.logs(caller, address=[hexed(probe), hexed(BOB.address)]) == [1, 2, 3, 4]
        assert self.logs(caller, address=[]) == [1, 2, 3, 4]
        assert self.logs(caller, address=hexed(BOB.address)) == []
        assert self.logs(caller, topics=[STORED, [hexed(word(2)), hexed(word(4))]]) == [2, 4]
        assert self.logs(caller, topics=[None, hexed(word(3))]) == [3]
        assert self.logs(caller, topics=[[]]) == [1, 2, 3, 4]
        assert self.logs(caller, topics=[UNKNOWN]) == []
        assert self.logs(caller, toBlock="0x2") == [1, 2, 3]
        by_hash = caller.ask("eth_getLogs", {"blockHash": hexed(chain.header(3).hash)})
        assert [log["logIndex"] for log in by_hash] == ["0x0"]
        assert caller.ask("eth_getLogs", {}) == by_hash, "the newest block, where none is named"

    @pytest.mark.parametrize(
        ("criteria", "code", "text"),
        [
            ({"fromBlock": "0x3", "toBlock": "0x2"}, -32602, "fromBlock"),
            ({"fromBlock": "0x1", "toBlock": "0x9"}, -32602, "up to the newest, 3"),
            ({"blockHash": UNKNOWN}, -32000, "unknown block"),
            ({"blockHash": UNKNOWN, "fromBlock": "0x1"}, -32602, "one or the other"),
            ({"address": "0x12"}, -32602, "address.*20 bytes"),
            ({"topics": ["0x12"]}, -32602, "topic.*32 bytes"),
            ({"topics": [None] * 5}, -32602, "at most 4"),
            ({"fromBlock": "pending"}, -32602, "pending logs are not supported"),
            ("latest", -32602, "filter"),
        ],
    )
    def test_impossible_criteria_are_refused(self, caller, criteria, code, text):
        found, message = caller.error("eth_getLogs", criteria)
        assert found == code
        assert re.search(text, message)


class TestFilters:
    def test_a_filter_for_events_tells_each_once(self, caller, chain, probe):
        key = caller.ask("eth_newFilter", {"address": hexed(probe), "fromBlock": "earliest"})
        assert caller.ask("eth_getFilterChanges", key) == []
        chain.submit(stores(probe, 5, 2))
        changes = caller.ask("eth_getFilterChanges", key)
        assert [log["data"] for log in changes] == [hexed(word(6)), hexed(word(7))]
        assert caller.ask("eth_getFilterChanges", key) == []
        assert len(caller.ask("eth_getFilterLogs", key)) == 6
        assert caller.ask("eth_uninstallFilter", key) is True
        assert caller.ask("eth_uninstallFilter", key) is False
        assert caller.error("eth_getFilterChanges", key) == (-32000, "filter not found")

    def test_a_filter_for_blocks_tells_each_once(self, caller, chain, probe):
        key = caller.ask("eth_newBlockFilter")
        chain.submit(stores(probe, 5, 1))
        chain.submit(stores(probe, 6, 1))
        assert caller.ask("eth_getFilterChanges", key) == [hexed(chain.header(height).hash) for height in (4, 5)]
        assert caller.ask("eth_getFilterChanges", key) == []
        assert caller.error("eth_getFilterLogs", key)[0] == -32000


class TestState:
    def test_calls_run_on_the_newest_state(self, caller, probe):
        call = {"to": hexed(probe), "data": hexed(call_data("values(uint256)", 3))}
        for block in ("latest", "pending", "finalized", "0x3", {"blockNumber": "0x3"}):
            assert caller.ask("eth_call", call, block) == hexed(word(4))
        assert caller.ask("eth_call", {"to": hexed(probe), "input": call["data"], "data": call["data"]}) == hexed(
            word(4)
        )

    def test_accounts_show_nonce_code_storage_and_no_balance(self, caller, probe):
        assert caller.ask("eth_getTransactionCount", hexed(ALICE.address), "latest") == "0x5"
        assert caller.ask("eth_getTransactionCount", hexed(ALICE.address), "pending") == "0x5"
        assert caller.ask("eth_getBalance", hexed(ALICE.address), "latest") == "0x0"
        assert caller.ask("eth_getCode", hexed(probe), "latest") == hexed(BYTECODE[28:])
        assert caller.ask("eth_getCode", hexed(BOB.address)) == "0x"
        assert caller.ask("eth_getStorageAt", hexed(probe), "0x1", "latest") == hexed(word(4))
        assert caller.ask("eth_getStorageAt", hexed(probe), hexed(word(1))) == hexed(word(4))

    def test_the_states_of_the_last_blocks_can_be_asked(self, caller, chain, probe):
        call = {"to": hexed(probe), "data": hexed(call_data("values(uint256)", 1))}
        assert caller.ask("eth_call", call, "0x1") == hexed(word(0))
        for block in ("0x2", {"blockHash": hexed(chain.header(2).hash)}):
            assert caller.ask("eth_call", call, block) == hexed(word(2))
        counts = [caller.ask("eth_getTransactionCount", hexed(ALICE.address), hex(height)) for height in range(4)]
        assert counts == ["0x0", "0x1", "0x4", "0x5"]
        assert caller.ask("eth_getCode", hexed(probe), "earliest") == "0x"
        assert caller.ask("eth_getStorageAt", hexed(probe), "0x1", "0x2") == hexed(word(3))
        assert caller.ask("eth_getBalance", hexed(probe), "0x1") == "0x0"

    def test_what_an_account_holds_is_proven_by_the_next_header(self, caller, chain, probe):
        slot = keccak256(word(1) + word(0))
        proof = caller.ask("eth_getProof", hexed(probe), ["0x1", hexed(slot), "0x99"], "0x3")
        nobody = caller.ask("eth_getProof", hexed(b"\x55" * 20), [])
        chain.submit(stores(probe, 5, 1))
        root = bytes.fromhex(caller.ask("eth_getBlockByNumber", "0x4", False)["stateRoot"][2:])

        def proven(root, key, nodes):
            return verify_proof(root, keccak256(key), [bytes.fromhex(node[2:]) for node in nodes])

        storage_hash, code_hash = (bytes.fromhex(proof[name][2:]) for name in ("storageHash", "codeHash"))
        assert proven(root, probe, proof["accountProof"]) == rlp.encode([1, 0, storage_hash, code_hash])
        assert code_hash == keccak256(chain.account(probe).code)
        values = [int(entry["value"], 16) for entry in proof["storageProof"]]
        assert values == [4, 2, 0]
        for key, value, entry in zip((word(1), slot, word(0x99)), values, proof["storageProof"], strict=True):
            assert proven(storage_hash, key, entry["proof"]) == (rlp.encode(value) if value else None)
        assert proven(root, b"\x55" * 20, nobody["accountProof"]) is None
        assert (nobody["nonce"], nobody["balance"]) == ("0x0", "0x0")
        assert caller.error("eth_getProof", hexed(probe), [], "0x3")[0] == -32002

    def test_a_state_that_is_not_kept_says_so(self, path, chain, probe):
        chain.close()
        with EmbeddedChain(path, GENESIS, SEALER) as reopened, RpcServer(reopened, port=0) as server:
            caller = Caller(server)
            for method in ("eth_getBalance", "eth_getCode", "eth_getTransactionCount"):
                code, text = caller.error(method, hexed(probe), "0x2")
                assert (code, text) == (-32002, "the state of block 2 is not kept; ask at latest, now block 3")
            traced = hexed(reopened.block(2).receipts[0].transaction_hash)
            assert caller.error("debug_traceTransaction", traced)[0] == -32002

    def test_an_unknown_block_has_no_state(self, caller, probe):
        assert caller.error("eth_getBalance", hexed(probe), "0x9") == (-32000, "header not found")

    def test_a_refusal_is_error_3_with_the_revert_data(self, caller, probe):
        call = {"to": hexed(probe), "data": hexed(call_data("refuse()"))}
        for method in ("eth_call", "eth_estimateGas"):
            error = caller.post(caller.request(method, call))["error"]
            assert (error["code"], error["message"]) == (3, "execution reverted: not today")
            assert error["data"].startswith(hexed(keccak256(b"Error(string)")[:4]))

    def test_an_execution_that_the_evm_stops_is_no_revert(self, caller, probe):
        call = {"to": hexed(probe), "data": hexed(call_data("spin()"))}
        assert caller.error("eth_call", {**call, "gas": "0x186a0"}) == (-32000, "out of gas")
        bound = {**call, "gas": "0x7530"}
        assert caller.error("eth_estimateGas", bound) == (-32000, "gas required exceeds allowance (30000)")

    def test_an_estimate_is_that_of_the_chain(self, caller, chain, probe):
        call = {"from": hexed(BOB.address), "to": hexed(probe), "data": hexed(store(9, 9))}
        assert int(caller.ask("eth_estimateGas", call), 16) == chain.estimate_gas(
            probe, store(9, 9), sender=BOB.address
        )
        assert int(caller.ask("eth_estimateGas", {"data": hexed(BYTECODE)}), 16) > 300_000

    def test_what_a_call_cannot_have_is_refused(self, caller, probe):
        to = hexed(probe)
        code, text = caller.error("eth_call", {"to": to, "value": "0x1"})
        assert (code, text.partition(":")[0]) == (-32000, "insufficient funds for gas * price + value")
        assert caller.error("eth_call", {"to": to, "data": "0x01", "input": "0x02"})[0] == -32602
        both = {to: {"state": {}, "stateDiff": {}}}
        assert caller.error("eth_call", {"to": to}, "latest", both)[0] == -32602
        assert caller.error("eth_call", {"to": to}, "latest", {}, {"blobBaseFee": "0x1"})[0] == -32602


class TestSending:
    def test_a_transaction_is_taken_and_in_a_block(self, caller, chain, probe):
        [raw] = stores(probe, 5, 1)
        assert caller.ask("eth_sendRawTransaction", hexed(raw)) == hexed(keccak256(raw))
        assert caller.ask("eth_getTransactionReceipt", hexed(keccak256(raw)))["blockNumber"] == "0x4"

    def test_a_batch_of_transactions_is_one_block(self, caller, chain, probe):
        raws = stores(probe, 5, 50)
        answers = caller.post([caller.request("eth_sendRawTransaction", hexed(raw)) for raw in raws])
        assert [answer["result"] for answer in answers] == [hexed(keccak256(raw)) for raw in raws]
        assert (chain.head().height, chain.block(4).transactions) == (4, tuple(raws))

    def test_each_transaction_of_a_batch_has_its_own_answer(self, caller, chain, probe):
        good = stores(probe, 5, 6)
        sent = [good[0], good[1], good[1], b"\x02\xc0", good[2], signed(BOB, 7, probe), *good[3:]]
        answers = caller.post([caller.request("eth_sendRawTransaction", hexed(raw)) for raw in sent])
        codes = [answer["error"]["code"] if "error" in answer else 0 for answer in answers]
        assert codes == [0, 0, -32000, -32000, 0, -32000, 0, 0, 0]
        assert chain.next_nonce(ALICE.address) == 11

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (deployment(), "nonce too low"),
            (signed(BOB, 9, ALICE.address), "nonce too high"),
            (signed(BOB, 1, ALICE.address, gas_limit=20_000), "intrinsic gas too low"),
            (signed(BOB, 1, ALICE.address, gas_limit=10**10), "exceeds block gas limit"),
            (signed(BOB, 1, None, bytes(49_153), gas_limit=10**6), "max initcode size exceeded"),
            (signed(BOB, 1, ALICE.address, chain_id=1), "transaction rejected"),
            (signed(BOB, 1, ALICE.address, value=1), "insufficient funds for gas * price + value"),
            (b"\x02\xc0", "malformed transaction"),
            (b"\xf8\x00", "malformed transaction"),
            (b"\x03\xc0", "transaction rejected"),
        ],
    )
    def test_a_refusal_has_the_words_of_its_reason_by_which_tools_go(self, caller, raw, words):
        code, message = caller.error("eth_sendRawTransaction", hexed(raw))
        assert (code, message.partition(":")[0]) == (-32000, words)

    def test_sending_and_waiting_is_one_question(self, caller, probe):
        [raw] = stores(probe, 5, 1)
        receipt = caller.ask("eth_sendRawTransactionSync", hexed(raw))
        assert receipt == caller.ask("eth_getTransactionReceipt", hexed(keccak256(raw)))

    def test_a_wait_that_is_too_short_ends_with_the_hash(self, path):
        with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60) as chain, RpcServer(chain, port=0) as server:
            caller, raw = Caller(server), deployment()
            error = caller.post(caller.request("eth_sendRawTransactionSync", hexed(raw), 20))["error"]
            assert (error["code"], error["data"]) == (4, hexed(keccak256(raw)))
            assert caller.ask("eth_getTransactionCount", hexed(ALICE.address), "pending") == "0x1"
            assert caller.ask("eth_getTransactionCount", hexed(ALICE.address), "latest") == "0x0"

    def test_callers_at_the_same_time_do_not_disturb_each_other(self, server, chain, probe):
        def send(key, first):
            caller = Caller(server)
            for raw in stores(probe, first, 20, key=key):
                caller.ask("eth_sendRawTransaction", hexed(raw))

        threads = [Thread(target=send, args=args) for args in ((ALICE, 5), (BOB, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (chain.next_nonce(ALICE.address), chain.next_nonce(BOB.address)) == (25, 21)
