"""What the ethereum engine adds of its own: finality, fees, lost answers, and nodes that are none.

What it shares with every engine is in `conformance/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread, Timer

import httpx
import pytest
from conformance.engines import Process, free_port
from foundry import program
from probe import ALICE, BYTECODE, CHAIN_ID, GENESIS, SEALER, call_data, deploy, deployment, signed, store, stores, word

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.contracts.slave_ledger import SlaveLedger
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey, keccak256
from gridbourse.errors import ChainError, ChainReorganised, InvalidValue, Rejection, RpcError, TransactionRejected

RICH = SigningKey(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
"""The first of the accounts that every anvil endows; its key is published."""


@pytest.fixture
def anvil():
    """Start anvil with options; returns its URL."""
    running = []

    def start(*options):
        port = free_port()
        node = Process(
            [str(program("anvil")), "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet", *options], port
        )
        node.start()
        running.append(node)
        return f"http://127.0.0.1:{port}"

    yield start
    for node in running:
        node.kill()


NO_SUCH_METHOD = b'{"id": null, "error": {"code": -32601, "message": "the method does not exist"}}'


def tell(url, method, *params):
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(url, json=request, trust_env=False).json()["result"]


class TestFinality:
    FREE = ("--gas-price", "0", "--base-fee", "0")

    def test_only_confirmed_blocks_are_told(self, anvil):
        url = anvil(*self.FREE)
        with EthereumChain(url, confirmations=2) as chain:
            [tx_hash] = chain.send([deployment()])
            tell(url, "evm_mine")
            with pytest.raises(ChainError, match=r"1 of 1 transactions not final within 0\.1 s"):
                chain.wait([tx_hash], timeout_seconds=0.1)
            assert (chain.head().height, chain.receipt(tx_hash), chain.transaction(tx_hash)) == (0, None, None)
            assert list(chain.logs()) == []
            with pytest.raises(InvalidValue, match=r"height.*1 to 0"):
                chain.block(1)
            Timer(0.2, tell, args=(url, "evm_mine")).start()
            [receipt] = chain.wait([tx_hash])
            assert (chain.head().height, chain.receipt(tx_hash), receipt.height) == (1, receipt, 1)

    def test_how_long_a_submission_waits_is_the_callers_choice(self, anvil):
        with EthereumChain(anvil(*self.FREE), confirmations=2, final_within_seconds=0.3, resend_seconds=0.1) as chain:
            with pytest.raises(ChainError, match="not final") as given_up:
                chain.submit([deployment()])
            [last_wait] = re.findall(r"within (\S+) s", str(given_up.value))
            assert float(last_wait) <= 0.3
            assert chain.next_nonce(ALICE.address) == 1, "sent again, it was still one transaction"

    def test_the_network_itself_can_say_what_is_final(self, anvil):
        url = anvil(*self.FREE, "--slots-in-an-epoch", "1")
        with EthereumChain(url, confirmations="finalized") as chain:
            [tx_hash] = chain.send([deployment()])
            assert chain.head().height == 0
            tell(url, "anvil_mine", "0x4")
            [receipt] = chain.wait([tx_hash])
            assert receipt.height <= chain.head().height < 5

    def test_a_final_block_that_is_taken_back_is_an_error(self, anvil):
        url = anvil(*self.FREE)
        with EthereumChain(url) as chain:
            chain.submit([deployment()])
            before = chain.head()
            tell(url, "anvil_reorg", 1, [])
            assert tell(url, "eth_getBlockByNumber", "0x1", False)["hash"] != "0x" + before.hash.hex()
            with pytest.raises(ChainReorganised, match="block 1 was final"):
                chain.head()

    @pytest.mark.parametrize("confirmations", [-1, "safe", 1.5])
    def test_what_means_no_finality_is_refused(self, confirmations):
        with pytest.raises(InvalidValue, match="confirmations"):
            EthereumChain("http://127.0.0.1:1", confirmations=confirmations)


class TestFees:
    def test_where_gas_costs_something_the_wallet_bids_for_it(self, anvil):
        url = anvil("--base-fee", "1000000000")
        with EthereumChain(url, charges_gas=True) as chain:
            fees = chain.fees()
            assert fees.max_fee_per_gas >= 2 * 10**9
            before = chain.account(RICH.address)
            wallet = Wallet(chain, RICH, gas_limit=5_000_000)
            ledger = SlaveLedger(chain, wallet.deploy(SlaveLedger.NAME, wallet.address))
            assert ledger.leaf_count() == 0
            assert chain.account(RICH.address).balance_wei < before.balance_wei

    def test_who_bids_nothing_there_is_told_so(self, anvil):
        with EthereumChain(anvil("--base-fee", "1000000000")) as chain, pytest.raises(TransactionRejected, match="fee"):
            chain.submit([deployment()])


def without_words(body):
    """A network that keeps no revert data in its receipts, as most."""
    for entry in body if isinstance(body, list) else [body]:
        if isinstance(entry.get("result"), dict):
            entry["result"].pop("revertReason", None)
    return body


def as_a_stranger(body):
    """A node that has Ethereum's methods only."""
    if isinstance(body, dict) and str(body.get("result")).startswith("gridbourse/"):
        return body | {"result": "another/1"}
    return body


