from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import Any

import pytest
from probe import (
    ALICE,
    BOB,
    BYTECODE,
    CHAIN_ID,
    GENESIS,
    NOON,
    SEALER,
    call_data,
    deploy,
    deployment,
    send_each,
    signed,
    store,
    stores,
    word,
)

from gridbourse._native import Core, intrinsic_gas
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.interface import Account, Chain, Fees
from gridbourse.chain.transaction import SignedTransaction, Transaction
from gridbourse.crypto.keys import SigningKey, keccak256
from gridbourse.errors import ChainError, ChainLocked, ContractReverted, InvalidValue, TransactionRejected

STORED = keccak256(b"Stored(uint256,address,uint256)")


def value_at(chain: Chain, probe, key: int) -> int:
    return int.from_bytes(chain.call(probe, call_data("values(uint256)", key)), "big")


class AppendingCore:
    """A core that appends in its own way."""

    def __init__(self, core: Core, append: Callable[..., None]) -> None:
        self._core = core
        self.append = partial(append, core)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)


class TestTransactions:
    def test_a_deployed_contract_answers_calls(self, chain):
        probe = deploy(chain)
        chain.submit(stores(probe, 1, 3))
        assert [value_at(chain, probe, key) for key in range(5)] == [0, 2, 3, 4, 0]

    def test_a_new_chain_stands_at_its_genesis(self, chain):
        assert chain.chain_id == CHAIN_ID
        assert chain.head() == GENESIS.header

    def test_a_receipt_tells_place_gas_and_events(self, chain):
        probe = deploy(chain)
        raw = stores(probe, 1, 2)
        first, second = chain.submit(raw)
        assert (first.height, first.position, second.height, second.position) == (2, 0, 2, 1)
        assert [first.transaction_hash, second.transaction_hash] == [keccak256(each) for each in raw]
        [log] = second.logs
        assert log.topics == (STORED, word(2), bytes(12) + ALICE.address)
        assert (log.address, log.data) == (probe, word(3))
        assert (log.height, log.transaction_hash, log.index) == (2, second.transaction_hash, 0)

    def test_a_first_transaction_costs_what_it_costs_on_ethereum(self, chain):
        [created] = chain.submit([deployment()])
        [stored] = chain.submit([signed(BOB, 0, created.contract_address, store(1, 2))])
        assert (created.gas_used, stored.gas_used) == (334_342, 67_813), "measured on another Ethereum node"

    def test_a_refused_call_has_a_receipt_and_consumes_its_nonce_only(self, chain):
        probe = deploy(chain)
        [receipt] = chain.submit([signed(ALICE, 1, probe, call_data("refuse()"))])
        assert not receipt.succeeded
        assert receipt.halt == ""
        assert receipt.revert_data[:4] == keccak256(b"Error(string)")[:4]
        assert chain.next_nonce(ALICE.address) == 2
        assert chain.call(probe, call_data("calls()")) == word(0)

    def test_running_out_of_gas_has_a_receipt_with_the_reason(self, chain):
        probe = deploy(chain)
        [receipt] = chain.submit([signed(ALICE, 1, probe, call_data("spin()"), gas_limit=50_000)])
        assert (receipt.succeeded, receipt.halt, receipt.gas_used) == (False, "OutOfGas", 50_000)
        assert chain.next_nonce(ALICE.address) == 2

    def test_a_failed_creation_makes_no_contract_and_consumes_its_nonce(self, chain):
        [receipt] = chain.submit([signed(ALICE, 0, None, b"\xfe")])
        assert (receipt.succeeded, receipt.contract_address) == (False, None)
        assert chain.next_nonce(ALICE.address) == 1
        assert deploy(chain) == chain.receipt(chain.block(2).receipts[0].transaction_hash).contract_address

    def test_transactions_and_receipts_are_found_by_hash(self, chain):
        raw = deployment()
        [receipt] = chain.submit([raw])
        assert chain.receipt(keccak256(raw)) == receipt
        assert chain.transaction(keccak256(raw)) == SignedTransaction.decode(raw)
        assert chain.receipt(bytes(32)) is None
        assert chain.transaction(bytes(32)) is None

    def test_headers_are_found_by_height_and_by_hash(self, chain):
        probe = deploy(chain)
        assert chain.height_of(GENESIS.header.hash) == 0
        assert chain.height_of(chain.head().hash) == 1
        send_each(chain, stores(probe, 1, 2))
        assert [chain.header(height) for height in range(4)] == [
            GENESIS.header,
            *(chain.block(height).header for height in (1, 2, 3)),
        ]
        assert [chain.height_of(chain.header(height).hash) for height in range(4)] == [0, 1, 2, 3]
        assert chain.height_of(bytes(32)) is None
        with pytest.raises(InvalidValue, match=r"height.*0 to 3"):
            chain.header(4)

    def test_accounts_and_storage_are_those_of_the_newest_state(self, chain):
        probe = deploy(chain)
        chain.submit(stores(probe, 1, 3))
        assert chain.account(ALICE.address) == Account(nonce=4, code=b"")
        assert chain.account(BOB.address) == Account(nonce=0, code=b"")
        contract = chain.account(probe)
        assert (contract.nonce, contract.code) == (1, BYTECODE[-len(contract.code) :])
        assert len(contract.code) > 1_000
        assert chain.storage(probe, 1) == word(3), "the counter of calls"
        assert chain.storage(probe, 9) == chain.storage(BOB.address, 1) == word(0)
        chain.submit(stores(probe, 4, 1))
        chain.verify()

    def test_a_block_is_read_back_as_it_was_sealed(self, chain):
        probe = deploy(chain)
        raw = stores(probe, 1, 2)
        receipts = chain.submit(raw)
        block = chain.block(2)
        assert block.header == chain.head()
        assert block.header.is_sealed()
        assert block.header.parent_hash == chain.block(1).header.hash
        assert block.header.gas_used == sum(receipt.gas_used for receipt in receipts)
        assert list(block.transactions) == raw
        assert list(block.receipts) == receipts
        for height in (0, 3):
            with pytest.raises(InvalidValue, match="height"):
                chain.block(height)


