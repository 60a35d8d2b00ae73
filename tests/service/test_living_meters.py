"""`gridbourse serve` as people start it: the example's meters, and a service that is killed at the worst moment."""

import asyncio
import re
import shutil
from contextlib import closing, suppress
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest
from region_work import ordered_periods
from serving_process import serving
from test_metering import LIMIT_W, LIMITS, SUN_WH, counted, outcomes, this_period

from gridbourse.api.meter_schema import OfferOutcome
from gridbourse.client import Client, meters, orders
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainLocked
from gridbourse.metering.broker import local_broker
from gridbourse.metering.meter import Meter
from gridbourse.node.region import Region
from gridbourse.simulation import example_meters
from gridbourse.simulation.example_meters import FILE, ExampleMeters
from service import Service, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "region.toml"


def signed_in(url, account, password):
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Origin": url}) as browser:
        browser.post("/sign-in/password", json={"account": account, "password": password}).raise_for_status()
        made = browser.post("/tokens", json={"name": "test", "scopes": ["read", "trade", "manage", "meter"]})
    return Client(url, token=made.json()["secret"])


def token(service, name):
    with service.browser(name) as browser:
        made = browser.post("/tokens", json={"name": "test", "scopes": ["read", "trade", "manage", "meter"]})
    return made.json()["secret"]


def test_killed_right_after_a_reading_is_confirmed_the_service_offers_once_when_it_is_back(folder):
    meter = Meter(SigningKey.generate())
    # The tests' own accounts are easier to guess than a service believes; its tokens are what they are.
    prepared = Service(folder).start()
    secrets = {name: token(prepared, name) for name in ("roofs", "Anna")}
    prepared.stop()
    with serving(folder) as running:
        with Client(running.url, token=secrets["roofs"]) as roofs:
            roofs.send(meters.register("Anna", meter.address, LIMIT_W))
        with Client(running.url, token=secrets["Anna"]) as anna:
            anna.send(orders.set_limits(LIMITS))
            anna.send(meters.hand_in(counted(meter, exported_wh=SUN_WH)))
    for _ in range(2):
        with serving(folder) as running, Client(running.url, token=secrets["Anna"]) as anna:
            until(lambda: OfferOutcome.OFFERED in {one.outcome for one in outcomes(anna, "Anna").values()})
            made = [one.period for one in outcomes(anna, "Anna").values() if one.outcome is OfferOutcome.OFFERED]
    with until(lambda: let_go(folder)) as region:
        written = ordered_periods(region, "Anna")
    assert written == sorted(set(written))
    assert set(made) <= set(written)


def let_go(folder):
    """The region, once the process that the kill left alone has let go of it."""
    with suppress(ChainLocked):
        return Region.open(folder)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example as it is served, its folder, and the passwords that it wrote."""
    folder = tmp_path_factory.mktemp("example") / "region"
    with serving(folder, "--example", EXAMPLE) as running:
        yield running, folder, until(lambda: passwords_in(running.log))


def passwords_in(log):
    """The passwords by account, once the last one is written."""
    found = dict(re.findall(r"│ (\S+) +│ (\S{16}) │", log.read_text("utf-8", errors="ignore")))
    return found if "regulator" in found else None


def test_the_examples_meters_are_heard_and_lead_to_offers_within_the_first_minute(example):
    running, _, passwords = example
    with closing(regulator(running.url, passwords)) as asking:
        listed = until(lambda: all_heard(asking.send(meters.meters())))
        assert {one.node_id for one in listed} >= {"Roof 01", "Home 01", "Wind turbine 01", "Factory 01"}
        assert {one.is_simulated for one in listed} == {True}
        offered = until(lambda: wind(asking))[0]
        assert (offered.order.side, offered.order.energy_types) == ("ask", ["wind"])
        assert offered.order.energy_wh == offered.expected_wh


def regulator(url, passwords):
    return signed_in(url, "regulator", passwords["regulator"])


def all_heard(listed):
    """The meters, once there are some and each has told all that it has counted."""
    is_told = not any(one.missing_count or one.is_silent or one.last_period is None for one in listed)
    return listed if is_told else []


def wind(asking):
    return [one for one in outcomes(asking, "Wind turbine 01").values() if one.outcome is OfferOutcome.OFFERED]


def test_started_again_the_examples_meters_count_on_with_their_keys(example, tmp_path):
    served, folder, passwords = example
    with served.held():
        left = shutil.copytree(folder, tmp_path / "region", ignore=shutil.ignore_patterns("*.sock"))
    with serving(left, "--example", EXAMPLE) as running, closing(regulator(running.url, passwords)) as asking:
        until(lambda: all_heard(asking.send(meters.meters())))
        assert {one.is_current for one in asking.send(meters.meters())} == {True}
        told = httpx.get(f"{running.url}/metrics").text
    assert 'gridbourse_readings_total{outcome="conflicting"} 0.0' in told
    assert (left / FILE).stat().st_mode & 0o77 == 0


def test_however_time_passes_the_examples_meters_count_every_period_once(folder, monkeypatch):
    """A quarter of an hour goes by between any two looks at the clock, until it stops two hours ago."""
    monkeypatch.setattr(example_meters, "HISTORY_PERIODS", 10)
    monkeypatch.setattr(example_meters, "_AFTER_THE_END_SECONDS", 0)
    newest = this_period() - 8
    moments = chain(range((newest - 10) * 900, (newest + 1) * 900, 900), repeat((newest + 1) * 900))
    with local_broker() as broker:
        service = Service(folder, broker=broker).start()
        try:
            example = ExampleMeters(service.exchange, broker, lambda: next(moments))
            playing = asyncio.run_coroutine_threadsafe(example.run(), service.loop)
            metering = service.exchange.metering
            until(lambda: metering.last_period("Anna") == metering.last_period("Bert") == newest)
            for node_id in ("Anna", "Bert"):
                until(lambda node_id=node_id: None not in surpluses(metering, node_id, range(newest - 19, newest + 1)))
            playing.cancel()
        finally:
            service.stop()


def surpluses(metering, node_id, periods):
    return [metering.energy(node_id, period) for period in periods]
