"""What is falsy is not absent, what is `null` is, and what is out of range is refused: each as its smallest case.

The cases that went wrong once lie in ``../shared/data/cases``; beside each stands its whole kind.
"""

from __future__ import annotations

import json

import pytest
from probe import BOB, call_data, stores
from shared_data import shared_file

from gridbourse.crypto.keys import keccak256

STORED = "0x" + keccak256(b"Stored(uint256,address,uint256)").hex()
FALSY = [0, "", False, [], {}, 0.0]
INVALID_PARAMS = -32602
SERVER_ERROR = -32000


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


@pytest.fixture
def ask_case(caller):
    def ask_case(name):
        response = caller.http.post(
            "/", content=shared_file(f"cases/{name}").read_bytes(), headers={"Content-Type": "application/json"}
        )
        return response.json()

    return ask_case


class TestRecordedCases:
    def test_a_call_without_receiver_runs_init_code_and_returns_the_code_that_it_makes(self, ask_case):
        assert ask_case("rpc-call-without-to.json")["result"] == hexed(bytes(31) + b"\x2a")

    @pytest.mark.parametrize(
        ("name", "field"),
        [
            ("rpc-feehistory-percentiles.json", "rewardPercentiles"),
            ("rpc-getlogs-from-0.json", "fromBlock"),
            ("rpc-getlogs-topics-empty-text.json", "topics"),
        ],
    )
    def test_a_malformed_parameter_is_named(self, ask_case, name, field):
        error = ask_case(name)["error"]
        assert error["code"] == INVALID_PARAMS
        assert error["message"].startswith(field)

    def test_nan_is_no_json(self, ask_case):
        answer = ask_case("rpc-id-nan.json")
        assert (answer["id"], answer["error"]["code"]) == (None, -32700)

    def test_a_filter_keeps_its_range(self, ask_case, caller, chain, probe):
        key = ask_case("rpc-newfilter-range.json")["result"]
        chain.submit(stores(probe, 5, 1))
        assert caller.ask("eth_getFilterChanges", key) == [], "block 4 is behind the range"
        found = caller.ask("eth_getFilterLogs", key)
        assert {log["blockNumber"] for log in found} == {"0x2", "0x3"}


class TestJson:
    @pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "'a'", "9" * 5_000])
    def test_an_id_that_is_no_number_of_json_is_no_json(self, caller, text):
        body = json.dumps(caller.request("eth_chainId") | {"id": 12345}).replace("12345", text)
        answer = caller.http.post("/", content=body, headers={"Content-Type": "application/json"}).json()
        assert (answer["id"], answer["error"]["code"]) == (None, -32700)

    @pytest.mark.parametrize("request_id", [0, "", -1, 1.5, 2**70, "\ud800", None])
    def test_every_other_id_comes_back(self, caller, request_id):
        body = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "eth_chainId"})
        answer = caller.http.post("/", content=body, headers={"Content-Type": "application/json"}).json()
        assert answer == {"jsonrpc": "2.0", "id": request_id, "result": "0x7e5"}

    @pytest.mark.parametrize("request_id", [True, False, [], {}])
    def test_an_id_is_a_text_a_number_or_null(self, caller, request_id):
        answer = caller.post({"jsonrpc": "2.0", "id": request_id, "method": "eth_chainId"})
        assert (answer["id"], answer["error"]["code"]) == (None, -32600)

    @pytest.mark.parametrize("version", [None, 2.0, "2", "", False])
    def test_the_version_is_said(self, caller, version):
        answer = caller.post({"jsonrpc": version, "id": 1, "method": "eth_chainId"})
        assert answer["error"]["code"] == -32600

    @pytest.mark.parametrize(
        "media_type",
        ["application/json", "Application/JSON", "APPLICATION/JSON; charset=UTF-8", "application/json-rpc"],
    )
    def test_media_types_have_no_case(self, caller, media_type):
        body = json.dumps(caller.request("eth_chainId"))
        assert caller.http.post("/", content=body, headers={"Content-Type": media_type}).status_code == 200

    @pytest.mark.parametrize("media_type", ["text/plain", "application/jsonx", "", "application/x-www-form-urlencoded"])
    def test_what_a_page_may_send_unasked_is_refused(self, caller, media_type):
        body = json.dumps(caller.request("eth_chainId"))
        assert caller.http.post("/", content=body, headers={"Content-Type": media_type}).status_code == 415


