"""`gridbourse serve` as people start it: the example's meters, and a service that is killed at the worst moment."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from service import Service, until
from test_metering import LIMIT_W, LIMITS, SUN_WH, counted, outcomes, recorded

from gridbourse.client import Client, meters, orders
from gridbourse.client.metering_values import OfferOutcome
from gridbourse.console.example_meters import FILE
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainLocked
from gridbourse.metering.meter import Meter
from gridbourse.network.region import Region

COMMAND = [str(Path(sys.executable).with_name("gridbourse")), "serve"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "region.toml"


@contextmanager
def serving(folder, *options):
    """A service in a process of its own, which is killed at the end; and what it wrote."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", folder.with_suffix(f".{port}.log")
    with log.open("wb") as output:
        process = subprocess.Popen([*COMMAND, folder, "--port", str(port), *options], stdout=output, stderr=output)
    try:
        until(lambda: answers(url), seconds=60)
        yield url, log
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def answers(url):
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False


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
    with serving(folder) as (url, _):
        with Client(url, token=secrets["roofs"]) as roofs:
            roofs.send(meters.register("Anna", meter.address, LIMIT_W))
        with Client(url, token=secrets["Anna"]) as anna:
            anna.send(orders.set_limits(LIMITS))
            anna.send(meters.hand_in(counted(meter, exported_wh=SUN_WH)))
    for _ in range(2):
        with serving(folder) as (url, _), Client(url, token=secrets["Anna"]) as anna:
            until(lambda: OfferOutcome.OFFERED in {one.outcome for one in outcomes(anna).values()}, seconds=60)
            made = [one.period for one in outcomes(anna).values() if one.outcome is OfferOutcome.OFFERED]
    with until(lambda: let_go(folder)) as region:
        written = recorded(InProcess(region))
    assert sorted(written) == sorted(set(written))
    assert set(made) <= set(written)


class InProcess:
    """What `recorded` asks of a service, of a region that nobody serves."""

    def __init__(self, region):
        self._region = region

    def region(self, work, *arguments):
        return work(self._region, *arguments)


def let_go(folder):
    """The region, once the process that the kill left alone has let go of it."""
    with suppress(ChainLocked):
        return Region.open(folder)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example region's folder, and what its first minute wrote."""
    folder = tmp_path_factory.mktemp("example") / "region"
    with serving(folder, "--example", EXAMPLE) as (url, log):
        until(lambda: b"regulator" in log.read_bytes(), seconds=60)
        yield folder, url, dict(re.findall(r"│ (\S+) +│ (\S{16}) │", log.read_text()))


def test_the_examples_meters_are_heard_and_lead_to_offers_within_the_first_minute(example):
    _, url, passwords = example
    with closing(regulator(url, passwords)) as asking:
        until(lambda: all_heard(asking.send(meters.meters())), seconds=60)
        listed = asking.send(meters.meters())
        assert {one.node_id for one in listed} >= {"Roof 01", "Home 01", "Wind turbine 01", "Factory 01"}
        assert {one.is_simulated for one in listed} == {True}
        until(lambda: wind(asking), seconds=60)
        offered = wind(asking)[0]
        assert (offered.order.side, offered.order.energy_types) == ("ask", ["wind"])
        assert offered.order.energy_wh == offered.expected_wh


def regulator(url, passwords):
    return signed_in(url, "regulator", passwords["regulator"])


def all_heard(listed):
    return listed and not any(one.missing_count or one.is_silent or one.last_period is None for one in listed)


def wind(asking):
    return [one for one in outcomes(asking, "Wind turbine 01").values() if one.outcome is OfferOutcome.OFFERED]


def test_started_again_the_examples_meters_count_on_with_their_keys(example, tmp_path):
    folder, _, passwords = example
    left = shutil.copytree(folder, tmp_path / "region")
    with serving(left, "--example", EXAMPLE) as (url, _), closing(regulator(url, passwords)) as asking:
        until(lambda: all_heard(asking.send(meters.meters())), seconds=60)
        assert {one.is_current for one in asking.send(meters.meters())} == {True}
        told = httpx.get(f"{url}/metrics").text
    assert 'gridbourse_readings_total{outcome="conflicting"} 0.0' in told
    assert (left / FILE).stat().st_mode & 0o77 == 0