class TestRejection:
    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            pytest.param(signed(BOB, 1, ALICE.address), "nonce 1: the sender's next is 0", id="a gap"),
            pytest.param(deployment(), "nonce 0: the sender's next is 1", id="a replay"),
            pytest.param(signed(BOB, 0, ALICE.address, chain_id=1), "chain_id 1: sign for chain 2021", id="chain"),
            pytest.param(signed(BOB, 0, ALICE.address, value=1), "value 1: the sender has 0", id="value"),
            pytest.param(
                signed(BOB, 0, ALICE.address, max_fee_per_gas=1, max_priority_fee_per_gas=2),
                "max_priority_fee_per_gas 2: give at most max_fee_per_gas, 1",
                id="tip",
            ),
            pytest.param(signed(BOB, 0, ALICE.address, gas_limit=20_999), "give at least 21000", id="too little gas"),
            pytest.param(
                signed(BOB, 0, ALICE.address, gas_limit=GENESIS.gas_limit + 1), "give at most 10{9}", id="too much gas"
            ),
            pytest.param(signed(BOB, 0, None, bytes(49_153), gas_limit=10**6), "49152 bytes", id="init code"),
            pytest.param(b"\x02", "malformed", id="no transaction"),
        ],
    )
    def test_what_may_not_enter_a_block_is_turned_away_with_everything_sent_along(self, chain, raw, reason):
        deploy(chain)
        before = chain.head()
        with pytest.raises(TransactionRejected, match=reason):
            chain.send([signed(SEALER, 0, ALICE.address), raw])
        assert chain.head() == before
        assert chain.next_nonce(SEALER.address) == 0
        chain.submit([signed(SEALER, 0, ALICE.address)])

    def test_a_bid_for_gas_is_taken_and_costs_nothing(self, chain):
        raw = signed(BOB, 0, ALICE.address, max_fee_per_gas=10**18, max_priority_fee_per_gas=10**9)
        [receipt] = chain.submit([raw])
        assert receipt.succeeded
        assert chain.account(BOB.address).balance_wei == 0
        assert chain.fees() == Fees(0, 0)

    def test_the_rule_for_the_least_gas_is_that_of_the_evm(self, chain):
        for to in (ALICE.address, None):
            data = bytes(40) + b"\x01" * 3
            needed = intrinsic_gas(Transaction(CHAIN_ID, 0, 0, to, data), GENESIS.fork)
            nonce = chain.next_nonce(BOB.address)
            with pytest.raises(TransactionRejected):
                chain.submit([signed(BOB, nonce, to, data, gas_limit=needed - 1)])
            [receipt] = chain.submit([signed(BOB, nonce, to, data, gas_limit=needed)])
            assert receipt.succeeded
            assert receipt.gas_used == needed

    def test_sending_nothing_seals_nothing(self, chain):
        assert chain.submit([]) == []
        assert chain.head() == GENESIS.header