class TestNull:
    def test_null_is_the_same_as_leaving_out(self, caller, chain, probe):
        to, value = hexed(probe), hexed(call_data("values(uint256)", 3))
        nothing = dict.fromkeys(("from", "gas", "gasPrice", "value", "data", "nonce", "chainId", "accessList", "type"))
        assert caller.ask("eth_call", {**nothing, "to": to, "input": value}, None) == "0x" + "0" * 63 + "4"
        assert caller.ask("eth_getBalance", to, None) == "0x0"
        assert caller.ask("eth_getBlockByNumber", "0x2", None) == caller.ask("eth_getBlockByNumber", "0x2", False)
        none = dict.fromkeys(("blockHash", "address", "topics", "toBlock"))
        assert len(caller.ask("eth_getLogs", {**none, "fromBlock": "0x1"})) == 4
        assert len(caller.ask("eth_getLogs", {"fromBlock": "0x1", "topics": [STORED, None, None]})) == 4
        only_hash = {"blockHash": hexed(chain.header(3).hash), "fromBlock": None, "toBlock": None}
        assert len(caller.ask("eth_getLogs", only_hash)) == 1
        assert caller.ask("eth_getCode", to, {"blockHash": None, "blockNumber": "0x3"}) == caller.ask("eth_getCode", to)
        assert "reward" not in caller.ask("eth_feeHistory", "0x1", "latest", None)
        assert caller.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": None})["result"] == "0x7e5"

    @pytest.mark.parametrize(
        ("method", "params"),
        [
            ("eth_getBlockByNumber", [None, False]),
            ("eth_getBalance", [None]),
            ("eth_call", []),
            ("eth_getLogs", [None]),
            ("eth_sendRawTransaction", [None]),
            ("web3_sha3", [None]),
        ],
    )
    def test_what_is_needed_is_missing_if_it_is_null(self, caller, method, params):
        code, text = caller.error(method, *params)
        assert code == INVALID_PARAMS
        assert method == "eth_sendRawTransaction" or text == "missing value for required argument 0"


class TestFalsyIsNotAbsent:
    @pytest.mark.parametrize("field", ["fromBlock", "toBlock", "blockHash", "address", "topics"])
    @pytest.mark.parametrize("value", FALSY, ids=repr)
    def test_in_a_filter(self, caller, field, value):
        if value == [] and field in {"address", "topics"}:
            assert caller.ask("eth_getLogs", {field: value, "fromBlock": "0x1"}), "an empty list accepts anything"
            return
        for method in ("eth_getLogs", "eth_newFilter"):
            assert caller.error(method, {field: value})[0] == INVALID_PARAMS

    @pytest.mark.parametrize("value", ["", 0, False, {}, [0], [""], [[""]], [False], [{}], "0x", STORED], ids=repr)
    def test_in_topics(self, caller, value):
        assert caller.error("eth_getLogs", {"fromBlock": "0x0", "topics": value})[0] == INVALID_PARAMS

    @pytest.mark.parametrize("field", ["to", "from", "gas", "gasPrice", "maxFeePerGas", "value", "data", "input"])
    @pytest.mark.parametrize("value", FALSY, ids=repr)
    def test_in_a_call(self, caller, probe, field, value):
        call = {"to": hexed(probe), "data": hexed(call_data("values(uint256)", 3)), field: value}
        for method in ("eth_call", "eth_estimateGas", "eth_fillTransaction"):
            assert caller.error(method, call)[0] == INVALID_PARAMS

    @pytest.mark.parametrize("block", FALSY, ids=repr)
    def test_as_a_block(self, caller, probe, block):
        for method in ("eth_getBalance", "eth_getCode", "eth_getTransactionCount"):
            assert caller.error(method, hexed(probe), block)[0] == INVALID_PARAMS
        assert caller.error("eth_getBlockByNumber", block, False)[0] == INVALID_PARAMS
        assert caller.error("eth_getBlockReceipts", block)[0] == INVALID_PARAMS

    @pytest.mark.parametrize("value", [0, "", [], {}, "false"], ids=repr)
    def test_as_a_flag(self, caller, value):
        assert caller.error("eth_getBlockByNumber", "0x1", value)[0] == INVALID_PARAMS

    @pytest.mark.parametrize("key", [0, "", False, [], {}, "0x"], ids=repr)
    def test_as_the_id_of_a_filter(self, caller, key):
        for method in ("eth_getFilterChanges", "eth_getFilterLogs", "eth_uninstallFilter"):
            assert caller.error(method, key)[0] == INVALID_PARAMS

    def test_no_gas_is_little_gas(self, caller, probe):
        """A call with gas 0 cannot begin; an estimate is bounded only by what could be enough, as in geth."""
        call = {"to": hexed(probe), "data": hexed(call_data("values(uint256)", 3))}
        code, text = caller.error("eth_call", {**call, "gas": "0x0"})
        assert (code, text.startswith("intrinsic gas too low")) == (SERVER_ERROR, True)
        assert caller.ask("eth_estimateGas", {**call, "gas": "0x0"}) == caller.ask("eth_estimateGas", call)