class TestReverts:
    def test_words_that_a_receipt_lacks_come_from_running_it_again(self, anvil):
        url = anvil("--gas-price", "0", "--base-fee", "0")
        with Node(forward(url, change=without_words)) as node, EthereumChain(node.url) as chain:
            probe = deploy(chain)
            [refused] = chain.submit([signed(ALICE, 1, probe, call_data("refuse()"))])
            assert b"not today" in refused.revert_data
            [stopped] = chain.submit([signed(ALICE, 2, probe, call_data("spin()"), gas_limit=50_000)])
            assert (stopped.revert_data, stopped.halt) == (b"", "OutOfGas")

    def test_where_the_parents_state_is_gone_the_words_are_empty(self, path, chain):
        probe = deploy(chain)
        [refused] = chain.submit([signed(ALICE, 1, probe, call_data("refuse()"))])
        chain.close()  # older states are remembered only while it is open
        with (
            EmbeddedChain(path, GENESIS, SEALER) as reopened,
            RpcServer(reopened, port=0) as server,
            Node(forward(server.url, change=as_a_stranger)) as node,
            EthereumChain(node.url) as client,
        ):
            assert client.receipt(refused.transaction_hash) == refused.explained(b"", "")

    def test_a_node_of_ours_keeps_the_words(self, chain):
        probe = deploy(chain)
        refused, stopped = chain.submit(
            [
                signed(ALICE, 1, probe, call_data("refuse()")),
                signed(ALICE, 2, probe, call_data("spin()"), gas_limit=50_000),
            ]
        )
        with RpcServer(chain, port=0) as server, EthereumChain(server.url) as client:
            assert client.receipt(refused.transaction_hash) == refused
            assert client.receipt(stopped.transaction_hash) == stopped
            assert (refused.revert_data, stopped.halt) != (b"", "")


class TestLostAnswers:
    @pytest.mark.parametrize("has_eip_7966", [True, False])
    def test_a_single_transaction_is_one_question_where_the_node_can_wait(self, chain, has_eip_7966):
        asked = []

        def watch(body):
            method = json.loads(body)["method"]
            asked.append(method)
            return NO_SUCH_METHOD if method == "eth_sendRawTransactionSync" and not has_eip_7966 else None

        with (
            RpcServer(chain, port=0) as server,
            Node(forward(server.url, instead=watch)) as node,
            EthereumChain(node.url) as client,
        ):
            for raw in (deployment(), signed(ALICE, 1, ALICE.address)):
                [receipt] = client.submit([raw])
                assert receipt == chain.receipt(keccak256(raw))
        at_once, then_wait = "eth_sendRawTransactionSync", ["eth_sendRawTransaction", "eth_getTransactionReceipt"]
        assert asked[1:] == ([at_once] * 2 if has_eip_7966 else [at_once, *then_wait, *then_wait])

    def test_a_transaction_whose_answer_was_lost_is_sent_again_without_effect(self, chain):
        probe = deploy(chain)
        lost = []

        def lose_first_send(asked, answered):
            if "eth_sendRawTransaction" in str(asked) and not lost:
                lost.append(asked)
                return None
            return answered

        with (
            RpcServer(chain, port=0) as server,
            Node(forward(server.url, then=lose_first_send)) as node,
            EthereumChain(node.url) as client,
        ):
            receipts = client.submit(stores(probe, 1, 3))
        assert len(lost) == 1
        assert [receipt.succeeded for receipt in receipts] == [True] * 3
        assert chain.call(probe, call_data("calls()")) == word(3)

    def test_what_waits_for_a_block_is_taken_again_without_effect(self, path):
        with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=0.3) as chain, RpcServer(chain, port=0) as server:
            with EthereumChain(server.url) as client:
                assert client.send([deployment()]) == client.send([deployment()])
                assert client.next_nonce(ALICE.address) == 1
                [receipt] = client.wait([keccak256(deployment())])
            assert (receipt.succeeded, len(chain.block(1).transactions)) == (True, 1)

    def test_what_a_node_forgot_is_sent_again(self, chain):
        forgotten = []

        def forget_first_send(body):
            if b"eth_sendRawTransactionSync" in body:
                return NO_SUCH_METHOD
            if b"eth_sendRawTransaction" not in body or forgotten:
                return None
            forgotten.append(body)
            return json.dumps({"id": json.loads(body)["id"], "result": "0x" + keccak256(deployment()).hex()}).encode()

        with (
            RpcServer(chain, port=0) as server,
            Node(forward(server.url, instead=forget_first_send)) as node,
            EthereumChain(node.url, resend_seconds=0.2) as client,
        ):
            [receipt] = client.submit([deployment()])
        assert (receipt.succeeded, len(forgotten)) == (True, 1)

    def test_a_node_that_cannot_take_it_now_does_not_make_it_a_bad_transaction(self):
        busy = b'{"id": null, "error": {"code": -32603, "message": "50000 transactions wait"}}'
        known = b'{"id": 2, "result": null}'
        answers = iter([b'{"id": 1, "result": "0x1"}', busy, known.replace(b"2", b"3")])
        with Node(lambda _: next(answers)) as node, EthereumChain(node.url) as client, pytest.raises(RpcError):
            client.send([deployment()])

    def test_another_transaction_with_the_same_nonce_is_not_taken_for_it(self, chain):
        probe = deploy(chain)
        chain.submit(stores(probe, 1, 1))
        with (
            RpcServer(chain, port=0) as server,
            EthereumChain(server.url) as client,
            pytest.raises(TransactionRejected) as refused,
        ):
            client.submit([signed(ALICE, 1, probe, store(1, 99))])
        assert refused.value.reason is Rejection.NONCE_TOO_LOW
        assert chain.next_nonce(ALICE.address) == 2


