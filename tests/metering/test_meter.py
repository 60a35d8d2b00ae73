"""A smart meter counts, signs, and remembers."""

import pytest

from gridbourse.crypto.keys import SigningKey
from gridbourse.metering import meter as meter_module
from gridbourse.metering.meter import Meter


@pytest.fixture
def meter():
    return Meter(SigningKey.generate())


def test_readings_are_genuine_and_numbered_from_nought(meter):
    readings = [meter.read(period) for period in (100, 101, 102)]
    assert all(signed.is_genuine() for signed in readings)
    assert [signed.reading.sequence for signed in readings] == [0, 1, 2]
    assert [signed.reading.period for signed in readings] == [100, 101, 102]


def test_registers_only_ever_count_up(meter):
    meter.count(imported_wh=300)
    first = meter.read(100).reading
    meter.count(imported_wh=50, exported_wh=20)
    meter.count(exported_wh=5)
    second = meter.read(101).reading
    assert (first.imported_wh, first.exported_wh) == (300, 0)
    assert (second.imported_wh, second.exported_wh) == (350, 25)


def test_a_meter_gives_again_what_it_remembers(meter):
    readings = [meter.read(period) for period in range(100, 110)]
    assert meter.recall(3, 5) == readings[3:6]
    assert meter.recall(8, 2**32 - 1) == readings[8:]
    assert meter.recall(10, 12) == []


def test_a_meter_forgets_its_oldest_readings(meter, monkeypatch):
    monkeypatch.setattr(meter_module, "MEMORY_READINGS", 4)
    readings = [meter.read(period) for period in range(100, 110)]
    assert meter.recall(0, 2**32 - 1) == readings[-4:]


def test_a_meter_counts_on_from_its_history():
    key = SigningKey.generate()
    before = Meter(key)
    before.count(imported_wh=10, exported_wh=70)
    history = [before.read(100), before.read(101)]
    after = Meter(key, history)
    after.count(exported_wh=1)
    reading = after.read(102).reading
    assert (reading.sequence, reading.imported_wh, reading.exported_wh) == (2, 10, 71)
    assert after.recall(0, 1) == history
