"""Accepted readings outlive the process and the power."""

from contextlib import closing

import pytest

from gridbourse.crypto.keys import SigningKey
from gridbourse.metering.journal import Journal
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
        assert (tmp_path / "readings").read_bytes() == readings[0].to_bytes()


@pytest.mark.parametrize("torn", [1, 60, 116])
def test_a_half_written_reading_at_the_end_is_cut_off(tmp_path, readings, torn):
    whole = readings[0].to_bytes() + readings[1].to_bytes()
    (tmp_path / "readings").write_bytes(whole + readings[2].to_bytes()[:torn])
    with closing(Journal(tmp_path / "readings")) as journal:
        assert list(journal.unread()) == [readings[number].to_bytes() for number in (0, 1)]
        journal.append(readings[3])
    assert (tmp_path / "readings").read_bytes() == whole + readings[3].to_bytes()


def test_what_another_process_appended_is_read_once_and_nothing_of_ones_own(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as one, closing(Journal(tmp_path / "readings")) as other:
        for turn, (writing, reading) in enumerate([(one, other), (other, one), (one, other)]):
            with writing.held():
                assert list(writing.unread()) == []
                writing.append(readings[turn])
                writing.sync()
            assert list(reading.unread()) == [readings[turn].to_bytes()]
    assert (tmp_path / "readings").read_bytes() == b"".join(signed.to_bytes() for signed in readings[:3])


def test_what_a_killed_process_left_half_written_is_cut_off_before_another_appends(tmp_path, readings):
    with closing(Journal(tmp_path / "readings")) as journal:
        with (tmp_path / "readings").open("ab") as killed:
            killed.write(readings[0].to_bytes()[:50])
        with journal.held():
            journal.append(readings[1])
            journal.sync()
        assert (tmp_path / "readings").read_bytes() == readings[1].to_bytes()