class TestCalls:
    def test_a_call_changes_nothing(self, chain):
        probe = deploy(chain)
        chain.call(probe, store(1, 2), sender=BOB.address)
        assert value_at(chain, probe, 1) == 0
        assert chain.next_nonce(BOB.address) == 0

    def test_a_call_sees_the_height_and_time_of_a_block_sealed_now(self, chain):
        probe = deploy(chain)
        assert chain.call(probe, call_data("place()")) == word(2) + word(NOON) + word(CHAIN_ID)

    @pytest.mark.parametrize(
        ("data", "error", "arguments"),
        [
            (call_data("refuse()"), "Error", ("not today",)),
            (call_data("divide(uint256,uint256)", 1, 0), "Panic", (0x12,)),
            (call_data("refuseWith(uint256)", 5), "Unknown", ()),
            (call_data("spin()"), "OutOfGas", ()),
        ],
    )
    def test_a_refusal_is_an_error_with_its_name_and_arguments(self, chain, data, error, arguments):
        probe = deploy(chain)
        with pytest.raises(ContractReverted) as caught:
            chain.call(probe, data)
        assert (caught.value.error, caught.value.arguments) == (error, arguments)

    def test_a_refusal_in_the_contracts_own_words_keeps_its_data(self, chain):
        with pytest.raises(ContractReverted) as caught:
            chain.call(deploy(chain), call_data("refuseWith(uint256)", 5))
        assert caught.value.data == call_data("Refused(uint256)", 5)

    @pytest.mark.parametrize("data", [store(1, 2), call_data("makeChild()"), call_data("countInTransaction()")])
    def test_estimated_gas_is_enough_and_one_less_is_not(self, chain, data):
        probe = deploy(chain)
        gas = chain.estimate_gas(probe, data, sender=BOB.address)
        [short] = chain.submit([signed(BOB, 0, probe, data, gas_limit=gas - 1)])
        [enough] = chain.submit([signed(BOB, 1, probe, data, gas_limit=gas)])
        assert (short.succeeded, enough.succeeded) == (False, True)

    def test_a_refund_does_not_shorten_the_estimate(self, chain):
        probe = deploy(chain)
        chain.submit([signed(ALICE, 1, probe, store(9, 9))])
        gas = chain.estimate_gas(probe, store(9, 0), sender=BOB.address)
        [receipt] = chain.submit([signed(BOB, 0, probe, store(9, 0), gas_limit=gas)])
        assert receipt.succeeded
        assert receipt.gas_used < gas

    def test_a_creation_can_be_estimated_and_a_refusal_cannot(self, chain):
        gas = chain.estimate_gas(None, BYTECODE)
        [receipt] = chain.submit([signed(ALICE, 0, None, BYTECODE, gas_limit=gas)])
        assert receipt.succeeded
        with pytest.raises(ContractReverted, match="not today"):
            chain.estimate_gas(receipt.contract_address, call_data("refuse()"))


