"""Accepted readings outlive the process and the power."""

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridbourse.crypto.keys import SigningKey
from gridbourse.metering.journal import FRAME_BYTES, Journal
from gridbourse.metering.meter import Meter


@pytest.fixture
def readings():
    meter = Meter(SigningKey.generate())
    return [meter.read(period) for period in range(100, 105)]


def test_readings_come_back_in_the_order_of_their_acceptance(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as journal:
        for signed in reversed(readings):
            journal.append(signed)
    with closing(Journal(tmp_path / "readings")) as journal:
        assert list(journal.unread()) == [signed.to_bytes() for signed in reversed(readings)]


def test_what_is_synced_is_in_the_file_without_closing_it(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as journal:
        journal.append(readings[0])
        journal.sync()
        assert readings[0].to_bytes() in (tmp_path / "readings").read_bytes()


def written(path, readings):
    with closing(Journal(path)) as journal:
        for signed in readings:
            journal.append(signed)
    return path.read_bytes()


def read(path):
    with closing(Journal(path)) as journal:
        return list(journal.unread())


@pytest.mark.parametrize("torn", [1, 60, FRAME_BYTES - 1])
def test_a_half_written_reading_at_the_end_is_cut_off(tmp_path, readings, torn, caplog):
    path = tmp_path / "readings"
    whole = written(path, readings[:3])
    path.write_bytes(whole[: 2 * FRAME_BYTES + torn])
    with closing(Journal(path)) as journal:
        journal.append(readings[3])
    assert read(path) == [readings[number].to_bytes() for number in (0, 1, 3)]
    assert "unfinished reading" in caplog.text
    assert not list(tmp_path.glob("*.damaged")), "that is what a power failure leaves"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_a_damage_costs_the_readings_that_it_is_in_and_is_told(tmp_path_factory, readings, data, caplog):
    caplog.clear()
    path = tmp_path_factory.mktemp("journal") / "readings"
    content = written(path, readings)
    place = data.draw(st.integers(0, len(content) - 1), "where")
    length = data.draw(st.integers(1, 2 * FRAME_BYTES), "how much")
    before, within, after = content[:place], content[place : place + length], content[place + length :]
    changed = bytes(byte ^ 0x41 for byte in within)
    damaged = data.draw(
        st.sampled_from([before + after, before + b"\xabR" * length + within + after, before + changed + after]),
        "what is left",
    )
    path.write_bytes(damaged)
    hit = range(place // FRAME_BYTES, min(len(readings), (place + length - 1) // FRAME_BYTES + 1))
    left = read(path)
    untouched = [signed.to_bytes() for number, signed in enumerate(readings) if number not in hit]
    assert [reading for reading in left if reading in untouched] == untouched
    assert set(left) <= {signed.to_bytes() for signed in readings}
    if len(left) < len(readings):
        kept = [aside.read_bytes() for aside in path.parent.glob("*.damaged")]
        is_whole = path.read_bytes() == damaged  # readings that are cut out as a whole leave no trace
        assert kept == [damaged] or "unfinished reading" in caplog.text or is_whole
    caplog.clear()
    assert read(path) == left
    assert not caplog.records, "it is repaired once"


def test_what_another_process_appended_is_read_once_and_nothing_of_ones_own(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as one, closing(Journal(tmp_path / "readings")) as other:
        for turn, (writing, reading) in enumerate([(one, other), (other, one), (one, other)]):
            with writing.held():
                assert list(writing.unread()) == []
                writing.append(readings[turn])
                writing.sync()
            assert list(reading.unread()) == [readings[turn].to_bytes()]
    assert read(tmp_path / "readings") == [signed.to_bytes() for signed in readings[:3]]


def test_what_a_killed_process_left_half_written_is_cut_off_before_another_appends(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as journal:
        with (tmp_path / "readings").open("ab") as killed:
            killed.write(readings[0].to_bytes()[:50])
        with journal.held():
            journal.append(readings[1])
            journal.sync()
    assert read(tmp_path / "readings") == [readings[1].to_bytes()]


def test_a_journal_that_another_process_has_open_is_not_repaired_under_its_hands(tmp_path, readings):
    path = tmp_path / "readings"
    written(path, readings[:2])
    with closing(Journal(path)) as one:
        assert len(list(one.unread())) == 2
        with path.open("r+b") as damaged:
            damaged.seek(10)
            damaged.write(b"\xff\xff")
        assert read(path) == [readings[1].to_bytes()], "what is damaged is left out"
        assert not list(tmp_path.glob("*.damaged"))
        with one.held():
            one.append(readings[2])
    assert read(path) == [readings[1].to_bytes(), readings[2].to_bytes()]
    assert len(list(tmp_path.glob("*.damaged"))) == 1, "it is repaired by who is alone"
