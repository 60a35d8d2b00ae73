"""What a caller may rely on, whatever engine it talks to."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Thread, Timer

import pytest
from probe import BYTECODE, CHAIN_ID, call_data, store, word

from gridbourse.chain.interface import Fees
from gridbourse.chain.transaction import Transaction
from gridbourse.crypto.keys import keccak256
from gridbourse.errors import ChainError, ContractReverted, InvalidValue, Rejection, TransactionRejected

STORED = keccak256(b"Stored(uint256,address,uint256)")
VALUES = "values(uint256)"


def value_at(chain, probe, key):
    return int.from_bytes(chain.call(probe, call_data(VALUES, key)), "big")


class TestTransactions:
    def test_a_contract_is_created_and_answers(self, chain, alice, probe):
        [receipt] = chain.submit([alice.sign(probe, store(5, 6))])
        assert receipt.succeeded
        assert value_at(chain, probe, 5) == 6
        assert chain.chain_id == CHAIN_ID

    def test_a_receipt_tells_place_gas_and_events(self, chain, alice, probe):
        raw = alice.sign(probe, store(5, 6))
        [receipt] = chain.submit([raw])
        assert receipt.transaction_hash == keccak256(raw)
        assert 0 < receipt.height <= chain.head().height
        assert (receipt.position, receipt.contract_address, receipt.revert_data, receipt.halt) == (0, None, b"", "")
        assert receipt.gas_used == 67_813, "a first transaction of a block costs what it costs on Ethereum"
        [log] = receipt.logs
        assert (log.address, log.data) == (probe, word(6))
        assert log.topics == (STORED, word(5), bytes(12) + alice.address)
        assert (log.height, log.transaction_hash, log.index) == (receipt.height, receipt.transaction_hash, 0)

    def test_transactions_of_one_send_keep_their_order(self, chain, alice, probe):
        raws = [alice.sign(probe, store(1, number)) for number in range(1, 41)]
        receipts = chain.submit(raws)
        assert [receipt.transaction_hash for receipt in receipts] == [keccak256(raw) for raw in raws]
        places = [(receipt.height, receipt.position) for receipt in receipts]
        assert places == sorted(places)
        assert len(set(places)) == 40
        assert value_at(chain, probe, 1) == 40

    def test_a_refused_call_has_a_receipt_with_the_contracts_words_and_consumes_its_nonce_only(
        self, chain, alice, probe
    ):
        [receipt] = chain.submit([alice.sign(probe, call_data("refuse()"))])
        assert (receipt.succeeded, receipt.logs, receipt.halt) == (False, (), "")
        assert receipt.revert_data[:4] == keccak256(b"Error(string)")[:4]
        assert b"not today" in receipt.revert_data
        assert chain.call(probe, call_data("calls()")) == word(0)
        assert chain.next_nonce(alice.address) == alice.nonce

    def test_running_out_of_gas_has_a_receipt_with_the_reason(self, chain, alice, probe):
        [receipt] = chain.submit([alice.sign(probe, call_data("spin()"), gas_limit=50_000)])
        assert (receipt.succeeded, receipt.halt, receipt.gas_used) == (False, "OutOfGas", 50_000)

    def test_a_failed_creation_makes_no_contract(self, chain, alice):
        [receipt] = chain.submit([alice.sign(None, b"\xfe")])
        assert (receipt.succeeded, receipt.contract_address) == (False, None)
        assert chain.next_nonce(alice.address) == 1

    def test_senders_at_the_same_time_do_not_disturb_each_other(self, chain, alice, bob, probe):
        found = {}

        def submit_some(sender, key):
            found[key] = [
                receipt for number in range(8) for receipt in chain.submit([sender.sign(probe, store(key, number))])
            ]

        threads = [Thread(target=submit_some, args=(sender, key)) for key, sender in enumerate((alice, bob))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(receipt.succeeded for receipts in found.values() for receipt in receipts)
        assert [value_at(chain, probe, key) for key in (0, 1)] == [7, 7]
        assert chain.call(probe, call_data("calls()")) == word(16)


class TestNonces:
    def test_the_next_nonce_counts_what_was_sent(self, chain, alice, probe):
        assert chain.next_nonce(alice.address) == 1
        hashes = chain.send([alice.sign(probe, store(1, 1)) for _ in range(3)])
        assert chain.next_nonce(alice.address) == 4
        chain.wait(hashes)
        assert chain.next_nonce(alice.address) == chain.account(alice.address).nonce == 4

    def test_the_same_bytes_take_effect_once(self, chain, alice, probe):
        raw = alice.sign(probe, store(1, 1))
        [receipt] = chain.submit([raw])
        with suppress(TransactionRejected):
            assert chain.submit([raw]) == [receipt]
        assert chain.call(probe, call_data("calls()")) == word(1)

    def test_a_used_nonce_is_turned_away(self, chain, alice, probe):
        chain.submit([alice.sign(probe, store(1, 1))])
        alice.nonce -= 1
        with pytest.raises(TransactionRejected) as refused:
            chain.submit([alice.sign(probe, store(1, 2))])
        assert refused.value.reason is Rejection.NONCE_TOO_LOW
        assert value_at(chain, probe, 1) == 1

    @pytest.mark.parametrize("change", [{"chain_id": 7}, {"gas_limit": 20_000}, {"value": 1}])
    def test_what_may_not_enter_a_block_is_turned_away(self, chain, bob, change):
        fields = {"chain_id": CHAIN_ID, "nonce": 0, "gas_limit": 100_000, "to": bob.address} | change
        with pytest.raises(TransactionRejected):
            chain.submit([Transaction(**fields).sign(bob.key).raw])
        assert chain.next_nonce(bob.address) == 0

    def test_waiting_for_an_unknown_transaction_is_an_error(self, chain):
        with pytest.raises(ChainError):
            chain.wait([bytes(32)], timeout_seconds=0.2)


class TestCalls:
    @pytest.mark.parametrize(
        ("data", "error", "arguments"),
        [
            (call_data("refuse()"), "Error", ("not today",)),
            (call_data("divide(uint256,uint256)", 1, 0), "Panic", (0x12,)),
            (call_data("refuseWith(uint256)", 5), "Unknown", ()),
        ],
    )
    def test_a_refusal_is_an_error_with_its_name_arguments_and_data(self, chain, probe, data, error, arguments):
        for ask in (chain.call, chain.estimate_gas):
            with pytest.raises(ContractReverted) as refused:
                ask(probe, data)
            assert (refused.value.error, refused.value.arguments) == (error, arguments)
            assert refused.value.data[:4] != b""

    def test_a_call_changes_nothing(self, chain, bob, probe):
        chain.call(probe, store(1, 2), sender=bob.address)
        assert value_at(chain, probe, 1) == 0
        assert chain.next_nonce(bob.address) == 0

    def test_an_estimate_is_enough_for_the_transaction(self, chain, alice, probe):
        estimate = chain.estimate_gas(probe, store(8, 9), sender=alice.address)
        [receipt] = chain.submit([alice.sign(probe, store(8, 9), gas_limit=estimate)])
        assert receipt.succeeded
        assert receipt.gas_used <= estimate < 1.1 * receipt.gas_used
        creation = chain.estimate_gas(None, BYTECODE, sender=alice.address)
        [receipt] = chain.submit([alice.sign(None, BYTECODE, gas_limit=creation)])
        assert receipt.succeeded

    def test_gas_is_free(self, chain):
        assert chain.fees() == Fees(0, 0)


class TestReading:
    def test_accounts_and_storage_are_those_of_the_newest_state(self, chain, alice, bob, probe):
        chain.submit([alice.sign(probe, store(1, 1)) for _ in range(2)])
        assert chain.account(alice.address).nonce == 3
        assert (chain.account(bob.address).nonce, chain.account(bob.address).code) == (0, b"")
        code = chain.account(probe).code
        assert code == BYTECODE[-len(code) :]
        assert len(code) > 1_000
        assert chain.storage(probe, 1) == word(2)
        assert chain.storage(probe, 77) == word(0)

    def test_a_block_is_read_by_height_and_found_by_hash(self, chain, alice, probe):
        raw = alice.sign(probe, store(1, 1))
        [receipt] = chain.submit([raw])
        block = chain.block(receipt.height)
        assert (block.transactions, block.receipts) == ((raw,), (receipt,))
        header, parent = chain.header(receipt.height), chain.header(receipt.height - 1)
        assert header == block.header
        assert (header.height, header.parent_hash) == (receipt.height, parent.hash)
        assert header.timestamp >= parent.timestamp
        assert header.gas_used == receipt.gas_used
        assert header.gas_limit >= 30_000_000
        assert chain.height_of(header.hash) == receipt.height
        assert chain.height_of(chain.header(0).hash) == 0
        assert chain.height_of(b"\x07" * 32) is None
        with pytest.raises(InvalidValue, match="height"):
            chain.block(chain.head().height + 1_000)
        with pytest.raises(InvalidValue, match="height"):
            chain.block(0)

    def test_transactions_and_receipts_are_found_by_hash(self, chain, alice, probe):
        raw = alice.sign(probe, store(1, 1))
        [receipt] = chain.submit([raw])
        assert chain.transaction(receipt.transaction_hash).raw == raw
        assert chain.transaction(receipt.transaction_hash).sender == alice.address
        assert chain.receipt(receipt.transaction_hash) == receipt
        assert chain.receipt(bytes(32)) is chain.transaction(bytes(32)) is None


class TestLogs:
    def test_events_are_those_of_the_receipts_in_their_order(self, chain, alice, probe):
        receipts = chain.submit([alice.sign(probe, store(number, number)) for number in range(5)])
        receipts += chain.submit([alice.sign(probe, call_data("makeChild()")), alice.sign(probe, store(9, 9))])
        assert list(chain.logs(address=probe)) == [log for receipt in receipts for log in receipt.logs]

    def test_events_are_found_by_topic_and_block(self, chain, alice, probe):
        receipts = [chain.submit([alice.sign(probe, store(number, number))])[0] for number in range(4)]

        def keys(**wanted):
            return [int.from_bytes(log.topics[1], "big") for log in chain.logs(address=probe, **wanted)]

        assert keys(topics=[{STORED}, {word(1), word(3)}]) == [1, 3]
        assert keys(topics=[None, {word(2)}]) == [2]
        assert keys(topics=[{bytes(32)}]) == []
        assert keys(first_block=receipts[1].height, last_block=receipts[2].height) == [1, 2]
        assert keys(first_block=receipts[3].height + 1) == []
        mine = bytes(12) + alice.address
        assert len(list(chain.logs(topics=[None, None, {mine}]))) == 4, "whoever emitted them"

    def test_an_event_without_topics_is_found(self, chain, alice, probe):
        [receipt] = chain.submit([alice.sign(probe, call_data("anonymousEvent(uint256)", 3))])
        [log] = chain.logs(address=probe)
        assert (log, log.topics, log.data) == (receipt.logs[0], (), word(3))


class TestReconnecting:
    def test_a_call_waits_for_a_node_that_comes_back_with_all_it_had(self, network, chain, alice, probe):
        if network.kill is None:
            pytest.skip("this engine is the process itself: tests/chain/test_crash.py")
        [before] = chain.submit([alice.sign(probe, store(1, 1))])
        network.kill()
        restart = Timer(0.5, network.start)
        started = time.monotonic()
        restart.start()
        [after] = chain.submit([alice.sign(probe, store(1, 2))])
        restart.join()
        assert time.monotonic() - started >= 0.5
        assert (after.succeeded, value_at(chain, probe, 1)) == (True, 2)
        assert chain.receipt(before.transaction_hash) == before
        assert list(chain.logs(address=probe)) == [*before.logs, *after.logs]

    def test_a_kill_in_the_middle_of_sending_loses_nothing_and_doubles_nothing(self, network, chain, alice, probe):
        if network.kill is None:
            pytest.skip("this engine is the process itself: tests/chain/test_crash.py")
        if not network.is_durable:
            pytest.skip("what this network acknowledges while it saves its state may be lost")
        raws = [[alice.sign(probe, store(number, 1))] for number in range(60)]
        interruption = Thread(target=lambda: (time.sleep(0.1), network.kill(), network.start()))
        interruption.start()
        receipts = [receipt for raw in raws for receipt in chain.submit(raw)]
        interruption.join()
        assert all(receipt.succeeded for receipt in receipts)
        assert chain.call(probe, call_data("calls()")) == word(60)