class TestLogs:
    @pytest.fixture
    def probes(self, chain):
        """Two contracts; ALICE stores keys 2 and 3 in the first, BOB key 2 in the second, one block each."""
        first, second = deploy(chain), deploy(chain)
        chain.submit(stores(first, 2, 2))
        chain.submit([signed(BOB, 0, second, store(2, 7))])
        chain.submit([signed(BOB, 1, second, call_data("anonymousEvent(uint256)", 8))])
        return first, second

    def test_all_events_come_in_their_order(self, chain, probes):
        first, second = probes
        found = [(log.address, log.height, int.from_bytes(log.data, "big")) for log in chain.logs()]
        assert found == [(first, 3, 3), (first, 3, 4), (second, 4, 7), (second, 5, 8)]

    def test_a_contract_selects_its_own(self, chain, probes):
        assert [log.height for log in chain.logs(address=probes[1])] == [4, 5]
        assert list(chain.logs(address=ALICE.address)) == []

    def test_topics_select_by_place_and_none_stands_for_any(self, chain, probes):
        assert [log.height for log in chain.logs(topics=[{STORED}])] == [3, 3, 4]
        assert [log.height for log in chain.logs(topics=[None, {word(2)}])] == [3, 4]
        assert [log.height for log in chain.logs(topics=[{STORED}, {word(2), word(3)}], address=probes[0])] == [3, 3]
        assert list(chain.logs(topics=[{word(2)}])) == []
        assert list(chain.logs(topics=[None] * 4)) == []

    def test_heights_bound_the_search_on_both_sides(self, chain, probes):
        for address in (None, probes[1]):
            assert [log.height for log in chain.logs(address=address, first_block=4)] == [4, 5]
            assert [log.height for log in chain.logs(address=address, first_block=4, last_block=4)] == [4]

    def test_a_long_history_is_read_in_pieces(self, chain, probes, monkeypatch):
        everything = list(chain.logs())
        monkeypatch.setattr("gridbourse.chain.local._RECEIPTS_AT_A_TIME", 1)
        assert list(chain.logs()) == everything
        assert len(list(chain.logs(address=probes[0]))) == 2