class TestNodes:
    def test_another_network_than_the_expected_is_refused(self, chain):
        with RpcServer(chain, port=0) as server, pytest.raises(InvalidValue, match="a node of chain 7; this one is of"):
            EthereumChain(server.url, chain_id=7)

    def test_nobody_there_is_an_error_after_the_patience(self):
        with pytest.raises(ChainError, match=r"no answer within 0\.3 s"):
            EthereumChain(f"http://127.0.0.1:{free_port()}", patience_seconds=0.3)

    @pytest.mark.parametrize("url", ["127.0.0.1:8545", "ftp://127.0.0.1", "http://", ""])
    def test_what_is_no_url_is_refused_at_once(self, url):
        with pytest.raises(InvalidValue, match="url"):
            EthereumChain(url)

    @pytest.mark.parametrize(
        "answer",
        [
            b"<html>",
            b"7",
            b"[]",
            b"{}",
            b'{"id": 99, "result": "0x1"}',
            b'{"id": 1, "result": 5}',
            b'[{"id": 1, "result": "0x1"}, {"id": 1, "result": "0x1"}]',
        ],
    )
    def test_what_is_no_ethereum_node_is_an_error(self, answer):
        with Node(lambda _: answer) as node, pytest.raises(ChainError):
            EthereumChain(node.url)

    def test_a_node_that_tells_another_transaction_than_was_signed_is_found_out(self, chain):
        deploy(chain)
        tx_hash = keccak256(deployment())

        def forge(body):
            if isinstance(body, dict) and isinstance(body.get("result"), dict) and "input" in body["result"]:
                body["result"]["input"] = "0x" + BYTECODE.hex() + "00"
            return body

        with (
            RpcServer(chain, port=0) as server,
            Node(forward(server.url, change=forge)) as node,
            EthereumChain(node.url) as client,
            pytest.raises(ChainError, match="other contents than were signed"),
        ):
            client.transaction(tx_hash)

    def test_a_block_that_is_not_what_the_specification_says_is_an_error(self, chain):
        def strip(body):
            for entry in body if isinstance(body, list) else [body]:
                if isinstance(entry.get("result"), dict):
                    entry["result"].pop("hash", None)
            return body

        with (
            RpcServer(chain, port=0) as server,
            Node(forward(server.url, change=strip)) as node,
            EthereumChain(node.url) as client,
            pytest.raises(ChainError, match="not what the Ethereum specification says"),
        ):
            client.head()

    def test_an_error_of_the_node_is_handed_on(self):
        error = b'{"id": null, "error": {"code": -32005, "message": "slow down"}}'
        with Node(lambda _: error) as node, pytest.raises(RpcError, match="slow down") as refused:
            EthereumChain(node.url)
        assert refused.value.code == -32005


class Node:
    """A node of our making: it answers a request's body with bytes, or breaks the connection on None."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answered = answer(self.rfile.read(int(self.headers["content-length"])))
                if answered is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answered)))
                self.end_headers()
                self.wfile.write(answered)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def forward(url, *, change=lambda body: body, then=lambda asked, answered: answered, instead=lambda body: None):
    """Hand requests on to a real node, change or lose what it answers, or answer instead of it."""

    def answer(body):
        if own := instead(body):
            return own
        answered = httpx.post(url, content=body, headers={"Content-Type": "application/json"}, trust_env=False)
        return then(body, json.dumps(change(answered.json())).encode())

    return answer
