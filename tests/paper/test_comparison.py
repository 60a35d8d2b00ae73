"""Figure 6's measurement: how often, in which order, of what, and how it is summed up."""

from types import SimpleNamespace

import pytest

from gridbourse.paper import comparison
from gridbourse.paper.comparison import MAIN, MEASURES, Comparison, Spread, TradeTime, compare
from gridbourse.simulation.stopwatch import Stopwatch

REPETITIONS = 2


@pytest.fixture(scope="module")
def compared():
    return compare(REPETITIONS, lambda: None)


@pytest.fixture
def recorded_runs(monkeypatch):
    """Stand-ins for runs: each is told by its number, in the order in which they were made."""
    made = []

    def run(*, single_chain):
        made.append(single_chain)
        return (TradeTime(len(made), len(made), len(made)),)

    monkeypatch.setattr(comparison, "_run", run)
    return made


def test_both_models_run_in_turn_and_the_first_of_each_is_not_counted(recorded_runs):
    calls = []
    compared = compare(3, lambda: calls.append(len(recorded_runs)))
    assert recorded_runs == [True, False] * 4
    assert calls == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [run[0].main for run in compared.single_chain] == [3, 5, 7]
    assert [run[0].main for run in compared.master_slave] == [4, 6, 8]


def test_every_counted_run_times_the_six_trades(compared):
    assert [len(run) for run in compared.single_chain] == [6] * REPETITIONS
    assert [len(run) for run in compared.master_slave] == [6] * REPETITIONS


def test_within_a_trade_the_main_chain_is_part_of_the_way_and_the_way_part_of_the_work(compared):
    for run in compared.master_slave:
        for trade in run:
            assert 0 < trade.main < trade.elapsed <= trade.work
    for run in compared.single_chain:
        for trade in run:
            assert 0 < trade.main == pytest.approx(trade.elapsed) == pytest.approx(trade.work)


def test_a_bids_time_is_shared_equally_by_the_deals_it_made(compared):
    for run in (*compared.single_chain, *compared.master_slave):
        assert run[0] == run[1] == run[2], "User 1 makes three deals"
        assert run[3] == run[4], "User 2 makes two"
        assert len({trade.work for trade in run}) == 3


def test_a_bids_time_is_that_of_its_record_its_order_and_the_slower_of_the_details():
    entering = {MAIN: 4.0, "user": 2.0, "source": 0.0}
    writing = {MAIN: 0.0, "user": 6.0, "source": 8.0}
    assert comparison._trade_time(entering, writing, 2) == TradeTime(main=2.0, elapsed=7.0, work=10.0)
    entering, writing = {MAIN: 6.0}, {MAIN: 14.0}
    assert comparison._trade_time(entering, writing, 2) == TradeTime(main=10.0, elapsed=10.0, work=10.0)


def test_spreads_are_medians_and_quartiles():
    assert Spread.of([5, 1, 4, 2, 3]) == Spread(median=3, lower=2, upper=4)
    assert Spread.of([1, 2]) == Spread(median=1.5, lower=1.25, upper=1.75)


def run_of(*seconds):
    return tuple(TradeTime(value, value, value) for value in seconds)


def test_totals_shares_and_savings_follow_from_the_runs():
    compared = Comparison(
        single_chain=(run_of(4, 6), run_of(8, 12), run_of(10, 10)),
        master_slave=(run_of(2, 3), run_of(10, 10), run_of(20, 10)),
    )
    for measure in MEASURES:
        assert compared.total(compared.single_chain, measure) == Spread.of([10, 20, 20])
        assert compared.per_trade(compared.master_slave, measure) == [Spread.of([2, 10, 20]), Spread.of([3, 10, 10])]
        assert compared.saving(measure) == Spread.of([0.5, 0.0, -0.5])


def test_every_measure_is_a_field_of_a_trades_time():
    assert set(MEASURES) == set(TradeTime.__dataclass_fields__)


class SlowChain:
    """A chain whose submissions take what they are told, and that fails on demand."""

    chain_id = 7

    def __init__(self, clock):
        self._clock = clock

    def submit(self, raw_transactions):
        seconds = sum(map(len, raw_transactions))
        self._clock[0] += seconds
        if seconds == 99:
            raise TimeoutError
        return [SimpleNamespace(gas_used=100 * len(raw)) for raw in raw_transactions]

    def head(self):
        self._clock[0] += 1_000
        return "head"


def test_the_stopwatch_counts_submissions_alone_chain_by_chain_even_failed_ones(monkeypatch):
    clock = [0]
    monkeypatch.setattr("gridbourse.simulation.stopwatch.time.perf_counter", lambda: clock[0])
    watch = Stopwatch()
    one, two = (watch.observe(name, SlowChain(clock)) for name in ("one", "two"))
    assert [receipt.gas_used for receipt in one.submit([b"a", b"bc"])] == [100, 200]
    assert (one.head(), one.chain_id) == ("head", 7)
    two.submit([b"order"])
    one.submit([b"deal"])
    assert watch.gas == watch.transaction_bytes | {"one": 700, "two": 500}
    assert watch.transaction_bytes == {"one": 7, "two": 5}
    assert watch.take() == {"one": 7, "two": 5}
    with pytest.raises(TimeoutError):
        two.submit([b"x" * 99])
    assert watch.take() == {"one": 0, "two": 99}
    assert watch.gas == {"one": 0, "two": 0}