class TestBlocks:
    def test_a_block_with_a_transaction_that_may_not_stand_there_changes_nothing(self, chain):
        with pytest.raises(TransactionRejected):
            chain.submit([deployment(), deployment(nonce=2)])
        assert chain.next_nonce(ALICE.address) == 0
        assert chain.submit([deployment()])[0].succeeded

    def test_a_batch_beyond_a_blocks_gas_fills_several_blocks_in_order(self, path):
        genesis = replace(GENESIS, gas_limit=1_000_000)
        with EmbeddedChain(path, genesis, SEALER) as chain:
            probe = deploy(chain)
            receipts = chain.submit(stores(probe, 1, 30))
            assert [(receipt.height, receipt.position) for receipt in receipts] == [
                (2 + index // 5, index % 5) for index in range(30)
            ]

    def test_time_never_runs_backwards(self, path):
        times = iter([NOON, NOON - 100, NOON + 5])
        with EmbeddedChain(path, GENESIS, SEALER, clock=lambda: next(times)) as chain:
            for nonce in range(3):
                chain.submit([signed(BOB, nonce, ALICE.address)])
            assert [chain.block(height).header.timestamp for height in (1, 2, 3)] == [NOON, NOON, NOON + 5]


class TestInterval:
    def test_what_comes_in_together_is_sealed_together(self, path):
        with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60) as chain:
            hashes = [chain.send([signed(BOB, nonce, ALICE.address)])[0] for nonce in range(3)]
            assert chain.next_nonce(BOB.address) == 3
            assert chain.head().height == 0
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            receipts = [chain.receipt(tx_hash) for tx_hash in hashes]
            assert [(receipt.height, receipt.position) for receipt in receipts] == [(1, 0), (1, 1), (1, 2)]

    def test_closing_at_once_still_seals_what_was_sent(self, path):
        for nonce in range(20):
            with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60) as chain:
                [tx_hash] = chain.send([signed(BOB, nonce, ALICE.address)])
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            assert chain.receipt(tx_hash).height == 20

    def test_another_interval_is_in_force_at_once_and_what_waits_is_sealed(self, path):
        with EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60) as chain:
            hashes = [chain.send([signed(BOB, nonce, ALICE.address)])[0] for nonce in range(2)]
            chain.set_blocks(None, GENESIS.gas_limit)
            assert [chain.receipt(tx_hash).height for tx_hash in hashes] == [1, 1]
            chain.submit([signed(BOB, 2, ALICE.address)])
            assert chain.head().height == 2
            chain.set_blocks(60, GENESIS.gas_limit)
            hashes = [chain.send([signed(BOB, nonce, ALICE.address)])[0] for nonce in (3, 4)]
            assert chain.head().height == 2, "the interval has not ended"
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            assert [chain.receipt(tx_hash).height for tx_hash in hashes] == [3, 3]

    def test_blocks_hold_no_more_gas_than_is_set(self, path):
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            chain.set_blocks(None, 50_000)
            receipts = chain.submit([signed(BOB, nonce, ALICE.address, gas_limit=21_000) for nonce in range(5)])
            assert [receipt.height for receipt in receipts] == [1, 1, 2, 2, 3]
            with pytest.raises(TransactionRejected, match="give at most 50000"):
                chain.submit([signed(BOB, 5, ALICE.address, gas_limit=50_001)])
            chain.set_blocks(None, GENESIS.gas_limit)
            batch = [signed(BOB, nonce, ALICE.address, gas_limit=50_001) for nonce in (5, 6)]
            assert [receipt.height for receipt in chain.submit(batch)] == [4, 4]
            chain.verify()

    @pytest.mark.parametrize("gas_limit", [0, GENESIS.gas_limit + 1])
    def test_a_block_has_as_much_gas_as_the_genesis_allows(self, path, gas_limit):
        with (
            EmbeddedChain(path, GENESIS, SEALER) as chain,
            pytest.raises(InvalidValue, match="gas_limit"),
        ):
            chain.set_blocks(None, gas_limit)

    def test_what_is_not_sealed_in_time_is_an_error_and_stays_in_the_queue(self, path):
        chain = EmbeddedChain(path, GENESIS, SEALER, interval_seconds=60)
        hashes = chain.send([deployment()])
        with pytest.raises(ChainError, match="not final within"):
            chain.wait(hashes, timeout_seconds=0.01)
        chain.close()
        with EmbeddedChain(path, GENESIS, SEALER) as reopened:
            assert reopened.receipt(hashes[0]).succeeded, "closing seals what waits"

    def test_senders_at_the_same_time_all_get_their_own_receipts(self, path):
        keys = [SigningKey(bytes([number]) * 32) for number in range(2, 8)]
        found = {}

        def submit_some(chain: EmbeddedChain, key: SigningKey) -> None:
            batches = [[signed(key, 2 * number + index, BOB.address) for index in (0, 1)] for number in range(10)]
            found[key] = [receipt for batch in batches for receipt in chain.submit(batch)]

        for interval_seconds in (None, 0.001):
            file = path.with_suffix(f".{interval_seconds}")
            with EmbeddedChain(file, GENESIS, SEALER, interval_seconds=interval_seconds) as chain:
                threads = [Thread(target=submit_some, args=(chain, key)) for key in keys]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                for key in keys:
                    senders = [chain.transaction(receipt.transaction_hash).sender for receipt in found[key]]
                    assert senders == [key.address] * 20
                chain.verify()

    def test_a_failure_to_write_reaches_everyone_who_waits(self, path, monkeypatch):
        chain = EmbeddedChain(path, GENESIS, SEALER, interval_seconds=0.001)

        def no_space(_: Core, *__: object) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(chain, "_core", AppendingCore(chain._core, no_space))
        with pytest.raises(ChainError, match="no space left"):
            chain.submit([deployment()])
        with pytest.raises(ChainError, match="no space left"):
            chain.next_nonce(ALICE.address)
        chain.close()
        with EmbeddedChain(path, GENESIS, SEALER) as reopened:
            assert reopened.head() == GENESIS.header

    def test_an_interrupt_between_disk_and_state_is_mended_by_reopening(self, path, monkeypatch):
        chain = EmbeddedChain(path, GENESIS, SEALER)

        def append_and_interrupt(core: Core, *block: object) -> None:
            core.append(*block)
            raise KeyboardInterrupt

        monkeypatch.setattr(chain, "_core", AppendingCore(chain._core, append_and_interrupt))
        with pytest.raises(KeyboardInterrupt):
            chain.submit([deployment()])
        with pytest.raises(ChainError, match="reopen"):
            chain.submit([deployment()])
        chain.close()
        with EmbeddedChain(path, GENESIS, SEALER) as reopened:
            assert reopened.head().height == 1
            assert reopened.next_nonce(ALICE.address) == 1


