"""Meters to money, without a hand: readings become metered energies of the local day, prices and statements."""

from dataclasses import replace

import pytest
from small_region import SPEC, Clock, ask, bid, records_of, write

from gridbourse.crypto.keys import SigningKey
from gridbourse.delivery import date_day
from gridbourse.ledger.balancing_records import MeteredDetails, StatementDetails
from gridbourse.metering.journal import Journal
from gridbourse.metering.meter import Meter
from gridbourse.node.connections import register_meter
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import GRACE_SECONDS
from gridbourse.node.settling.settle_day import statement_of
from gridbourse.region.layout import READINGS_FILE

AUTUMN, SPRING, SUMMER = map(date_day, ("2026-10-25", "2026-03-29", "2026-06-01"))
ALWAYS = JobSchedule(anchor_seconds=0.0)
METERED = ("Anna", "Bert", "Bea")


class Street:
    """A region whose nodes have meters, except Arno's; time is passed."""

    def __init__(self, folder, time_zone, day):
        self.day, self.clock = day, Clock()
        spec = replace(SPEC, time_zone=time_zone)
        Region.create(folder, spec, clock=self.clock).close()
        self.region = Region.open(folder, clock=self.clock)
        self.calendar = self.region.calendar
        self.periods = self.calendar.periods(day)
        self.clock.now = self.calendar.starts_at(day) - 4 * 3_600
        self.journal = Journal(folder / READINGS_FILE)
        self.meters = {name: Meter(SigningKey.generate()) for name in METERED}
        for name, meter in self.meters.items():
            register_meter(self.region, name, meter.address, 100_000)
        self.loop = RegionLoop(self.region, ALWAYS)

    def round(self):
        self.loop.step()
        assert self.loop.failures == ()

    def read(self, name, periods, surplus_wh=0):
        """Let a meter count the same in every period, and its readings arrive."""
        meter = self.meters[name]
        for period in periods:
            meter.count(imported_wh=max(-surplus_wh, 0), exported_wh=max(surplus_wh, 0))
            self.journal.append(meter.read(period))
        self.journal.sync()

    def trade(self, period, energy_wh=1_000):
        """Anna sells to Bert."""
        self.round()
        self.region.deposit({"Bert": 10**9}, self.calendar.day_of(period), bytes(32))
        write(self.region, "Anna", ask(energy_wh, period=period))
        write(self.region, "Bert", bid(energy_wh, period=period))
        self.region.submit()
        self.region.answer(self.region.deliver(), confirmed=True)
        self.round()

    def details(self, kind):
        return [own for name in self.region.masters for own in records_of(self.region, name, kind)]


@pytest.fixture
def street(tmp_path, request):
    time_zone, day = getattr(request, "param", ("Asia/Shanghai", SUMMER))
    scene = Street(tmp_path / "region", time_zone, day)
    yield scene
    scene.journal.close()
    scene.region.close()


@pytest.mark.parametrize(
    ("street", "count"),
    [
        (("Europe/Berlin", AUTUMN), 100),
        (("Europe/Berlin", SPRING), 92),
        (("Asia/Shanghai", SUMMER), 96),
    ],
    indirect=["street"],
)
def test_a_local_day_is_settled_by_itself_when_its_readings_are_there(street, count):
    traded = street.periods[-1]
    street.trade(traded)
    for name, wh in (("Anna", 1_000), ("Bert", -900), ("Bea", 0)):
        street.read(name, [street.periods[0] - 1, *street.periods], wh)
    street.round()
    assert street.details(MeteredDetails) == []
    street.clock.now = street.calendar.ends_at(street.day)
    street.round()
    street.round()
    metered = {own.user_id: own for own in street.details(MeteredDetails)}
    assert {name: own.periods for name, own in metered.items()} == dict.fromkeys(METERED, street.periods)
    assert len(street.periods) == count
    anna = statement_of(street.region, "Anna", street.day)
    assert (len(anna.lines), anna.totals.sold_wh, anna.totals.fed_in_wh) == (count, 1_000, count * 1_000)
    assert anna.totals.open_periods == 0
    assert {own.user_id for own in street.details(StatementDetails)} == set(METERED)
    assert street.region.regulator.audit() == []


def test_a_day_without_its_last_readings_waits_for_an_hour_and_a_late_one_brings_a_correcting_statement(street):
    street.trade(street.periods[10])
    street.read("Anna", [street.periods[0] - 1, *street.periods[:-1]], 1_000)
    for name in ("Bert", "Bea"):
        street.read(name, [street.periods[0] - 1, *street.periods], 0)
    street.clock.now = street.calendar.ends_at(street.day)
    street.round()
    assert {own.user_id for own in street.details(MeteredDetails) if own.first_period in street.periods} == {
        "Bert",
        "Bea",
    }
    street.clock.now += GRACE_SECONDS
    street.round()
    street.round()
    assert statement_of(street.region, "Anna", street.day).totals.open_periods == 1
    street.read("Anna", street.periods[-1:], 1_000)
    street.round()
    street.round()
    assert statement_of(street.region, "Anna", street.day).totals.open_periods == 0
    stated = [own.user_id for own in street.details(StatementDetails) if own.first_period in street.periods]
    assert stated.count("Anna") == 2
    assert street.region.regulator.audit() == []


def test_who_traded_without_a_meter_has_its_deals_settled_and_its_energy_in_doubt(street):
    street.round()
    write(street.region, "Arno", ask(period=street.periods[5]))
    street.region.deposit({"Bert": 10**9}, street.day, bytes(32))
    write(street.region, "Bert", bid(period=street.periods[5]))
    street.region.submit()
    street.region.answer(street.region.deliver(), confirmed=True)
    for name in METERED:
        street.read(name, [street.periods[0] - 1, *street.periods])
    street.clock.now = street.calendar.ends_at(street.day) + GRACE_SECONDS
    street.round()
    street.round()
    arno = statement_of(street.region, "Arno", street.day)
    assert (arno.totals.sold_wh, arno.totals.open_periods) == (1_000, 96)
    assert street.region.regulator.audit() == []


def test_a_master_with_nothing_to_meter_holds_up_nobody(street):
    for name in ("Bert", "Bea"):
        street.read(name, [street.periods[0] - 1, *street.periods], -100)
    street.round()
    street.clock.now = street.calendar.ends_at(street.day) + GRACE_SECONDS
    # Anna's meter says nothing, and nobody traded.
    street.round()
    street.round()
    assert statement_of(street.region, "Bert", street.day).totals.drawn_wh == 9_600
    assert statement_of(street.region, "Anna", street.day).totals.open_periods == 96
    assert street.region.regulator.audit() == []


def test_what_a_restart_finds_is_not_recorded_again(street):
    for name in METERED:
        street.read(name, [street.periods[0] - 1, *street.periods])
    street.round()
    street.clock.now = street.calendar.ends_at(street.day) + GRACE_SECONDS
    street.round()
    street.round()
    before = street.details(MeteredDetails), street.details(StatementDetails)
    street.loop = RegionLoop(street.region, ALWAYS)
    street.round()
    assert (street.details(MeteredDetails), street.details(StatementDetails)) == before
