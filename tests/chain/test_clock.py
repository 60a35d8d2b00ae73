"""A machine's clock that is wrong for a while: nothing is sealed, nothing that was taken is lost, and it goes on."""

import time

import pytest
from probe import ALICE, BOB, GENESIS, NOON, SEALER, call_data, deploy, signed

from gridbourse.chain.clock import MAX_PAUSE_SECONDS, MAX_STEP_SECONDS, WatchedClock
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.errors import ChainError, ClockWrong

DAY = 86_400
WRONG = {"30 days ahead": 30 * DAY, "an hour ahead": 3_600, "an hour back": -3_600, "years back": -4 * 365 * DAY}


class Machine:
    """A machine whose clock somebody sets."""

    def __init__(self):
        self.running_seconds = 1_000.0
        self.set_by = 0

    def wall(self):
        return NOON + self.running_seconds + self.set_by

    def clock(self):
        return WatchedClock(self.wall, lambda: self.running_seconds)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def running(path, machine):
    with EmbeddedChain(path, GENESIS, SEALER, clock=machine.clock()) as chain:
        yield chain


@pytest.mark.parametrize("seconds", WRONG.values(), ids=WRONG)
def test_under_a_wrong_clock_nothing_is_sealed_and_all_is_answered(running, machine, seconds):
    probe = deploy(running)
    before = running.head()
    machine.set_by = seconds
    for _ in range(3):
        machine.running_seconds += 600
        with pytest.raises(ClockWrong, match=r"the clock shows .* nothing is sealed; set the clock right"):
            running.submit([signed(BOB, 0, probe, call_data("makeChild()"))])
    assert running.head().hash == before.hash
    assert running.next_nonce(BOB.address) == 0, "nothing waits either"
    assert running.estimate_gas(probe, call_data("makeChild()")) > 21_000
    machine.set_by = 0
    running.submit([signed(BOB, 0, probe, call_data("makeChild()"))])
    assert running.head().timestamp == NOON + machine.running_seconds


@pytest.mark.parametrize("seconds", [MAX_STEP_SECONDS - 1, 1 - MAX_STEP_SECONDS])
def test_a_clock_that_is_corrected_a_little_at_a_time_is_believed(running, machine, seconds):
    for nonce in range(5):
        machine.running_seconds += 900
        machine.set_by += seconds
        running.submit([signed(BOB, nonce, ALICE.address)])


def test_a_machine_that_slept_is_believed(running, machine):
    machine.running_seconds += 40 * DAY
    running.submit([signed(BOB, 0, ALICE.address)])
    assert running.head().timestamp == NOON + machine.running_seconds


def test_what_waits_for_its_block_goes_on_waiting_and_is_sealed_when_the_clock_is_right(path, machine):
    with EmbeddedChain(path, GENESIS, SEALER, clock=machine.clock(), interval_seconds=0.4) as chain:
        hashes = chain.send([signed(BOB, 0, ALICE.address)])
        machine.set_by = 30 * DAY
        with pytest.raises(ChainError, match="not final within"):
            chain.wait(hashes, timeout_seconds=1)
        with pytest.raises(ClockWrong):
            chain.send([signed(BOB, 1, ALICE.address)])
        machine.set_by = 0
        (receipt,) = chain.wait(hashes)
        assert receipt.succeeded


def test_a_clock_that_lies_behind_the_newest_block_is_not_believed_whoever_tells_the_time(path):
    now = [NOON]
    with EmbeddedChain(path, GENESIS, SEALER, clock=lambda: now[0]) as chain:
        chain.submit([signed(BOB, 0, ALICE.address)])
        now[0] = NOON - MAX_STEP_SECONDS - 1
        with pytest.raises(ClockWrong, match="the newest block is of"):
            chain.submit([signed(BOB, 1, ALICE.address)])
        now[0] = NOON - 1
        chain.submit([signed(BOB, 1, ALICE.address)])
        assert chain.head().timestamp == NOON


def test_after_a_long_pause_it_has_to_be_said_that_the_clock_is_right(path):
    with EmbeddedChain(path, GENESIS, SEALER, clock=lambda: int(time.time()) - MAX_PAUSE_SECONDS - 60) as chain:
        chain.submit([signed(BOB, 0, ALICE.address)])
    clock = WatchedClock()
    with EmbeddedChain(path, GENESIS, SEALER, clock=clock) as chain:
        clock.learn(chain.head().timestamp)
        with pytest.raises(ClockWrong, match="gridbourse region confirm-clock"):
            chain.submit([signed(BOB, 1, ALICE.address)])
        chain.confirm_clock()
        clock.learn(chain.head().timestamp)
        chain.submit([signed(BOB, 1, ALICE.address)])
        chain.verify()


def test_while_the_clock_is_wrong_the_best_guess_is_what_it_would_show_if_nobody_had_set_it(machine):
    clock = machine.clock()
    right = clock()
    machine.set_by = 30 * DAY
    machine.running_seconds += 100
    assert clock.best() == right + 100
    assert clock.shown() == right + 100 + 30 * DAY