class TestOpening:
    def test_a_reopened_chain_goes_on_where_it_was(self, path):
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            probe = deploy(chain)
            chain.submit(stores(probe, 1, 3))
            chain.submit([signed(BOB, 0, probe, call_data("makeChild()"))])
            head, child = chain.head(), value_at(chain, probe, 1)
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            assert chain.head() == head
            assert chain.next_nonce(ALICE.address) == 4
            assert value_at(chain, probe, 1) == child
            assert chain.call(child.to_bytes(20, "big"), call_data("born()")) == word(3)
            chain.submit(stores(probe, 4, 1))
            chain.verify()

    def test_a_closed_chain_says_so(self, path):
        chain = EmbeddedChain(path, GENESIS, SEALER)
        chain.close()
        chain.close()
        with pytest.raises(ChainError, match="closed"):
            chain.submit([])

    def test_waiting_for_an_unknown_transaction_is_an_error(self, chain):
        with pytest.raises(ChainError, match="unknown"):
            chain.wait([bytes(32)])

    def test_another_key_than_the_sealers_is_refused(self, path):
        with pytest.raises(InvalidValue, match="key"):
            EmbeddedChain(path, GENESIS, ALICE)

    @pytest.mark.parametrize(
        "other", [{"chain_id": 7}, {"gas_limit": 30_000_000}, {"timestamp": 1}, {"sealer": ALICE.address}]
    )
    def test_another_genesis_than_the_chains_is_refused(self, path, other):
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            deploy(chain)
        key = ALICE if "sealer" in other else SEALER
        with pytest.raises(InvalidValue, match=f"genesis.*chain id {CHAIN_ID}"):
            EmbeddedChain(path, replace(GENESIS, **other), key)
        with EmbeddedChain(path, GENESIS, SEALER) as chain:
            assert chain.head().height == 1

    def test_a_second_opening_is_refused_in_this_process_and_in_another(self, chain, path):
        with pytest.raises(ChainLocked, match="already open"):
            EmbeddedChain(path, GENESIS, SEALER)
        program = (
            "import sys, pathlib, probe\n"
            "from gridbourse.chain.embedded import EmbeddedChain\n"
            "EmbeddedChain(pathlib.Path(sys.argv[1]), probe.GENESIS, probe.SEALER)\n"
        )
        command = [sys.executable, "-c", program, str(path)]
        other = subprocess.run(command, cwd=__file__.rpartition("/")[0], capture_output=True, text=True, check=False)
        assert "ChainLocked" in other.stderr
        deploy(chain)

    def test_a_path_that_cannot_be_is_an_error(self, path):
        with pytest.raises(ChainError, match="directory that exists"):
            EmbeddedChain(path / "missing" / "chain.sqlite", GENESIS, SEALER)