class TestRanges:
    @pytest.mark.parametrize(
        "percentiles",
        [
            [-1], [100.1], [150, -1, 75, 25, "abc", None], [50, 50], [75, 25], ["50"], [None], [True], [[50]], {}, "",
            0, [1e308, 1], list(range(101)),
        ],
        ids=repr,
    )  # fmt: skip
    def test_percentiles_rise_from_0_to_100(self, caller, percentiles):
        assert caller.error("eth_feeHistory", "0x1", "latest", percentiles)[0] == INVALID_PARAMS

    def test_percentiles_within_bounds_are_taken(self, caller):
        assert caller.ask("eth_feeHistory", "0x1", "latest", [0, 0.5, 99, 100])["reward"] == [["0x0"] * 4]
        assert caller.ask("eth_feeHistory", 2, "latest", [])["gasUsedRatio"]
        assert caller.ask("eth_feeHistory", "0x0", "latest", [])["gasUsedRatio"] == []

    @pytest.mark.parametrize("count", [-1, "-1", True, 1.0, "", "abc", [], {}, 2**64], ids=repr)
    def test_a_number_of_blocks_is_whole_and_no_less_than_none(self, caller, count):
        assert caller.error("eth_feeHistory", count, "latest", [])[0] == INVALID_PARAMS

    def test_the_history_of_blocks_to_come_is_refused(self, caller):
        text = "request beyond head block: requested 9, head 3"
        assert caller.error("eth_feeHistory", "0x1", "0x9", []) == (SERVER_ERROR, text)

    @pytest.mark.parametrize("index", [0, "", "0x00", -1, "0x" + "f" * 17, None], ids=repr)
    def test_an_index_is_a_quantity(self, caller, index):
        assert caller.error("eth_getTransactionByBlockNumberAndIndex", "0x2", index)[0] == INVALID_PARAMS

    @pytest.mark.parametrize("slot", ["0x" + "1" * 65, "1", 1, "", None], ids=repr)
    def test_a_slot_has_at_most_32_bytes(self, caller, probe, slot):
        assert caller.error("eth_getStorageAt", hexed(probe), slot)[0] == INVALID_PARAMS

    def test_a_slot_is_written_with_or_without_leading_zeros(self, caller, probe):
        slots = ["0x1", "0x01", "0x" + "1".zfill(64)]
        values = [caller.ask("eth_getStorageAt", hexed(probe), slot) for slot in slots]
        assert values == ["0x" + "4".zfill(64)] * 3
        assert caller.ask("eth_getStorageValues", {hexed(probe): slots}) == {hexed(probe): values}


class TestFilters:
    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ({"fromBlock": "0x3", "toBlock": "0x1"}, INVALID_PARAMS),
            ({"toBlock": "0x1"}, INVALID_PARAMS),
            ({"fromBlock": "latest", "toBlock": "earliest"}, INVALID_PARAMS),
            ({"blockHash": hexed(bytes(32)), "toBlock": "0x1"}, INVALID_PARAMS),
            ({"blockHash": hexed(bytes(32))}, SERVER_ERROR),
        ],
        ids=repr,
    )
    def test_an_impossible_range_is_refused_when_the_filter_is_made(self, caller, asked, code):
        assert caller.error("eth_newFilter", asked)[0] == code

    def test_a_filter_for_blocks_to_come_tells_of_these_only(self, caller, chain, probe):
        key = caller.ask("eth_newFilter", {"fromBlock": "0x5", "toBlock": "0x6"})
        later = caller.ask("eth_newFilter", {"fromBlock": "0x6"})
        for nonce in range(5, 10):
            chain.submit(stores(probe, nonce, 1))
        assert [log["blockNumber"] for log in caller.ask("eth_getFilterChanges", key)] == ["0x5", "0x6"]
        assert caller.ask("eth_getFilterChanges", key) == []
        assert [log["blockNumber"] for log in caller.ask("eth_getFilterChanges", later)] == ["0x6", "0x7", "0x8"]

    def test_a_filter_finds_nothing_new_in_a_block_that_it_names(self, caller, chain, probe):
        key = caller.ask("eth_newFilter", {"blockHash": hexed(chain.header(2).hash)})
        chain.submit(stores(probe, 5, 1))
        assert caller.ask("eth_getFilterChanges", key) == []
        assert len(caller.ask("eth_getFilterLogs", key)) == 3


class TestCalls:
    @pytest.mark.parametrize(
        "fields",
        [
            {"gasPrice": "0x1", "maxFeePerGas": "0x1"},
            {"chainId": "0x1"},
            {"data": "0x01", "input": "0x02"},
            {"gas": "0x1" + "0" * 16},
            {"nonce": "0x1" + "0" * 16},
        ],
        ids=repr,
    )
    def test_what_contradicts_itself_or_the_chain_is_refused(self, caller, probe, fields):
        assert caller.error("eth_call", {"to": hexed(probe), **fields})[0] == INVALID_PARAMS

    def test_fees_that_a_tool_would_bid_change_nothing(self, caller, probe):
        call = {"to": hexed(probe), "data": hexed(call_data("values(uint256)", 3)), "chainId": "0x7e5", "nonce": "0x9"}
        for fees in ({"gasPrice": "0x9"}, {"maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x1"}):
            assert caller.ask("eth_call", {**call, **fees}) == "0x" + "4".zfill(64)

    def test_a_transaction_is_completed_ready_to_be_signed(self, caller, chain, probe):
        data = hexed(call_data("store(uint256,uint256)", 7, 8))
        filled = caller.ask("eth_fillTransaction", {"from": hexed(BOB.address), "to": hexed(probe), "data": data})["tx"]
        assert (filled["nonce"], filled["chainId"], filled["input"]) == ("0x1", "0x7e5", data)
        assert int(filled["gas"], 16) >= 21_000
