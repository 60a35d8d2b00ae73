"""What the chain knows about pyrevm 0.3.7, and what it makes of it."""

from __future__ import annotations

import pytest
from probe import ALICE, BOB, BYTECODE, CHAIN_ID, call_data, store, word
from pyrevm import EVM, AccountInfo, CfgEnv, Env

from gridbourse.chain.evm import RULES, Evm, Message
from gridbourse.crypto.keys import keccak256

CALLER = "0x" + "11" * 20
PROBE = "0x" + "22" * 20
GAS = 1_000_000


def slot_of(key: int) -> int:
    return int.from_bytes(keccak256(word(key) + word(0)), "big")


@pytest.fixture
def revm() -> EVM:
    """A pyrevm EVM with the probe at PROBE and an empty journal."""
    evm = EVM(env=Env(cfg=CfgEnv(chain_id=CHAIN_ID)), gas_limit=10**9, spec_id=RULES)
    checkpoint = evm.snapshot()
    code = evm.basic(evm.deploy(CALLER, BYTECODE)).code
    evm.revert(checkpoint)
    evm.insert_account_info(PROBE, AccountInfo(nonce=1, code=code))
    return evm


class TestPyrevm:
    def test_a_message_call_leaves_the_callers_nonce_alone_and_a_deployment_raises_it(self, revm):
        revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        assert revm.basic(CALLER).nonce == 0
        revm.deploy(CALLER, BYTECODE)
        assert revm.basic(CALLER).nonce == 1

    def test_a_failed_deployment_raises_the_nonce_too(self, revm):
        revm.snapshot()
        with pytest.raises(RuntimeError):
            revm.deploy(CALLER, b"\xfe")
        assert revm.basic(CALLER).nonce == 1

    def test_a_revert_is_an_error_whose_text_has_the_output_and_whose_result_has_the_gas(self, revm):
        revm.snapshot()
        with pytest.raises(RuntimeError, match=r"^Revert \{ gas_used: \d+, output: 0x08c379a0[0-9a-f]+ \}$"):
            revm.message_call(CALLER, PROBE, calldata=call_data("refuse()"))
        assert not revm.result.is_success
        assert not revm.result.is_halt
        assert revm.result.reason == "Revert"
        assert revm.result.gas_used > 21_000

    def test_a_halt_is_an_error_whose_result_has_reason_and_gas(self, revm):
        revm.snapshot()
        with pytest.raises(RuntimeError, match=r"^Halt"):
            revm.message_call(CALLER, PROBE, calldata=store(1, 2), gas=30_000)
        assert revm.result.is_halt
        assert revm.result.reason == "OutOfGas(Basic)"
        assert revm.result.gas_used == 30_000

    def test_what_cannot_start_is_an_error_without_a_result(self, revm):
        revm.snapshot()
        with pytest.raises(RuntimeError, match="gas limit"):
            revm.message_call(CALLER, PROBE, calldata=store(1, 2), gas=21_000)
        assert revm.result is None
        with pytest.raises(RuntimeError, match="LackOfFund"):
            revm.message_call(CALLER, PROBE, value=1)
        assert revm.result is None
        with pytest.raises(RuntimeError, match="RejectCallerWithCode"):
            revm.message_call(PROBE, PROBE)
        assert revm.result is None

    def test_a_log_carries_its_topics_and_data_as_bytes(self, revm):
        revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(5, 6))
        [log] = revm.result.logs
        topics, data = log.data
        assert topics[1:] == [word(5), bytes(12) + b"\x11" * 20]
        assert data == word(6)
        assert log.address.lower() == PROBE

    def test_reverting_the_first_checkpoint_empties_the_journal_but_for_the_coinbase(self, revm):
        base = revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        revm.revert(base)
        assert set(revm.journal_state) == {"0x" + "00" * 20}
        assert (revm.journal_depth, revm.journal_len, revm.checkpoint_ids) == (0, 1, set())

    def test_messages_of_one_journal_need_no_checkpoint_of_their_own(self, revm):
        base = revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        with pytest.raises(RuntimeError):
            revm.message_call(CALLER, PROBE, calldata=call_data("refuse()"))
        with pytest.raises(RuntimeError):
            revm.deploy(CALLER, b"\xfe")
        assert revm.journal_depth == 1
        assert revm.storage(PROBE, slot_of(1)) == 2
        assert revm.storage(PROBE, 1) == 1, "the refused call's write is undone"
        revm.revert(base)
        checkpoint = revm.snapshot()
        assert revm.storage(PROBE, slot_of(1)) == 0
        revm.revert(checkpoint)

    def test_an_account_outside_the_journal_is_written_to_the_database(self, revm):
        revm.insert_account_info(CALLER, AccountInfo(nonce=9))
        assert CALLER not in revm.journal_state
        checkpoint = revm.snapshot()
        assert revm.basic(CALLER).nonce == 9
        revm.revert(checkpoint)

    def test_writing_a_slot_loads_the_account_until_it_is_reverted_and_the_slot_stays(self, revm):
        checkpoint = revm.snapshot()
        revm.insert_account_storage(PROBE, 1, 41)
        assert PROBE in revm.journal_state
        revm.revert(checkpoint)
        assert PROBE not in revm.journal_state
        checkpoint = revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        assert revm.storage(PROBE, 1) == 42
        revm.revert(checkpoint)

    def test_the_journals_text_shows_original_and_present_values_and_the_accounts_status(self, revm):
        revm.insert_account_storage(PROBE, 1, 41)
        base = revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        text = revm.journal_str
        assert "1: StorageSlot { previous_or_original_value: 0, present_value: 42 }" not in text
        assert f"{slot_of(1)}: StorageSlot {{ previous_or_original_value: 0, present_value: 2 }}" in text
        assert "}, status: AccountStatus(Touched) }" in text
        assert text.count("}, transient_storage: {") == 1
        revm.revert(base)

    def test_code_from_a_creation_is_analysed_and_code_from_outside_is_not(self, revm):
        base = revm.snapshot()
        revm.message_call(CALLER, PROBE, calldata=store(1, 2))
        assert "state: Raw" in revm.journal_str
        revm.revert(base)
        revm.snapshot()
        revm.deploy(CALLER, BYTECODE)
        assert "state: Raw" not in revm.journal_str


