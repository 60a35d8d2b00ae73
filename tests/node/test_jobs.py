"""What members do all the time: each job by itself, and each line of what is handed in by itself."""

from pathlib import Path

import pytest
from organisations import Organisations
from small_region import DAY, PERIOD, ask, bid, records_of, trader, write

from gridbourse.errors import ChainError
from gridbourse.ledger.balancing_records import MeteredDetails
from gridbourse.ledger.records import DealDetails
from gridbourse.market.events import IntentRecorded, OrderPlaced
from gridbourse.market.types import Side
from gridbourse.node.connections import register_meter
from gridbourse.node.jobs.job import REGION, JobSchedule, Task
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.jobs.metering.metered_files import MeteredFiles
from gridbourse.node.jobs.money.payment_file import PaymentFile

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"
ALWAYS = JobSchedule(anchor_seconds=0.0)


class Seconds:
    """A stopwatch that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Failing:
    """A job one of whose tasks fails until it is mended."""

    name = "failing"
    every_seconds = 100.0

    def __init__(self, error):
        self.error = error
        self.done = []

    def tasks(self, region):
        yield Task("broken", self._break)
        yield Task("whole", lambda: self.done.append("whole"))

    def _break(self):
        if self.error:
            raise self.error
        self.done.append("broken")


@pytest.fixture
def region(region):
    write(region, "Anna", ask())
    write(region, "Bert", bid())
    return region


@pytest.mark.parametrize("error", [ChainError("no answer"), ZeroDivisionError("unforeseen")], ids=["known", "bug"])
def test_a_failing_task_is_named_tried_again_and_stops_nothing_else(region, error, caplog):
    job, seconds = Failing(error), Seconds()
    loop = RegionLoop(region, ALWAYS, [job], monotonic=seconds)
    loop.step()
    loop.step()
    assert job.done == ["whole", "whole"]
    (failure,) = loop.failures
    assert (failure.job, failure.subject, failure.since) == ("failing", "broken", region.clock())
    assert sum("broken failed" in record.message for record in caplog.records) == 1
    assert len(happened(region, IntentRecorded)) == 1
    job.error = None
    loop.step()
    assert loop.failures == ()
    loop.step()
    assert job.done[-2:] == ["broken", "whole"]
    assert len(job.done) == 4
    seconds.now = 100.0
    loop.step()
    assert len(job.done) == 6


def test_a_job_that_cannot_say_what_is_to_be_done_is_named(region):
    class Silent(Failing):
        def tasks(self, region):
            raise ChainError("no answer")
            yield

    loop = RegionLoop(region, ALWAYS, [Silent(None)])
    loop.step()
    assert [(failure.job, failure.subject) for failure in loop.failures] == [("failing", REGION)]
    assert len(happened(region, IntentRecorded)) == 1


def test_a_master_that_cannot_submit_holds_up_no_other_and_is_not_anchored_past_what_it_submitted(region, monkeypatch):
    roofs = region.relays["roofs"]

    def no_answer():
        raise ChainError("the slave chain does not answer")

    monkeypatch.setattr(roofs, "ready_orders", no_answer)
    loop = RegionLoop(region, ALWAYS)
    loop.step()
    assert {(failure.job, failure.subject) for failure in loop.failures} == {("submit", "roofs")}
    assert [placed.order_id.side for placed in happened(region, OrderPlaced)] == [Side.BID]
    anchors = region.main.anchors
    assert anchors.last_anchor(region.masters["grid"].membership.master_id) is not None
    assert anchors.last_anchor(region.masters["roofs"].membership.master_id) is None
    monkeypatch.undo()
    loop.step()
    loop.step()
    assert loop.failures == ()
    assert len(happened(region, IntentRecorded)) == 1
    assert len(records_of(region, "roofs", DealDetails)) == 1


# Payments


def happened(region, kind):
    """What the main chain tells of one kind."""
    market = region.main.market
    return [event for event in market.events_between(1, market.chain.head().height) if isinstance(event, kind)]


def case(tmp_path, name, **numbers):
    path = CASES / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    copy = tmp_path / name
    copy.write_bytes(path.read_bytes())
    return copy


def credited(region, path, job=None):
    """What a payments file brings, in yuan."""
    before, _ = region.main.market.money_moved()
    loop = RegionLoop(region, ALWAYS, [job or PaymentFile(path)])
    loop.step()
    after, _ = region.main.market.money_moved()
    return (after - before) // 10**7, loop.failures


def refused(path):
    told = path.with_name(f"{path.stem}.refused.csv")
    return told.read_text("utf-8-sig").splitlines()[1:] if told.exists() else []


def test_one_bad_payment_stops_no_other_and_nothing_of_the_round(region, tmp_path, caplog):
    path = case(tmp_path, "pay-bad-line.csv")
    assert credited(region, path) == (30, ())
    (line,) = refused(path)
    assert line.startswith("3,")
    assert "yuan" in line
    assert sum("line 3 is refused" in record.message for record in caplog.records) == 1
    assert len(happened(region, IntentRecorded)) == 1


def test_payments_without_reference_are_refused_both(region, tmp_path):
    path = case(tmp_path, "pay-empty-ref.csv")
    assert credited(region, path) == (0, ())
    assert [line.split(",")[0] for line in refused(path)] == ["2", "3"]


def test_an_amount_with_underscores_is_refused(region, tmp_path):
    path = case(tmp_path, "pay-underscore.csv")
    assert credited(region, path) == (0, ())
    assert len(refused(path)) == 1


def test_a_payments_file_in_another_encoding_fails_by_name_and_ends_nothing(region, tmp_path):
    path = case(tmp_path, "pay-gbk.csv")
    yuan, (failure,) = credited(region, path)
    assert yuan == 0
    assert failure.job == "payments"
    assert "UTF-8" in failure.reason
    assert len(happened(region, IntentRecorded)) == 1


def test_a_payment_is_credited_once_and_a_reference_that_comes_again_is_refused(region, tmp_path):
    path = tmp_path / "payments.csv"
    path.write_text("reference,trader,yuan\nR-1,4,10\nR-1,4,10\nR-2,999,10\n")
    assert credited(region, path) == (10, ())
    assert [line.split(",")[0] for line in refused(path)] == ["3", "4"]
    # Another process, another region of numbers: what was refused is not credited because it fits somebody later.
    path.write_text(path.read_text() + "R-3,4,5\n")
    assert credited(region, path) == (5, ())
    assert [line.split(",")[0] for line in refused(path)] == ["3", "4"]


def test_payments_are_for_the_settlement_agent_only(clock, tmp_path):
    everybody = Organisations(tmp_path, clock)
    everybody.found()
    path = tmp_path / "payments.csv"
    path.write_text("reference,trader,yuan\nR-1,4,10\n")
    loop = RegionLoop(everybody.open("roofs"), ALWAYS, [PaymentFile(path)])
    loop.step()
    assert [failure.job for failure in loop.failures] == ["payments"]
    assert not refused(path)
    everybody.close()


# Metered energies


def metered(region, folder):
    loop = RegionLoop(region, ALWAYS, [MeteredFiles(folder)])
    loop.step()
    assert not loop.failures
    return {
        (details.user_id, period): details.metered_wh(period)
        for name in region.masters
        for details in records_of(region, name, MeteredDetails)
        for period in details.periods
    }


def test_a_byte_order_mark_is_no_part_of_a_column(region, tmp_path):
    path = case(tmp_path, "metered-bom.csv")
    assert metered(region, tmp_path) == {("Bert", 1_995_648): -900}
    assert not refused(path)


def test_energy_beyond_any_meter_is_refused_and_nothing_of_it_is_on_a_chain(region, tmp_path):
    path = case(tmp_path, "metered-2e63.csv")
    found = metered(region, tmp_path)
    assert len(refused(path)) == 1
    assert max(abs(wh or 0) for wh in found.values()) == 0


def test_a_period_that_stands_twice_is_refused_twice(region, tmp_path):
    path = case(tmp_path, "metered-duplicate.csv")
    assert metered(region, tmp_path) == {("Bert", 1_995_649): 0}
    assert [line.split(",")[0] for line in refused(path)] == ["2", "3"]


def test_a_day_in_two_files_is_one_day_and_a_correction_counts(region, tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(f"node,period,metered_wh\nAnna,{PERIOD},900\nNobody,{PERIOD},1\nArno,{PERIOD},\n")
    second.write_text(f"node,period,metered_wh\nAnna,{region.calendar.begins(PERIOD + 1)},70\n")
    found = metered(region, tmp_path)
    assert found == {("Anna", PERIOD): 900, ("Anna", PERIOD + 1): 70, ("Arno", PERIOD): None}
    assert [line.split(",")[0] for line in refused(first)] == ["3"]
    second.write_text(f"node,period,metered_wh\nAnna,{region.calendar.begins(PERIOD + 1)},80\n")
    assert metered(region, tmp_path)["Anna", PERIOD + 1] == 80
    assert metered(region, tmp_path)["Anna", PERIOD] == 900


def test_a_reading_above_what_the_meter_can_count_is_refused(region, tmp_path):
    from gridbourse.crypto.keys import Address

    register_meter(region, "Anna", Address(bytes(19) + b"\x01"), 8_000)
    path = tmp_path / "day.csv"
    path.write_text(f"node,period,metered_wh\nAnna,{PERIOD},2001\nAnna,{PERIOD + 1},2002\n")
    assert metered(region, tmp_path) == {("Anna", PERIOD): 2_001}
    assert len(refused(path)) == 1


def test_the_numbers_of_the_tests_are_those_of_the_cases(region):
    assert trader(region, "Bert", DAY) in range(1, 5)
