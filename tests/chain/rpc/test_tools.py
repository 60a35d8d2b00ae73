"""The tools of others as judges: `cast` of Foundry, and web3.py."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest
from foundry import program
from probe import BOB, BYTECODE, CHAIN_ID
from probe_abi import ABI
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError, TransactionNotFound, Web3RPCError

BOBS_SECRET = "0x" + BOB.secret.hex()


class TestCast:
    @pytest.fixture
    def cast(self, server):
        def cast(command, *arguments, url=server.url, fails=False):
            command = [program("cast"), command, "--rpc-url", url, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode != 0) == fails, done.stderr
            return done.stderr if fails else done.stdout.strip()

        return cast

    def test_it_deploys_sends_calls_and_finds_events_as_on_any_network(self, cast, chain):
        signing = ("--private-key", BOBS_SECRET, "--json")
        created = json.loads(cast("send", *signing, "--create", "0x" + BYTECODE.hex()))
        contract = created["contractAddress"]
        sent = json.loads(cast("send", *signing, contract, "store(uint256,uint256)", "7", "8"))
        assert (sent["status"], sent["blockNumber"], sent["effectiveGasPrice"]) == ("0x1", "0x5", "0x0")
        assert cast("call", contract, "values(uint256)(uint256)", "7") == "8"
        [event] = json.loads(cast("logs", "--json", "--from-block", "4", "Stored(uint256,address,uint256)"))
        assert event["transactionHash"] == sent["transactionHash"]
        assert json.loads(cast("receipt", "--json", sent["transactionHash"]))["logs"] == [event]
        assert cast("estimate", contract, "store(uint256,uint256)", "7", "9").isdigit()

    def test_it_reads_the_chain(self, cast, chain, probe):
        assert (cast("chain-id"), cast("block-number"), cast("client")[:10]) == (str(CHAIN_ID), "3", "gridbourse")
        for block in ("2", "latest", "finalized", "0x" + chain.header(2).hash.hex()):
            shown = json.loads(cast("block", "--json", "--full", block))
            height = int(shown["number"], 16)
            assert shown["hash"] == "0x" + chain.header(height).hash.hex()
        assert cast("tx", shown["transactions"][0]["hash"], "nonce") == "1"
        assert cast("code", "0x" + probe.hex()) == "0x" + chain.account(probe).code.hex()
        assert int(cast("storage", "0x" + probe.hex(), "1"), 16) == 4
        assert (cast("balance", "0x" + probe.hex()), cast("gas-price")) == ("0", "0")
        assert cast("nonce", "0x" + BOB.address.hex()) == "1"

    def test_it_understands_a_refusal(self, cast, probe):
        assert "not today" in cast("call", "0x" + probe.hex(), "refuse()", fails=True)

    def test_it_calls_over_a_websocket(self, cast, server, probe):
        url = server.url.replace("http", "ws")
        assert cast("call", "0x" + probe.hex(), "values(uint256)(uint256)", "3", url=url) == "4"


class TestWeb3:
    @pytest.fixture
    def web3(self, server):
        return Web3(Web3.HTTPProvider(server.url))

    @pytest.fixture
    def account(self, web3):
        account = web3.eth.account.from_key(BOB.secret)
        web3.eth.default_account = account.address
        return account

    def carry(self, web3, account, transaction):
        fields = transaction.build_transaction({"nonce": web3.eth.get_transaction_count(account.address, "pending")})
        raw = account.sign_transaction(fields).raw_transaction
        return web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw), timeout=60, poll_latency=0.01)

    def test_it_deploys_sends_calls_and_reads_events_as_on_any_network(self, web3, account):
        created = self.carry(web3, account, web3.eth.contract(abi=ABI, bytecode=BYTECODE).constructor())
        contract = web3.eth.contract(address=created.contractAddress, abi=ABI)
        receipt = self.carry(web3, account, contract.functions.store(7, 8))
        assert (receipt.status, receipt.effectiveGasPrice) == (1, 0)
        assert contract.functions.values(7).call() == 8
        [event] = contract.events.Stored().process_receipt(receipt)
        assert dict(event.args) == {"key": 7, "sender": account.address, "value": 8}
        assert contract.events.Stored().get_logs(from_block=0) == [event]
        assert contract.events.Stored().get_logs(from_block=0, argument_filters={"key": 9}) == []

    def test_it_reads_the_chain(self, web3, chain, probe):
        assert web3.is_connected()
        assert (web3.eth.chain_id, web3.eth.block_number, web3.eth.gas_price) == (CHAIN_ID, 3, 0)
        block = web3.eth.get_block("finalized", full_transactions=True)
        assert bytes(block.hash) == chain.head().hash
        assert web3.eth.get_transaction(block.transactions[0]["hash"]) == block.transactions[0]
        assert len(web3.eth.get_block_receipts(2)) == 3
        assert bytes(web3.eth.get_code(probe)) == chain.account(probe).code
        assert (web3.eth.get_balance(probe), web3.eth.syncing) == (0, False)
        assert web3.eth.fee_history(2, "latest", [50])["baseFeePerGas"] == [0, 0, 0]
        with pytest.raises(TransactionNotFound):
            web3.eth.get_transaction(bytes(32))

    def test_it_polls_filters(self, web3, account, probe):
        contract = web3.eth.contract(address=Web3.to_checksum_address(probe), abi=ABI)
        events, blocks = contract.events.Stored.create_filter(from_block="latest"), web3.eth.filter("latest")
        receipt = self.carry(web3, account, contract.functions.store(7, 8))
        assert [event.args.value for event in events.get_new_entries()] == [8]
        assert blocks.get_new_entries() == [receipt.blockHash]
        assert web3.eth.uninstall_filter(events.filter_id)

    def test_it_understands_refusals(self, web3, probe):
        contract = web3.eth.contract(address=Web3.to_checksum_address(probe), abi=ABI)
        with pytest.raises(ContractLogicError, match="not today"):
            contract.functions.refuse().call()
        with pytest.raises(ContractCustomError):
            contract.functions.refuseWith(5).call()
        with pytest.raises(Web3RPCError, match="malformed transaction"):
            web3.eth.send_raw_transaction(b"\x02\xc0")

    def test_it_asks_in_batches(self, web3, chain):
        with web3.batch_requests() as batch:
            for height in range(4):
                batch.add(web3.eth.get_block(height))
            blocks = batch.execute()
        assert [bytes(block.hash) for block in blocks] == [chain.header(height).hash for height in range(4)]

    def test_it_subscribes_over_a_websocket(self, server, web3, account, probe):
        contract = web3.eth.contract(address=Web3.to_checksum_address(probe), abi=ABI)

        async def follow():
            async with AsyncWeb3(WebSocketProvider(server.url.replace("http", "ws"))) as listening:
                heads = await listening.eth.subscribe("newHeads")
                logs = await listening.eth.subscribe("logs", {"address": contract.address})
                receipt = await asyncio.to_thread(self.carry, web3, account, contract.functions.store(7, 8))
                found = {}
                async for message in listening.socket.process_subscriptions():
                    found[message["subscription"]] = message["result"]
                    if len(found) == 2:
                        break
                return receipt, found[heads], found[logs]

        receipt, head, log = asyncio.run(asyncio.wait_for(follow(), timeout=60))
        assert head["hash"] == receipt.blockHash
        assert log["transactionHash"] == receipt.transactionHash