@pytest.fixture
def evm() -> Evm:
    return Evm(CHAIN_ID, gas_limit=10**9)


@pytest.fixture
def probe(evm: Evm):
    evm.begin(1, 1)
    outcome = evm.execute(Message(ALICE.address, None, BYTECODE), GAS)
    evm.apply(evm.finish())
    return outcome.contract_address


def run(evm: Evm, *messages: Message) -> list:
    """Run messages as one block and apply it."""
    evm.begin(2, 2)
    outcomes = [evm.execute(message, GAS) for message in messages]
    evm.apply(evm.finish())
    return outcomes


def ask(evm: Evm, probe, data: bytes) -> int:
    evm.begin(3, 3)
    try:
        return int.from_bytes(evm.execute(Message(BOB.address, probe, data), GAS).output, "big")
    finally:
        evm.discard()


class TestBlocks:
    def test_the_first_message_of_every_block_costs_what_it_costs_on_ethereum(self, evm, probe):
        # Intrinsic 21,000 + call data; two fresh slots 22,100 each, later 5,000 and 2,900 + 2,100.
        message = Message(BOB.address, probe, store(1, 2))
        first, second, third = (run(evm, message)[0].gas_used for _ in range(3))
        assert first - second == (22_100 - 2_200) + (22_100 - 5_000)
        assert second == third

    def test_a_later_message_finds_warm_what_an_earlier_one_touched(self, evm, probe):
        message = Message(BOB.address, probe, store(1, 2))
        run(evm, message)
        cold, warm = (outcome.gas_used for outcome in run(evm, message, message))
        # values[1] keeps its value; calls is read and written, and already dirty the second time.
        assert cold - warm == 2_100 + (5_000 - 200)

    def test_a_slot_cleared_and_set_again_in_one_block_costs_less_than_in_two(self, evm, probe):
        run(evm, Message(BOB.address, probe, store(9, 9)))
        clear, restore = Message(BOB.address, probe, store(9, 0)), Message(BOB.address, probe, store(9, 9))
        _, together = run(evm, clear, restore)
        run(evm, clear)
        [apart] = run(evm, restore)
        assert 21_000 * 4 // 5 < together.gas_used < apart.gas_used

    def test_gas_depends_on_state_and_block_alone(self):
        def gas_of_two_blocks() -> list[int]:
            evm = Evm(CHAIN_ID, gas_limit=10**9)
            [created] = run(evm, Message(ALICE.address, None, BYTECODE))
            message = Message(BOB.address, created.contract_address, store(1, 2))
            return [outcome.gas_used for _ in range(2) for outcome in run(evm, message, message)]

        assert gas_of_two_blocks() == gas_of_two_blocks()

    def test_a_discarded_block_leaves_no_trace(self, evm, probe):
        evm.begin(2, 2)
        evm.execute(Message(BOB.address, probe, store(1, 2)), GAS)
        assert evm.nonce(BOB.address) == 1
        evm.discard()
        assert evm.nonce(BOB.address) == 0
        assert ask(evm, probe, call_data("values(uint256)", 1)) == 0

    def test_changes_are_the_slots_that_differ_and_nothing_else(self, evm, probe):
        run(evm, Message(BOB.address, probe, store(1, 2)))
        evm.begin(3, 3)
        evm.execute(Message(BOB.address, probe, store(1, 2)), GAS)
        evm.execute(Message(BOB.address, probe, call_data("refuse()")), GAS)
        changes = {change.address: change for change in evm.finish()}
        assert changes.keys() == {probe, BOB.address}
        assert changes[probe].slots == word(1) + word(2), "calls went from 1 to 2; values[1] kept its 2"
        assert changes[probe].code is None
        assert changes[BOB.address].nonce == 3

    def test_a_fresh_evm_with_the_same_changes_is_in_the_same_state(self, evm):
        evm.begin(1, 1)
        outcome = evm.execute(Message(ALICE.address, None, BYTECODE), GAS)
        evm.execute(Message(BOB.address, outcome.contract_address, store(1, 2)), GAS)
        evm.execute(Message(BOB.address, outcome.contract_address, call_data("makeChild()")), GAS)
        changes = evm.finish()
        copy = Evm(CHAIN_ID, gas_limit=10**9)
        evm.apply(changes)
        copy.apply(changes)
        next_message = Message(BOB.address, outcome.contract_address, call_data("makeChild()"))
        assert run(evm, next_message) == run(copy, next_message)
        assert ask(copy, outcome.contract_address, call_data("values(uint256)", 1)) > 0

    def test_transient_storage_ends_with_its_transaction(self, evm, probe):
        message = Message(BOB.address, probe, call_data("countInTransaction()"))
        run(evm, message, message)
        assert ask(evm, probe, call_data("values(uint256)", 0)) == 1

    def test_a_contract_that_destroys_itself_in_its_transaction_is_gone_after_the_block(self, evm, probe):
        run(evm, Message(BOB.address, probe, call_data("makeBriefChild()")))
        child = ask(evm, probe, call_data("values(uint256)", 1)).to_bytes(20, "big")
        assert ask(evm, probe, call_data("codeHashOf(address)", int.from_bytes(child, "big"))) == 0
        assert ask(evm, probe, call_data("born()")) == 0

    def test_a_sender_exists_from_its_first_transaction_on(self, evm, probe):
        bob = int.from_bytes(BOB.address, "big")
        [outcome] = run(evm, Message(BOB.address, probe, call_data("codeHashOf(address)", bob)))
        assert outcome.output == keccak256(b"")

    def test_a_contract_address_follows_from_the_senders_nonce(self, evm):
        call, create = Message(BOB.address, ALICE.address, b""), Message(BOB.address, None, BYTECODE)
        *_, later = run(evm, call, create)
        fresh = Evm(CHAIN_ID, gas_limit=10**9)
        [first, second] = run(fresh, create, create)
        assert later.contract_address == second.contract_address != first.contract_address
